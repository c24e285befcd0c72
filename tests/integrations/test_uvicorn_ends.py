"""The end of connections under uvicorn, with wsfast's class and with its own for websockets.

What is asserted holds for both, unless a test is for ``wsfast`` only and says why.
"""

import asyncio
import logging
from functools import partial

import pytest
from streams import BINARY, CLOSE, FIN, PING, PONG, RSV1, TEXT, frame
from uvicorn_servers import (
    ACCEPT,
    CLASSES,
    Recording,
    disconnect,
    sending,
    talk_to,
    text,
    until,
)

masked = partial(frame, masked=True)


@pytest.fixture(params=CLASSES)
def ws(request):
    return request.param


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_kind(request):
    return request.param


@pytest.fixture
def serve(ws, loop_kind):
    return partial(talk_to, ws=ws, loop_kind=loop_kind)


# Closing.


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "gone"), (4999, "ü" * 61)])
def test_the_peers_close_frame_is_echoed_and_told(serve, code, reason):
    app = Recording()

    async def talk(peer):
        await peer.open()
        peer.close(code, reason)
        return await peer.closed()

    assert serve(app, talk) == (code, reason)
    assert app.events[1:] == [disconnect(code, reason)]


def test_a_close_frame_without_a_code_is_told_as_1005(serve):
    app = Recording()

    async def talk(peer):
        await peer.open()
        peer.send(masked(FIN | CLOSE))
        return await peer.closed()

    assert serve(app, talk) is None
    assert app.events[1:] == [disconnect(1005, "")]


def test_messages_before_a_close_frame_are_received_before_its_event(serve):
    events = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await app.go.wait()
        while not events or events[-1]["type"] == "websocket.receive":
            events.append(await receive())

    async def talk(peer):
        app.go = asyncio.Event()
        await peer.open()
        peer.text("a")
        peer.text("b")
        peer.close(1000)
        await peer.writer.drain()
        app.go.set()
        await until(lambda: len(events) == 3)

    serve(app, talk)
    assert events == [text("a"), text("b"), disconnect(1000, "")]


def test_the_end_of_tcp_alone_is_told_as_1005(serve):
    app = Recording()

    async def talk(peer):
        await peer.open()
        peer.abort()

    serve(app, talk)
    assert app.events[1:] == [disconnect(1005)]


def test_who_receives_on_is_told_of_the_end_of_tcp_too_and_then_waits(serve):
    events = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        events.extend([await receive(), await receive()])
        try:
            await asyncio.wait_for(receive(), 0.05)
        except asyncio.TimeoutError:
            events.append("nothing")

    async def talk(peer):
        await peer.open()
        peer.close(1000, "bye")
        await peer.closed()
        await until(lambda: len(events) == 3)

    serve(app, talk)
    assert events == [disconnect(1000, "bye"), disconnect(1005), "nothing"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, (1000, "")),
        ({"code": 1001}, (1001, "")),
        ({"code": 4000, "reason": "ü"}, (4000, "ü")),
        ({"reason": None}, (1000, "")),
        ({"code": None}, None),
    ],
)
def test_the_application_closes(serve, event, expected):
    events = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close"} | event)
        events.append(await receive())

    async def talk(peer):
        await peer.open()
        first, payload = await peer.frame()
        assert first == FIN | CLOSE
        peer.send(masked(FIN | CLOSE, payload))
        assert await peer.rest() == b""
        return (int.from_bytes(payload[:2], "big"), payload[2:].decode()) if payload else None

    assert serve(app, talk) == expected
    code, reason = expected or (None, "")
    assert events == [disconnect(code, reason)]


@pytest.mark.parametrize("event", [{"code": 1005}, {"code": 999}, {"reason": "x" * 124}])
def test_a_close_that_cannot_be_sent_is_an_error(serve, event):
    app = sending({"type": "websocket.close"} | event)

    async def talk(peer):
        await peer.open()
        await until(lambda: app.errors)
        peer.abort()

    serve(app, talk)
    assert len(app.errors) == 1


def test_what_was_sent_comes_before_the_close_frame(serve):
    app = sending(
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.send", "bytes": b"b"},
        {"type": "websocket.close"},
    )

    async def talk(peer):
        await peer.open()
        return [await peer.frame() for _ in range(3)]

    frames = serve(app, talk)
    assert frames == [(FIN | TEXT, b"a"), (FIN | BINARY, b"b"), (FIN | CLOSE, b"\x03\xe8")]


def test_messages_that_come_behind_our_close_frame_are_nobodys(serve):
    events = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close"})
        events.extend([await receive(), await receive()])

    async def talk(peer):
        await peer.open()
        await peer.frame()
        peer.text("late")
        peer.send(masked(FIN | BINARY, b"late") * 100)
        peer.close()
        assert await peer.rest() == b""
        await until(lambda: len(events) == 2)

    serve(app, talk)
    assert events == [disconnect(1000, ""), disconnect(1005)]


def test_messages_that_wait_do_not_hold_up_the_peers_answer(serve):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await app.go.wait()
        await send({"type": "websocket.close"})

    async def talk(peer):
        app.go = asyncio.Event()
        await peer.open()
        connection = peer.connection
        peer.text("nobody receives it")
        await until(lambda: not connection.transport.is_reading())
        app.go.set()
        await peer.frame()
        peer.close()
        return await peer.rest()

    assert serve(app, talk) == b""


@pytest.mark.parametrize("compress", [False, True])
def test_much_before_the_peers_answer_is_read_beside_messages_that_wait(serve, compress):
    events = []
    offer = {"Sec_WebSocket_Extensions": "permessage-deflate"} if compress else {}
    deflated = bytes.fromhex("f248cdc9c90700")  # "Hello": RFC 7692 section 7.2.3.1

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        events.append(await receive())
        await send({"type": "websocket.close"})
        await app.go.wait()
        events.extend([await receive() for _ in range(4)])

    async def talk(peer):
        app.go = asyncio.Event()
        await peer.open(**offer)
        first = masked(FIN | RSV1 | TEXT, deflated) if compress else masked(FIN | TEXT, b"Hello")
        peer.send(first * 2 + masked(FIN | TEXT, b"waits"))
        await peer.frame()
        peer.send(masked(FIN | BINARY, bytes(10_000)) * 20)
        peer.close()
        ended = await peer.rest()
        app.go.set()
        await until(lambda: len(events) == 5)
        return ended

    assert serve(app, talk) == b""
    assert events == [
        *(text("Hello"), text("Hello"), text("waits")),
        *(disconnect(1000, ""), disconnect(1005)),
    ]


def test_a_peer_that_does_not_answer_our_close_frame_is_dropped(serve):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        (connection,) = app.server.server_state.connections
        connection.close_timeout = 0.01
        await send({"type": "websocket.close"})

    async def talk(peer):
        app.server = peer.server
        await peer.open()
        await peer.frame()
        return await peer.rest()

    assert serve(app, talk) == b""


@pytest.mark.parametrize("kind", ["websocket.send", "websocket.close", "websocket.accept"])
def test_after_closing_nothing_can_be_sent(serve, kind):
    app = sending({"type": "websocket.close"}, {"type": kind, "text": "late"})

    async def talk(peer):
        await peer.open()
        await peer.frame()
        peer.close()

    serve(app, talk)
    told = f"Unexpected ASGI message '{kind}', after sending 'websocket.close'."
    assert [(type(exc), str(exc)) for exc in app.errors] == [(RuntimeError, told)]


@pytest.mark.parametrize("aborted", [False, True])
def test_sending_to_a_peer_that_is_gone_is_an_os_error(serve, aborted):
    errors = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await receive()
        for event in ({"type": "websocket.send", "text": "late"}, {"type": "websocket.close"}):
            try:
                await send(event)
            except OSError as exc:
                errors.append(type(exc).__name__)

    async def talk(peer):
        await peer.open()
        if aborted:
            peer.abort()
        else:
            peer.close()

    serve(app, talk)
    # Closing is in order as long as TCP has not ended.
    assert errors == ["ClientDisconnected"] * (2 if aborted else 1)


# Applications that end.


def test_an_application_that_returns_ends_tcp_without_a_close_frame(serve):
    app = sending({"type": "websocket.send", "text": "last"})

    async def short(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": "last"})

    async def talk(peer):
        await peer.open()
        return await peer.receive(), await peer.rest()

    assert serve(short, talk) == ("last", b"")
    assert app.errors == []


def test_an_application_that_raises_ends_tcp_and_is_logged(serve, caplog):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        raise ValueError("wrong")

    async def talk(peer):
        await peer.open()
        return await peer.rest()

    assert serve(app, talk) == b""
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (record.name, record.getMessage()) == (
        "uvicorn.error",
        "Exception in ASGI application\n",
    )
    assert isinstance(record.exc_info[1], ValueError)


def test_an_application_that_answers_something_is_logged(serve, caplog):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        return 123

    async def talk(peer):
        await peer.open()
        return await peer.rest()

    assert serve(app, talk) == b""
    assert "ASGI callable should return None, but returned '123'." in caplog.messages


def test_an_application_that_lets_client_disconnected_through_is_not_logged(serve, caplog):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await receive()
        await send({"type": "websocket.send", "text": "late"})

    async def talk(peer):
        await peer.open()
        peer.abort()

    serve(app, talk)
    assert [record for record in caplog.records if record.levelno == logging.ERROR] == []


# Keepalive.


def test_pings_are_sent_and_their_pongs_keep_the_connection(serve):
    async def talk(peer):
        await peer.open()
        payloads = []
        for _ in range(3):
            first, payload = await peer.frame()
            assert first == FIN | PING
            assert len(payload) == 4
            payloads.append(payload)
            peer.send(masked(FIN | PONG, b"late") + masked(FIN | PONG, payload))
        assert len(set(payloads)) == 3
        peer.text("still there")
        while (await peer.frame())[0] != FIN | TEXT:
            pass

    serve(Recording(), talk, ws_ping_interval=0.01, ws_ping_timeout=0.5)


@pytest.mark.parametrize("answer", [None, b"else"])
def test_a_ping_without_its_pong_is_the_end(serve, answer):
    app = Recording()

    async def talk(peer):
        await peer.open()
        first, _ = await peer.frame()
        assert first == FIN | PING
        if answer is not None:
            peer.send(masked(FIN | PONG, answer))
        return await peer.closed()

    closed = serve(app, talk, ws_ping_interval=0.01, ws_ping_timeout=0.03)
    assert closed == (1011, "keepalive ping timeout")
    assert app.events[1:] == [disconnect(1005)]


def test_without_a_time_out_pings_go_on(serve):
    async def talk(peer):
        await peer.open()
        assert [(await peer.frame())[0] for _ in range(3)] == [FIN | PING] * 3

    serve(Recording(), talk, ws_ping_interval=0.01, ws_ping_timeout=None)


@pytest.mark.parametrize("interval", [None, 0, 0.0])
def test_pings_can_be_switched_off(serve, interval):
    async def talk(peer):
        await peer.open()
        await until(lambda: peer.connection.handshake_complete)
        assert peer.connection.ping_timer is None

    serve(Recording(), talk, ws_ping_interval=interval)


def test_timers_end_with_the_connection(serve):
    async def talk(peer):
        await peer.open()
        connection = peer.connection
        await until(lambda: connection.ping_timer is not None)
        peer.abort()
        await until(lambda: not peer.server.server_state.connections)
        assert (connection.ping_timer, connection.pong_timer, connection.close_timer) == (None,) * 3

    serve(Recording(), talk, ws_ping_interval=60.0)


# The end of the server.


def test_the_account_of_connections_and_tasks_is_kept(serve):
    async def talk(peer):
        state = peer.server.server_state
        await peer.open()
        assert (len(state.connections), len(state.tasks)) == (1, 1)
        peer.close()
        await peer.closed()
        await until(lambda: not state.connections and not state.tasks)

    serve(Recording(), talk)


def test_a_server_that_ends_closes_with_1012(serve):
    app = Recording()

    async def talk(peer):
        await peer.open()
        await asyncio.gather(peer.server.shutdown(), closed := asyncio.ensure_future(peer.closed()))
        return await closed

    assert serve(app, talk) == (1012, "")
    assert app.events[1:] == [disconnect(1012)]


def test_a_server_that_ends_refuses_who_has_had_no_answer(serve):
    events = []

    async def app(scope, receive, send):
        events.extend([await receive(), await receive()])

    async def talk(peer):
        asked = asyncio.ensure_future(peer.ask())
        await until(lambda: events or peer.server.server_state.tasks)
        await asyncio.sleep(0.01)
        await peer.server.shutdown()
        return (await asked)[0]

    assert serve(app, talk) == 500
    assert events[1] == disconnect(1006)


def test_a_server_that_ends_does_not_close_twice(serve):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4000})

    async def talk(peer):
        await peer.open()
        await until(lambda: peer.connection.close_timer is not None)
        await peer.server.shutdown()
        return await peer.closed()

    assert serve(app, talk) == (4000, "")


def test_an_application_that_does_not_end_is_cancelled_after_the_time_of_grace(serve, caplog):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await asyncio.Event().wait()

    async def talk(peer):
        await peer.open()
        await peer.server.shutdown()
        await until(lambda: not peer.server.server_state.tasks)

    serve(app, talk, timeout_graceful_shutdown=0)
    assert "Exception in ASGI application\n" in caplog.messages


def test_connections_are_traced(serve, caplog):
    caplog.set_level(5, "uvicorn.error")

    async def talk(peer):
        await peer.open()
        peer.abort()
        await until(lambda: not peer.server.server_state.connections)
        return peer.writer.get_extra_info("sockname")

    host, port = serve(Recording(), talk)
    told = [message for message in caplog.messages if "WebSocket connection" in message]
    assert told == [f"{host}:{port} - WebSocket connection {what}" for what in ("made", "lost")]
