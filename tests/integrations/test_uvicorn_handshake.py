"""uvicorn's handshake with wsfast's class, and with its own for websockets: one specification."""

import asyncio
import logging
from functools import partial
from importlib.metadata import version

import pytest
from streams import FIN, PONG, TEXT, frame
from streams import PING as PING_CODE
from uvicorn_servers import (
    ACCEPT_KEY,
    CLASSES,
    CONNECT,
    UPGRADE,
    Peer,
    Recording,
    disconnect,
    request,
    run,
    serving,
    talk_to,
    until,
)

REJECTED = ("INFO", "connection rejected (500 Internal Server Error)")


@pytest.fixture(params=CLASSES)
def ws(request):
    return request.param


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_kind(request):
    return request.param


@pytest.fixture
def serve(ws, loop_kind):
    return partial(talk_to, ws=ws, loop_kind=loop_kind)


@pytest.fixture
def log(caplog):
    """What uvicorn logs, as (level, text)."""
    caplog.set_level(logging.INFO, "uvicorn.error")

    def told():
        records = [record for record in caplog.records if record.name == "uvicorn.error"]
        return [
            (record.levelname, record.getMessage())
            for record in records
            if not record.getMessage().startswith("Uvicorn running")
        ]

    return told


@pytest.fixture
def as_since_17(ws):
    if ws == "sansio" and int(version("websockets").partition(".")[0]) < 17:
        pytest.skip("websockets does so from version 17 on")


async def opened(peer, *args, **more):
    return await peer.open(*args, **more)


def error_in(caplog):
    (error,) = [record.exc_info[1] for record in caplog.records if record.exc_info]
    return error


def answering(*events):
    """An application that answers the request with some events, and remembers what comes then."""
    received = []

    async def app(scope, receive, send):
        received.append(await receive())
        for event in events:
            await send(event)
        received.append(await receive())

    app.received = received
    return app


async def refused(peer):
    """Ask for a WebSocket: the status, the headers and the body of the refusal."""
    status, headers = await peer.ask()
    return status, headers, await peer.rest()


# The scope.


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_the_scope_tells_all_of_the_request(serve, http):
    app = Recording()
    addresses = {}

    async def talk(peer):
        socket = peer.writer.get_extra_info("socket")
        addresses.update(client=socket.getsockname(), server=socket.getpeername())
        await peer.open(
            "/a%20b/%C3%BC?x=%20&y",
            **{"Sec-WebSocket-Protocol": "chat, v2.chat", "X-Name": "\xfc", "Cookie": "a=b"},
        )

    serve(app, talk, http=http, root_path="/root")
    assert app.scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": addresses["server"],
        "client": addresses["client"],
        "root_path": "/root",
        "path": "/root/a b/ü",
        "raw_path": b"/root/a%20b/%C3%BC",
        "query_string": b"x=%20&y",
        "headers": [
            (b"host", b"localhost"),
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-key", UPGRADE["Sec-WebSocket-Key"].encode()),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-protocol", b"chat, v2.chat"),
            (b"x-name", b"\xfc"),
            (b"cookie", b"a=b"),
        ],
        "subprotocols": ["chat", "v2.chat"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def test_each_connection_has_a_copy_of_the_state_of_the_lifespan(ws, loop_kind):
    app = Recording()

    async def main():
        async with serving(app, ws) as server:
            server.lifespan.state["a"] = 1
            peer = await Peer.connect(server)
            await peer.open()
            app.scope["state"]["b"] = 2
            assert server.lifespan.state == {"a": 1}
            peer.abort()

    run(loop_kind, main())
    assert app.scope["state"] == {"a": 1, "b": 2}


def test_a_trusted_proxy_says_who_the_client_is(serve):
    app = Recording()
    serve(app, partial(opened, X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https"))
    assert app.scope["client"] == ("1.2.3.4", 0)
    assert app.scope["scheme"] == "wss"


def test_a_unix_socket_has_no_client(ws, loop_kind, tmp_path):
    app = Recording()
    path = str(tmp_path / "uvicorn")

    async def main():
        async with serving(app, ws, uds=path) as server:
            peer = await Peer.connect(server)
            await peer.open()
            peer.abort()

    run(loop_kind, main())
    assert app.scope["client"] is None
    assert app.scope["server"] == (path, None)


def test_an_application_of_asgi_2_is_told_so(serve):
    scopes = []

    class App:
        def __init__(self, scope):
            scopes.append(scope)

        async def __call__(self, receive, send):
            await receive()
            await send({"type": "websocket.accept"})

    serve(App, opened)
    assert scopes[0]["asgi"]["version"] == "2.0"


def test_the_application_runs_in_the_context_of_the_request(serve):
    """As with uvicorn's own classes, whatever ``reset_contextvars`` says."""
    app = Recording()
    serve(app, opened, reset_contextvars=True)
    assert app.events[0] == CONNECT


# Accepted.


def test_the_answer_has_the_default_headers_and_those_of_the_application(serve, as_since_17):
    app = answering(
        {
            "type": "websocket.accept",
            "subprotocol": "v2",
            "headers": [(b"X-One", b"1"), (b"server", b"mine"), (b"x-name", b"\xfc")],
        }
    )
    headers = serve(app, partial(opened, Sec_WebSocket_Protocol="v1, v2"))
    assert dict(headers).pop("date").endswith("GMT")
    assert sorted(pair for pair in headers if pair[0] != "date") == [
        ("connection", "Upgrade"),
        ("sec-websocket-accept", ACCEPT_KEY),
        ("sec-websocket-protocol", "v2"),
        ("server", "mine"),
        ("server", "uvicorn"),
        ("upgrade", "websocket"),
        ("x-name", "\xfc"),
        ("x-one", "1"),
    ]


def test_headers_can_be_set_and_left_out_for_the_whole_server(serve):
    settings = {"server_header": False, "date_header": False, "headers": [("X-All", "yes")]}
    headers = serve(Recording(), opened, **settings)
    assert [name for name, _ in headers if name in ("server", "date")] == []
    assert ("x-all", "yes") in headers


def test_no_subprotocol_is_chosen_unless_the_application_does(serve):
    headers = serve(Recording(), partial(opened, Sec_WebSocket_Protocol="v1"))
    assert "sec-websocket-protocol" not in dict(headers)


def test_a_header_with_a_line_break_is_an_error_of_the_application(serve, log):
    app = answering({"type": "websocket.accept", "headers": [(b"x", b"1\r\ny: 2")]})
    status, _, body = serve(app, refused)
    assert (status, body) == (500, b"Internal Server Error")
    assert ("ERROR", "Exception in ASGI application\n") in log()


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            "x-other, permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12",
        ),
        ("x-other", None),
    ],
)
def test_compression_is_agreed_on_as_by_uvicorn(serve, offer, answer):
    headers = serve(Recording(), partial(opened, Sec_WebSocket_Extensions=offer))
    assert dict(headers).get("sec-websocket-extensions") == answer


def test_compression_can_be_switched_off(serve):
    asked = partial(opened, Sec_WebSocket_Extensions="permessage-deflate")
    headers = serve(Recording(), asked, ws_per_message_deflate=False)
    assert "sec-websocket-extensions" not in dict(headers)


def test_an_accepted_connection_is_logged(serve, log):
    async def talk(peer):
        await peer.open("/a%20b?c=d")
        return peer.writer.get_extra_info("sockname")

    host, port = serve(Recording(), talk)
    assert log() == [
        ("INFO", f'{host}:{port} - "WebSocket /a%20b?c=d" [accepted]'),
        ("INFO", "connection open"),
    ]


# Refused.


def test_closing_before_accepting_is_403(serve, log):
    app = answering({"type": "websocket.close", "code": 4000, "reason": "no"})
    status, headers, body = serve(app, refused)
    assert (status, body) == (403, b"")
    assert dict(headers).pop("date").endswith("GMT")
    assert sorted(pair for pair in headers if pair[0] != "date") == [
        ("connection", "close"),
        ("content-length", "0"),
        ("content-type", "text/plain; charset=utf-8"),
    ]
    assert app.received == [CONNECT, disconnect(1006)]
    assert log()[0][1].endswith(' - "WebSocket /" 403')
    assert log()[1:] == [("INFO", "connection rejected (403 Forbidden)")]


def response(status=401, headers=(), **body):
    start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
    return start, {"type": "websocket.http.response.body", **body}


def test_an_application_denies_with_a_response_of_its_own(serve, log):
    headers = [(b"X-One", b"1"), (b"content-type", b"application/json")]
    app = answering(*response(401, headers, body=b"{}"))
    status, headers, body = serve(app, refused)
    assert (status, body) == (401, b"{}")
    assert sorted(pair for pair in headers if pair[0] != "date") == [
        ("connection", "close"),
        ("content-length", "2"),
        ("content-type", "application/json"),
        ("x-one", "1"),
    ]
    assert app.received == [CONNECT, disconnect(1006)]
    assert log()[0][1].endswith(' - "WebSocket /" 401')
    assert log()[1] == ("INFO", "connection rejected (401 Unauthorized)")


def test_a_response_in_parts_leaves_whole(serve):
    start, first = response(400, body=b"a" * 10, more_body=True)
    last = {"type": "websocket.http.response.body", "body": b"b"}
    status, headers, body = serve(answering(start, first, last), refused)
    assert (status, body) == (400, b"a" * 10 + b"b")
    assert ("content-type", "text/plain; charset=utf-8") in headers
    assert ("content-length", "11") in headers


def test_a_response_that_is_never_finished_is_none(serve, log):
    async def app(scope, receive, send):
        await send(response()[0])

    async def talk(peer):
        peer.send(request())
        return await peer.rest()

    assert serve(app, talk) == b""
    assert ("ERROR", "ASGI callable returned without completing handshake.") in log()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "too short"}, 400),
        ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ"}, 400),
        ({"Sec-WebSocket-Extensions": "=="}, 400),
    ],
)
def test_a_bad_request_is_refused_before_the_application_hears_of_it(serve, headers, status):
    app = Recording()

    async def talk(peer):
        answer, _ = await peer.ask(**headers)
        await peer.rest()
        assert not peer.server.server_state.tasks
        return answer

    assert serve(app, talk) == status
    assert app.scope is None


@pytest.mark.parametrize("version", ["8", "12", "x"])
def test_another_version_is_refused(loop_kind, version):
    async def talk(peer):
        return await peer.ask(Sec_WebSocket_Version=version)

    status, headers = talk_to(Recording(), talk, "wsfast", loop_kind)
    assert status == (400 if version == "x" else 426)
    assert dict(headers)["connection"].endswith("close")
    assert "date" in dict(headers)


@pytest.mark.parametrize("host", [None, "a, b", ""])
def test_the_host_is_uvicorns_to_judge(serve, host):
    app = Recording()
    serve(app, partial(opened, Host=host), http="httptools")
    assert dict(app.scope["headers"]).get(b"host") == (None if host is None else host.encode())


def test_a_target_that_is_not_ascii_is_refused(loop_kind):
    async def talk(peer):
        return await peer.ask("/\xfc")

    status, _ = talk_to(Recording(), talk, "wsfast", loop_kind, http="httptools")
    assert status == 400


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_a_websocket_is_asked_for_by_get(ws, loop_kind, method, as_since_17):
    async def talk(peer):
        peer.send(request().replace(b"GET", method.encode()))
        return (await peer.head())[0]

    assert talk_to(Recording(), talk, ws, loop_kind) == 405


def test_a_large_request_is_none_too_large_for_wsfast(loop_kind):
    """uvicorn's parsers have limits of their own, and have let it in."""
    app = Recording()
    cookie = "x" * 50_000
    talk_to(app, partial(opened, Cookie=cookie), "wsfast", loop_kind, http="httptools")
    assert (b"cookie", cookie.encode()) in app.scope["headers"]


# Applications that do something else.


@pytest.mark.parametrize(
    "event",
    [
        {"type": "websocket.send", "text": "too early"},
        {"type": "websocket.http.response.body", "body": b""},
        {"type": "http.response.start"},
    ],
)
def test_an_event_that_is_no_answer_is_an_error(serve, log, caplog, event):
    status, _, body = serve(answering(event), refused)
    assert (status, body) == (500, b"Internal Server Error")
    assert log() == [("ERROR", "Exception in ASGI application\n"), REJECTED]
    assert str(error_in(caplog)) == (
        "Expected ASGI message 'websocket.accept', 'websocket.close' "
        f"or 'websocket.http.response.start' but got '{event['type']}'."
    )


@pytest.mark.parametrize("status", [99, 600])
def test_a_status_that_is_none_is_an_error(serve, caplog, status):
    answer, headers, _ = serve(answering(*response(status)), refused)
    assert answer == 500
    assert ("content-length", "21") in headers
    assert str(error_in(caplog)) == f"Invalid HTTP status code '{status}' in response."


def test_an_event_in_the_middle_of_a_response_is_an_error(serve):
    errors = []

    async def app(scope, receive, send):
        start, body = response(403, body=b"x")
        await send(start)
        for wrong in (start, {"type": "websocket.accept"}, {"type": "websocket.close"}):
            try:
                await send(wrong)
            except RuntimeError as exc:
                errors.append(str(exc))
        await send(body)

    assert serve(app, refused)[0] == 403
    assert errors == [
        f"Expected ASGI message 'websocket.http.response.body' but got '{kind}'."
        for kind in ("websocket.http.response.start", "websocket.accept", "websocket.close")
    ]


def test_after_a_refusal_nothing_can_be_sent(serve):
    errors = []

    async def app(scope, receive, send):
        await send({"type": "websocket.close"})
        for kind in ("websocket.accept", "websocket.send", "websocket.close"):
            try:
                await send({"type": kind})
            except RuntimeError as exc:
                errors.append(str(exc))

    assert serve(app, refused)[0] == 403
    assert errors == [
        f"Unexpected ASGI message '{kind}', after sending 'websocket.close'."
        for kind in ("websocket.accept", "websocket.send", "websocket.close")
    ]


def test_an_application_that_raises_is_500(serve, log):
    async def app(scope, receive, send):
        raise ValueError("wrong")

    status, headers, body = serve(app, refused)
    assert (status, body) == (500, b"Internal Server Error")
    assert ("connection", "close") in headers
    assert log() == [("ERROR", "Exception in ASGI application\n"), REJECTED]


def test_an_application_that_returns_is_500(serve, log):
    async def app(scope, receive, send):
        pass

    assert serve(app, refused)[0] == 500
    assert log() == [
        ("ERROR", "ASGI callable returned without completing handshake."),
        REJECTED,
    ]


# Before the answer.


def test_a_peer_that_leaves_before_the_answer_is_told_as_1006(serve):
    events = []

    async def app(scope, receive, send):
        events.append(await receive())
        events.append(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as exc:
            events.append(type(exc).__name__)

    async def talk(peer):
        peer.send(request())
        await peer.writer.drain()
        await until(lambda: events)
        peer.abort()

    serve(app, talk)
    assert events == [
        CONNECT,
        disconnect(1006),
        "ClientDisconnected",
    ]


async def yielded():

    await asyncio.sleep(0.001)


def test_messages_before_the_answer_are_received(loop_kind):
    """A client must not send them; uvicorn's own class hands them out as well."""
    events = []

    async def app(scope, receive, send):
        events.extend([await receive(), await receive()])
        await send({"type": "websocket.accept"})
        events.append(await receive())

    async def talk(peer):
        peer.send(request())
        await peer.writer.drain()
        await until(lambda: events or peer.server.server_state.tasks)
        peer.send(frame(FIN | PING_CODE, b"early", masked=True))
        await asyncio.sleep(0.01)  # in a read of its own, to be answered behind the 101
        peer.text("early")
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert await peer.frame() == (FIN | PONG, b"early")
        peer.text("late")
        return await peer.rest()

    talk_to(app, talk, "wsfast", loop_kind)
    received = {"type": "websocket.receive"}
    assert events == [CONNECT, received | {"text": "early"}, received | {"text": "late"}]


def test_a_close_frame_before_the_answer_is_the_end(loop_kind):
    events = []

    async def app(scope, receive, send):
        events.extend([await receive(), await receive()])

    async def talk(peer):
        peer.send(request())
        await peer.writer.drain()
        await until(lambda: peer.server.server_state.tasks)
        peer.close(1001)
        return await peer.rest()

    assert not talk_to(app, talk, "wsfast", loop_kind).startswith(b"HTTP/1.1 101")
    assert events == [CONNECT, disconnect(1001, "")]


def test_a_broken_frame_before_the_answer_is_the_end(loop_kind):
    events = []

    async def app(scope, receive, send):
        events.extend([await receive(), await receive()])

    async def talk(peer):
        peer.send(request())
        await peer.writer.drain()
        await until(lambda: peer.server.server_state.tasks)
        peer.send(frame(FIN | TEXT, b"x", masked=False))
        return await peer.rest()

    assert not talk_to(app, talk, "wsfast", loop_kind).startswith(b"HTTP/1.1 101")
    assert events[1]["code"] == 1002
