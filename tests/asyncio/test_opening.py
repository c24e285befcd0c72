"""The opening handshake on a server, over sockets, and peers that do not behave in it."""

import asyncio
import base64
import gc
import sys
import weakref
from contextlib import suppress
from unittest.mock import Mock

import pytest
from raw import Peer, certificates, page, request
from serving import HERE, echo, forever
from wires import TEXT, frame

import wsfast
from wsfast.asyncio.server import serve
from wsfast.exceptions import HandshakeError
from wsfast.protocol.http import HttpLimits, Response

# The opening handshake.


async def test_tls():
    ours, theirs = certificates()
    async with serve(echo, *HERE, ssl=ours) as server, Peer(server, tls=theirs) as peer:
        await peer.open()
        peer.text("x" * 100)
        assert await peer.frame() == (TEXT, b"x" * 100)
        peer.close()
        await peer.ended()


async def test_a_request_in_single_bytes():
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        for byte in request():
            peer.send(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert (await peer.head()).status == 101


async def test_empty_lines_before_a_request_are_passed_over():
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        for data in (b"\r\n", b"\r", b"\n" + request()):
            peer.send(data)
            await peer.writer.drain()
            await asyncio.sleep(0.01)
        assert (await peer.head()).status == 101


async def test_frames_that_come_with_the_request_are_not_lost():
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        peer.send(request() + frame(True, TEXT, b"early"))
        assert (await peer.head()).status == 101
        assert await peer.frame() == (TEXT, b"early")


async def test_responses_say_who_answers():
    async with serve(echo, *HERE, headers={"X-Name": "value"}) as server:
        async with Peer(server) as peer:
            head = await peer.open()
            assert head.headers["server"] == f"wsfast/{wsfast.__version__}"
            assert head.headers["x-name"] == "value"
        async with Peer(server) as peer:
            peer.send(page())
            head, _ = await peer.answer()
            assert head.headers["server"] == f"wsfast/{wsfast.__version__}"
            assert head.headers["x-name"] == "value"
            assert "date" in head.headers


async def test_the_server_header_can_be_left_out():
    async with serve(echo, *HERE, server_header=None) as server, Peer(server) as peer:
        assert "server" not in (await peer.open()).headers


async def test_the_sub_protocol_that_the_server_prefers_is_spoken():
    spoken = []

    async def handler(ws):
        spoken.append(ws.subprotocol)

    async with serve(handler, *HERE, subprotocols=["b", "a"]) as server, Peer(server) as peer:
        head = await peer.open(Sec_WebSocket_Protocol="a, b")
        assert head.headers["sec-websocket-protocol"] == "b"
        assert await peer.close_code() == 1000
    assert spoken == ["b"]


@pytest.mark.parametrize(
    ("options", "wire", "status"),
    [
        ({}, page(), 426),
        ({}, page(method="POST", Content_Length="3") + b"abc", 405),
        ({}, request(Sec_WebSocket_Version="8"), 426),
        ({}, request(Sec_WebSocket_Key="short"), 400),
        ({"origins": ["https://a.example"]}, request(Origin="https://b.example"), 403),
        ({}, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        ({}, b"\r\n\r\n\xff\xfe garbage\r\n\r\n", 400),
        ({}, b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        ({}, b"GET /" + b"x" * 10_000, 414),
        ({}, request(X="x" * 10_000), 431),
        ({"limits": HttpLimits(headers=3)}, request(), 431),
    ],
    ids=[
        "no upgrade", "method", "version", "key", "origin", "TLS", "garbage", "header",
        "long target", "long header", "many headers",
    ],
)  # fmt: skip
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_refusal_arrives_and_the_connection_ends(options, wire, status, secure):
    ours, theirs = certificates() if secure else (None, None)
    async with (
        serve(echo, *HERE, ssl=ours, **options) as server,
        Peer(server, tls=theirs) as peer,
    ):
        peer.send(wire)
        head, body = await peer.answer()
        assert head.status == status
        assert head.headers["content-length"] == str(len(body))
        assert "close" in head.headers["connection"]
        assert body
        peer.writer.close()
        assert not server.connections


# What the program has to say to a request.


async def test_process_request_sees_the_request_and_lets_it_pass():
    seen = []
    async with serve(echo, *HERE, process_request=seen.append) as server, Peer(server) as peer:
        await peer.open("/path?query=1")
    assert seen[0].target == "/path?query=1"


def refuse(request):
    return Response.plain(404, "no", {"X-Why": "because"})


async def refuse_later(request):
    await asyncio.sleep(0)
    return refuse(request)


@pytest.mark.parametrize("process_request", [refuse, refuse_later])
async def test_process_request_can_answer_itself(process_request):
    async with serve(echo, *HERE, process_request=process_request) as server, Peer(server) as peer:
        peer.send(request())
        head, body = await peer.answer()
    assert (head.status, head.headers["x-why"], body) == (404, "because", b"no\n")


async def test_an_async_process_request_lets_pass_what_came_behind_it_too():
    async def later(request):
        await asyncio.sleep(0)

    async with serve(echo, *HERE, process_request=later) as server, Peer(server) as peer:
        peer.send(request() + frame(True, TEXT, b"early"))
        assert (await peer.head()).status == 101
        assert await peer.frame() == (TEXT, b"early")
        peer.text("and on")
        assert await peer.frame() == (TEXT, b"and on")


async def test_process_request_may_raise_the_refusal():
    def process_request(request):
        raise HandshakeError("tired", "tired", Response.plain(503, "later"))

    async with serve(echo, *HERE, process_request=process_request) as server, Peer(server) as peer:
        peer.send(request())
        assert (await peer.head()).status == 503


def fail(request):
    raise RuntimeError("oops")


async def fail_later(request):
    await asyncio.sleep(0)
    raise RuntimeError("oops")


def answer_wrongly(request):
    return "yes"


@pytest.mark.parametrize("process_request", [fail, fail_later, answer_wrongly])
async def test_an_error_in_process_request_is_logged_and_answered_with_500(process_request, caplog):
    async with serve(echo, *HERE, process_request=process_request) as server, Peer(server) as peer:
        peer.send(request())
        head, body = await peer.answer()
    assert head.status == 500
    assert b"oops" not in body
    assert [record.levelname for record in caplog.records if record.name == "wsfast.server"] == [
        "ERROR"
    ]


def password(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "credentials", [{"jane": "secret"}, lambda *given: given == ("jane", "secret")]
)
async def test_basic_authentication(credentials):
    names = []

    async def handler(ws):
        names.append(ws.username)

    async with serve(handler, *HERE, basic_auth=credentials, realm='the "gate"') as server:
        for header in (None, password("jane:wrong"), password("joe:secret"), "Bearer x"):
            async with Peer(server) as peer:
                peer.send(request(Authorization=header))
                head, _ = await peer.answer()
                assert head.status == 401
                assert head.headers["www-authenticate"].startswith(r'Basic realm="the \"gate\""')
        async with Peer(server) as peer:
            await peer.open(Authorization=password("jane:secret"))
            assert await peer.close_code() == 1000
    assert names == ["jane"]


# Peers that do not behave.


async def gone(server):
    """Wait until the server keeps nothing of anybody any more."""
    while server.connections or server._reception.pending:
        await asyncio.sleep(0.001)


SLOW = {
    "nothing": b"",
    "half a request": b"GET / HTTP/1.1\r\nHost: ",
    "an answer that it does not take": page(),
}


@pytest.mark.parametrize("wire", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_who_does_not_get_on_with_the_handshake_is_dropped(wire, secure):
    ours, theirs = certificates() if secure else (None, None)
    async with serve(echo, *HERE, ssl=ours, open_timeout=0.1 if secure else 0.02) as server:
        with suppress(OSError):  # where TLS alone takes too long
            async with Peer(server, tls=theirs) as peer:
                peer.send(wire)
                await peer.ended()
        await gone(server)


async def test_who_sends_a_request_slowly_is_dropped():
    async with serve(echo, *HERE, open_timeout=0.05) as server, Peer(server) as peer:
        with suppress(ConnectionError):
            while not peer.reader.at_eof() and not peer.writer.is_closing():
                peer.send(b"x")
                await peer.writer.drain()
                await asyncio.sleep(0.001)
        await gone(server)


async def test_a_process_request_that_takes_too_long_is_cancelled():
    cancelled = asyncio.Event()

    async def never(request):
        try:
            await forever(request)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with (
        serve(echo, *HERE, process_request=never, open_timeout=0.2) as server,
        Peer(server) as peer,
    ):
        peer.send(request())
        await peer.ended()
        await cancelled.wait()
        await gone(server)


async def test_a_process_request_that_is_cancelled_ends_the_connection():
    async def cancelled(request):
        raise asyncio.CancelledError

    async with serve(echo, *HERE, process_request=cancelled) as server, Peer(server) as peer:
        peer.send(request())
        await peer.ended()
        await gone(server)


async def test_a_process_request_that_will_not_be_cancelled_lets_nobody_in():
    async def stubborn(request):
        with suppress(asyncio.CancelledError):
            await forever(request)

    async with (
        serve(echo, *HERE, process_request=stubborn, open_timeout=0.02) as server,
        Peer(server) as peer,
    ):
        peer.send(request())
        await peer.ended()
        await gone(server)


async def test_who_is_through_with_tls_when_the_server_has_closed_is_dropped():
    server = await serve(echo, *HERE)
    await server.close()
    late, transport = server._reception.opening(), Mock()
    late.connection_made(transport)
    transport.abort.assert_called_once_with()
    assert not server._reception.pending


@pytest.mark.skipif(sys.version_info < (3, 13), reason="asyncio does not tell before 3.13")
async def test_who_is_in_the_middle_of_tls_when_the_server_closes_is_dropped():
    ours, _ = certificates()
    async with serve(echo, *HERE, ssl=ours) as server, Peer(server) as peer:
        if not isinstance(server._listener, asyncio.Server):
            pytest.skip("uvloop does not tell")
        peer.send(b"\x16\x03\x01")
        await peer.writer.drain()
        await asyncio.sleep(0.01)
        await server.close()
        await peer.ended()


async def test_who_does_not_get_on_with_tls_is_dropped():
    ours, _ = certificates()
    async with serve(echo, *HERE, ssl=ours, open_timeout=0.02) as server, Peer(server) as peer:
        await peer.ended()


async def test_who_speaks_no_tls_is_dropped():
    ours, _ = certificates()
    async with serve(echo, *HERE, ssl=ours) as server, Peer(server) as peer:
        peer.send(request())
        await peer.ended()


@pytest.mark.parametrize("wire", [b"", b"GET / HT", request()])
async def test_who_resets_the_connection_leaves_nothing_behind(wire):
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        peer.send(wire)
        await peer.writer.drain()
        while not (server.connections or server._reception.pending):
            await asyncio.sleep(0)
        peer.reset()
        await gone(server)


@pytest.mark.parametrize("wire", [b"", b"GET / HT", request()])
async def test_who_ends_its_side_leaves_nothing_behind(wire):
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        peer.send(wire)
        peer.writer.write_eof()
        await peer.ended()
        await gone(server)


async def test_the_rest_of_a_request_is_read_until_the_answer_has_arrived():
    size = 1 << 19
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        peer.send(page(method="POST", Content_Length=str(size)) + b"x" * size)
        head, body = await peer.answer()
        assert head.status == 405
        assert body


async def test_the_rest_of_a_request_is_not_read_without_end():
    async with serve(echo, *HERE, limits=HttpLimits(body=1000)) as server, Peer(server) as peer:
        with suppress(ConnectionError):
            while True:
                peer.send(page(method="POST", Content_Length="1000000000") + b"x" * 10_000)
                await peer.writer.drain()
        await gone(server)


async def test_what_peers_do_wrong_is_not_logged_but_for_debugging(caplog):
    async with serve(echo, *HERE) as server, Peer(server) as peer:
        peer.send(b"garbage\r\n\r\n")
        await peer.answer()
    assert not caplog.records


async def test_nothing_of_the_handshake_stays_once_the_connection_is_open():
    openings = weakref.WeakSet()
    async with serve(forever, *HERE) as server, Peer(server) as peer:
        while not server._reception.pending:
            await asyncio.sleep(0)
        openings.update(server._reception.pending)
        await peer.open()
        await asyncio.sleep(0)
        gc.collect()
        assert not list(openings)
        assert not server._reception.pending
        await server.close(timeout=0.01)
