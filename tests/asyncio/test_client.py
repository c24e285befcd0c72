"""The client, over sockets: what it asks, where it goes, and what it makes of the answers."""

import asyncio
import socket
import ssl
from base64 import b64encode
from http import HTTPStatus

import pytest
from listeners import (
    HOST,
    Answer,
    client_context,
    echoing,
    listening,
    resolving,
    server_context,
    upgrading,
    url,
)
from websockets.datastructures import Headers as ForeignHeaders
from websockets.http11 import Response as ForeignResponse
from wires import TEXT, frame

from wsfast.asyncio.client import connect
from wsfast.asyncio.handlers import Callbacks
from wsfast.exceptions import ConnectionClosed, HandshakeError, StateError
from wsfast.protocol.connection import State
from wsfast.protocol.http import HttpLimits


def redirecting(places):
    """For websockets' server: redirect from each path to its place."""

    def process_request(connection, request):
        if request.path in places:
            status = HTTPStatus.TEMPORARY_REDIRECT
            headers = ForeignHeaders({"Location": places[request.path], "Content-Length": "0"})
            return ForeignResponse(status, status.phrase, headers)
        return None

    return process_request


# Three ways to connect.


async def test_a_connection_that_is_awaited_stays_open():
    async with echoing() as (port, _):
        ws = await connect(url(port))
        await ws.send("Hello")
        assert await ws.recv() == "Hello"
        await ws.close()
        assert ws.state is State.CLOSED


async def test_a_connection_that_is_entered_is_closed_at_the_end():
    async with echoing() as (port, served):
        async with connect(url(port)) as ws:
            await ws.send(b"\x00\xff")
            assert await ws.recv() == b"\x00\xff"
        assert ws.state is State.CLOSED
        await served[0].wait_closed()
        assert served[0].close_code == 1000


async def test_a_connection_is_closed_when_its_block_raises():
    async with echoing() as (port, _):
        with pytest.raises(KeyError):
            async with connect(url(port)) as ws:
                raise KeyError
        assert ws.state is State.CLOSED


async def test_one_connector_makes_any_number_of_connections():
    async with echoing() as (port, served):
        connector = connect(url(port))
        async with connector:
            pass
        async with connector:
            pass
        assert len(served) == 2


async def test_callbacks_are_called_instead_of_receiving():
    happened = []
    over = asyncio.get_running_loop().create_future()

    def on_message(ws, message):
        happened.append(message)
        ws.close()

    def on_close(ws):
        happened.append(ws.close_code)
        over.set_result(None)

    callbacks = Callbacks(lambda ws: ws.send("Hello"), on_message, on_close)
    async with echoing() as (port, _):
        await connect(url(port), callbacks)
        await over
    assert happened == ["Hello", 1000]


async def test_on_open_may_cancel_who_connects():
    async with echoing() as (port, _):
        callbacks = Callbacks(on_open=lambda ws: task.cancel())
        task = asyncio.ensure_future(connect(url(port), callbacks).__aenter__())
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_open_connection_has_no_task_of_its_own():
    async with listening(upgrading(b"")) as port:
        ws = await connect(url(port), Callbacks())
        assert len(asyncio.all_tasks()) == 2  # this test, and its server
        ws.abort()
        await ws.wait_closed()


# What is asked.


async def test_the_request_says_what_was_given():
    async with echoing(subprotocols=["chat"]) as (port, served):
        async with connect(
            url(port, "/room?id=1"),
            subprotocols=["superchat", "chat"],
            origin="https://example.com",
            headers={"X-Trace": "abc"},
            user_agent="tester/1",
        ) as ws:
            assert ws.subprotocol == "chat"
            assert ws.response.status == 101
        request = served[0].request
    assert request.path == ws.request.target == "/room?id=1"
    assert request.headers["Host"] == f"{HOST}:{port}"
    assert request.headers["Origin"] == "https://example.com"
    assert request.headers["X-Trace"] == "abc"
    assert request.headers["User-Agent"] == "tester/1"


@pytest.mark.parametrize(
    ("userinfo", "options", "expected"),
    [
        ("", {}, None),
        ("me:secret@", {}, "Basic " + b64encode(b"me:secret").decode()),
        ("me:secret@", {"basic_auth": ("you", "")}, "Basic " + b64encode(b"you:").decode()),
        ("", {"headers": [("Authorization", "Bearer token")]}, "Bearer token"),
    ],
    ids=["none", "URI", "keyword", "bearer"],
)
async def test_credentials_go_along(userinfo, options, expected):
    async with echoing() as (port, served):
        async with connect(f"ws://{userinfo}{HOST}:{port}/", **options):
            pass
        assert served[0].request.headers.get("Authorization") == expected


async def test_an_earlier_version_is_spoken_on_request():
    async with listening(upgrading(b"")) as port:
        ws = await connect(url(port), version=8, origin="https://example.com")
        assert ws.request.headers["Sec-WebSocket-Version"] == "8"
        assert ws.request.headers["Sec-WebSocket-Origin"] == "https://example.com"
        ws.abort()
        await ws.wait_closed()


async def test_compression_is_negotiated():
    async with (
        echoing(compression="deflate") as (port, _),
        connect(url(port), compression=True) as ws,
    ):
        assert "permessage-deflate" in ws.response.headers["Sec-WebSocket-Extensions"]
        await ws.send("Hello" * 1000)
        assert await ws.recv() == "Hello" * 1000


async def test_settings_hold_for_the_connection():
    async with echoing() as (port, _):
        async with connect(url(port), max_size=4) as ws:
            await ws.send("Hello")
            with pytest.raises(ConnectionClosed) as caught:
                await ws.recv()
        assert caught.value.sent.code == 1009


# What is answered.


async def test_messages_behind_the_answer_are_received():
    async with listening(
        upgrading(frame(False, TEXT, b"one") + frame(False, TEXT, b"two"))
    ) as port:
        ws = await connect(url(port))
        assert [await ws.recv(), await ws.recv()] == ["one", "two"]
        ws.abort()
        await ws.wait_closed()


async def test_the_answer_may_come_byte_by_byte():
    async def serve_one(reader, writer):
        parts = []
        upgrade = upgrading(frame(False, TEXT, b"Hello"))
        writer_like = type("Parts", (), {"write": staticmethod(parts.append)})
        once = asyncio.ensure_future(upgrade(reader, writer_like))
        while not parts:
            await asyncio.sleep(0)
        for byte in parts[0]:
            writer.write(bytes([byte]))
            await writer.drain()
        await once

    async with listening(serve_one) as port:
        ws = await connect(url(port))
        assert await ws.recv() == "Hello"
        ws.abort()
        await ws.wait_closed()


async def test_a_refusal_carries_the_response():
    answer = b"HTTP/1.1 403 Forbidden\r\nX-Why: rain\r\nContent-Length: 3\r\n\r\nNo."
    async with listening(Answer(answer)) as port:
        with pytest.raises(HandshakeError, match="403 Forbidden") as caught:
            await connect(url(port))
    response = caught.value.response
    assert (caught.value.reason, response.status, response.body) == ("status", 403, b"No.")
    assert response.headers["x-why"] == "rain"


async def test_the_body_of_a_refusal_is_kept_up_to_its_limit():
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n" + bytes(1000)
    async with listening(Answer(answer)) as port:
        with pytest.raises(HandshakeError) as caught:
            await connect(url(port), limits=HttpLimits(body=10))
    assert caught.value.response.body == bytes(10)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "malformed_response"),
        (b"HTTP/1.1 101 Yes\r\n\r\n", "no_upgrade"),
        (
            b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            "accept",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000, "header_too_long"),
    ],
    ids=["no HTTP", "no upgrade", "another key", "long"],
)
async def test_a_wrong_answer_is_an_error(answer, reason):
    async with listening(Answer(answer)) as port:
        with pytest.raises(HandshakeError) as caught:
            await connect(url(port))
        assert caught.value.reason == reason


async def test_a_server_that_hangs_up_is_an_error():
    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with listening(serve_one) as port:
        with pytest.raises(HandshakeError) as caught:
            await connect(url(port))
        assert caught.value.reason == "no_response"


async def test_a_port_where_nobody_listens_is_an_error():
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connect(url(port))


async def test_a_name_that_nobody_has_is_an_error():
    with pytest.raises(socket.gaierror):
        await connect("ws://nobody.invalid/")


# Redirects.


async def test_redirects_are_followed():
    places = {"/one": "/two", "/two": "three?x=1"}
    async with (
        echoing(process_request=redirecting(places)) as (port, _),
        connect(url(port, "/one")) as ws,
    ):
        assert ws.request.target == "/three?x=1"


async def test_redirects_are_followed_up_to_a_limit():
    async with echoing(process_request=redirecting({"/": "/"})) as (port, _):
        with pytest.raises(HandshakeError, match="more than 3 times") as caught:
            await connect(url(port), max_redirects=3)
        assert caught.value.reason == "too_many_redirects"
        assert caught.value.response.status == 307


async def test_a_redirect_may_lead_to_tls():
    async with echoing(ssl=server_context()) as (secure, _):
        places = {"/": url(secure, "/safe", "https")}
        async with echoing(process_request=redirecting(places)) as (port, _):
            with pytest.raises(ssl.SSLCertVerificationError):  # for want of a context
                await connect(url(port))


async def test_a_redirect_never_leads_from_tls_to_none():
    async with echoing() as (open_port, served):
        options = {"ssl": server_context()}
        places = redirecting({"/": url(open_port, "/", "http")})
        async with echoing(process_request=places, **options) as (port, _):
            with pytest.raises(HandshakeError) as caught:
                await connect(url(port, scheme="wss"), ssl=client_context())
    assert caught.value.reason == "insecure_redirect"
    assert not served


async def test_secrets_go_along_to_the_same_origin_only():
    secrets = {"Cookie": "a=b", "Authorization": "Bearer token"}
    async with echoing() as (other, served):
        places = {"/": "/here", "/here": url(other)}
        async with (
            echoing(process_request=redirecting(places)) as (port, _),
            connect(url(port), headers={**secrets, "X-Trace": "abc"}) as ws,
        ):
            assert ws.remote_address == (HOST, other)
        headers = served[0].request.headers
    assert "X-Trace" in headers
    assert not secrets.keys() & set(headers)


async def test_the_password_of_the_uri_goes_along_to_the_same_origin_only():
    async with echoing() as (other, served):
        places = {"/": "/here", "/away": url(other)}
        async with echoing(process_request=redirecting(places)) as (port, here):
            async with connect(f"ws://me:secret@{HOST}:{port}/"):
                assert "Authorization" in here[0].request.headers
            async with connect(f"ws://me:secret@{HOST}:{port}/away"):
                assert "Authorization" not in served[0].request.headers


@pytest.mark.parametrize("place", ["http://elsewhere.test/", "/here"])
async def test_a_socket_that_was_given_is_not_redirected(place):
    async with echoing(process_request=redirecting({"/": place})) as (port, _):
        sock = socket.create_connection((HOST, port))
        with pytest.raises(HandshakeError) as caught:
            await connect("ws://example.test/", sock=sock)
        assert caught.value.reason == "fixed_address"


async def test_an_address_that_was_given_is_not_redirected_elsewhere():
    places = redirecting({"/": "/here", "/here": "http://elsewhere.test/"})
    async with echoing(process_request=places) as (port, _):
        with pytest.raises(HandshakeError, match=r"/here redirects to ws://elsewhere") as caught:
            await connect("ws://example.test/", host=HOST, port=port)
        assert caught.value.reason == "fixed_address"


# Where it connects to.


async def test_host_and_port_can_be_others_than_the_uri_has():
    async with echoing() as (port, served):
        async with connect("ws://example.test/", host=HOST, port=port):
            pass
        assert served[0].request.headers["Host"] == "example.test"


async def test_a_connected_socket_can_be_given():
    async with echoing() as (port, _):
        sock = socket.create_connection((HOST, port))
        async with connect("ws://example.test/", sock=sock) as ws:
            assert ws.local_address == sock.getsockname()
        assert sock.fileno() == -1


async def test_a_socket_serves_once():
    async with echoing() as (port, _):
        connector = connect("ws://example.test/", sock=socket.create_connection((HOST, port)))
        async with connector:
            pass
        with pytest.raises(StateError, match="used up"):
            await connector


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
async def test_a_unix_socket_can_be_connected_to(tmp_path):
    from websockets.asyncio.server import unix_serve

    path = tmp_path / "socket"

    async def greet(ws):
        await ws.send(ws.request.headers["Host"])

    async with unix_serve(greet, str(path)):
        async with connect("ws://example.test/", unix=path) as ws:
            assert await ws.recv() == "example.test"
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        async with connect("ws://example.test/", sock=sock) as ws:
            assert await ws.recv() == "example.test"


async def test_the_local_address_can_be_given():
    async with echoing() as (port, _), connect(url(port), local_address=("127.0.0.2", 0)) as ws:
        assert ws.local_address[0] == "127.0.0.2"


async def test_an_address_that_refuses_is_passed_over(monkeypatch):
    async with echoing() as (port, _):
        resolving(monkeypatch, ("127.0.0.2", port), (HOST, port))
        async with connect(f"ws://two.test:{port}/") as ws:
            assert ws.remote_address[0] == HOST


async def test_an_address_that_is_silent_is_not_waited_for(monkeypatch, deaf):
    async with echoing() as (port, _):
        resolving(monkeypatch, deaf, (HOST, port))
        async with connect(f"ws://two.test:{port}/") as ws:
            assert ws.remote_address == (HOST, port)


# TLS.


async def test_a_certificate_that_is_trusted_lets_in():
    async with (
        echoing(ssl=server_context()) as (port, _),
        connect(f"wss://localhost:{port}/", ssl=client_context()) as ws,
    ):
        await ws.send("Hello" * 100_000)
        assert await ws.recv() == "Hello" * 100_000


@pytest.mark.parametrize("ssl_option", [None, True])
async def test_only_whom_the_system_trusts_is_trusted(ssl_option):
    async with echoing(ssl=server_context()) as (port, _):
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"wss://localhost:{port}/", ssl=ssl_option)


async def test_the_name_in_the_certificate_must_be_the_one_asked_for():
    async with echoing(ssl=server_context("example.test")) as (port, _):
        uri = f"wss://localhost:{port}/"
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(uri, ssl=client_context())
        async with connect(uri, ssl=client_context(), server_hostname="example.test"):
            pass
