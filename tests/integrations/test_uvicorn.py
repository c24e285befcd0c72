"""Messages under uvicorn, with wsfast's class and with its own for websockets.

What is asserted holds for both, unless a test is for ``wsfast`` only and says why.
"""

import asyncio
import time
import zlib
from functools import partial

import pytest
from streams import BINARY, CONT, FIN, MIXED, PING, PONG, RSV1, TEXT, frame
from uvicorn_servers import (
    ACCEPT,
    CLASSES,
    Peer,
    Recording,
    binary,
    run,
    sending,
    serving,
    talk_to,
    text,
    until,
)

TAIL = b"\x00\x00\xff\xff"

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


# Messages.


@pytest.mark.parametrize(
    "message",
    ["", "Hello", MIXED, "x" * 125, "x" * 126, "ÿ" * 40_000, MIXED * 2_000],
    ids=lambda message: f"{len(message)} characters",
)
def test_texts_are_received_and_sent(serve, message):
    app = Recording()

    async def talk(peer):
        await peer.open()
        peer.text(message)
        return await peer.receive()

    assert serve(app, talk) == message
    assert app.events[1] == text(message)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000])
def test_bytes_are_received_and_sent(serve, size):
    app = Recording()
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)

    async def talk(peer):
        await peer.open()
        peer.send(masked(FIN | BINARY, message))
        return await peer.frame()

    assert serve(app, talk) == (FIN | BINARY, message)
    assert app.events[1] == binary(message)
    assert type(app.events[1]["bytes"]) is bytes


def test_fragments_make_one_message_and_pings_between_them_are_answered(serve):
    app = Recording()
    data = MIXED.encode()

    async def talk(peer):
        await peer.open()
        peer.send(masked(TEXT, data[:7]) + masked(FIN | PING, b"p") + masked(CONT, data[7:20]))
        peer.send(masked(FIN | CONT, data[20:]))
        return [await peer.frame(), await peer.receive()]

    assert serve(app, talk) == [(FIN | PONG, b"p"), MIXED]
    assert app.events[1] == text(MIXED)


def test_many_messages_in_one_read_keep_their_order(serve):
    app = Recording()
    messages = [f"{i} {MIXED}" for i in range(500)]

    async def talk(peer):
        await peer.open()
        peer.send(b"".join(masked(FIN | TEXT, message.encode()) for message in messages))
        return [await peer.receive() for _ in messages]

    assert serve(app, talk) == messages
    assert app.events[1:501] == [text(message) for message in messages]


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc")], ids=["array", "view"])
def test_anything_bytes_like_can_be_sent(serve, data):
    async def talk(peer):
        await peer.open()
        return await peer.frame()

    app = sending({"type": "websocket.send", "bytes": data})
    assert serve(app, talk) == (FIN | BINARY, b"abc")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"text": "a", "bytes": None}, (FIN | TEXT, b"a")),
        ({"text": None, "bytes": b"b"}, (FIN | BINARY, b"b")),
        ({"text": "a", "bytes": b""}, (FIN | BINARY, b"")),
        ({"text": ""}, (FIN | TEXT, b"")),
    ],
)
def test_bytes_are_sent_unless_they_are_none(serve, event, expected):
    async def talk(peer):
        await peer.open()
        return await peer.frame()

    assert serve(sending({"type": "websocket.send"} | event), talk) == expected


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"text": "\ud800"}, UnicodeEncodeError),
        ({"text": 1}, AttributeError),
        ({"text": b"bytes"}, AttributeError),
        ({"bytes": "text"}, TypeError),
        ({"bytes": 1}, TypeError),
    ],
)
def test_what_is_no_message_is_an_error_and_nothing_is_sent(serve, event, error):
    last = {"type": "websocket.send", "text": "last"}
    app = sending({"type": "websocket.send"} | event, last)

    async def talk(peer):
        await peer.open()
        return await peer.receive()

    assert serve(app, talk) == "last"
    assert [type(exc) for exc in app.errors] == [error]


def test_a_text_of_a_subclass_of_str_is_a_text(serve):
    class Text(str):
        pass

    async def talk(peer):
        await peer.open()
        return await peer.receive()

    assert serve(sending({"type": "websocket.send", "text": Text("a")}), talk) == "a"


def test_an_event_without_a_message_sends_nothing(serve):
    app = sending({"type": "websocket.send"}, {"type": "websocket.send", "text": "last"})

    async def talk(peer):
        await peer.open()
        return await peer.receive()

    assert serve(app, talk) == "last"
    assert app.errors == []


def test_an_event_that_is_none_is_an_error(serve):
    app = sending({"type": "websocket.accept"}, {"type": "websocket.other"}, {})

    async def talk(peer):
        await peer.open()

    serve(app, talk)
    wanted = "Expected ASGI message 'websocket.send' or 'websocket.close', but got"
    assert [str(exc) for exc in app.errors[:2]] == [
        f"{wanted} 'websocket.accept'.",
        f"{wanted} 'websocket.other'.",
    ]
    assert isinstance(app.errors[2], KeyError)


# When messages leave.


def test_what_is_sent_leaves_at_once_even_if_the_application_does_not_yield(serve):
    """As from a model that makes a text token by token, of each of two messages."""
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for _ in range(2):
            await receive()
            for i in range(3):
                await send({"type": "websocket.send", "text": str(i)})
                seen.append(app.socket.recv(100))
            app.socket.send(masked(FIN | TEXT, b"again"))
        await receive()

    async def talk(peer):
        await peer.open()
        app.socket = peer.writer.get_extra_info("socket").dup()
        app.socket.settimeout(2)
        peer.text("go")
        await until(lambda: len(seen) == 6)
        app.socket.close()

    serve(app, talk)
    assert seen == 2 * [frame(FIN | TEXT, str(i).encode(), masked=False) for i in range(3)]


def test_answers_of_a_slow_application_leave_one_by_one(serve):
    """Also where the messages came together."""
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for _ in range(3):
            event = await receive()
            time.sleep(0.002)
            await send({"type": "websocket.send", "text": event["text"]})
            seen.append(app.socket.recv(100))

    async def talk(peer):
        await peer.open()
        app.socket = peer.writer.get_extra_info("socket").dup()
        app.socket.settimeout(2)
        peer.send(b"".join(masked(FIN | TEXT, b"%d" % i) for i in range(3)))
        await until(lambda: len(seen) == 3)
        app.socket.close()

    serve(app, talk)
    assert seen == [frame(FIN | TEXT, str(i).encode(), masked=False) for i in range(3)]


def test_answers_to_messages_of_one_read_leave_in_one_write(loop_kind):
    """wsfast's own: uvicorn writes each by itself."""
    writes = []

    async def talk(peer):
        await peer.open()
        await until(lambda: peer.connection.scope)
        connection = peer.connection
        transport = connection.transport

        class Spy:
            def write(self, data):
                writes.append(bytes(data))
                transport.write(data)

            def __getattr__(self, name):
                return getattr(transport, name)

        connection._attach(Spy())
        for _ in range(2):  # the second comes right behind the first, which may leave at once
            peer.send(b"".join(masked(FIN | TEXT, b"%d" % i) for i in range(20)))
            for _ in range(20):
                await peer.receive()

    talk_to(Recording(), talk, "wsfast", loop_kind)
    assert sum(map(len, writes)) == 2 * sum(2 + len(str(i)) for i in range(20))
    assert len(writes) < 12


# Several tasks.


def test_tasks_that_receive_at_once_get_a_message_each(serve):
    events = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        events.extend(await asyncio.gather(*(receive() for _ in range(3))))
        await send({"type": "websocket.send", "text": "done"})
        await receive()

    async def talk(peer):
        await peer.open()
        peer.text("0")
        await asyncio.sleep(0.01)
        peer.text("1")
        peer.text("2")
        assert await peer.receive() == "done"

    serve(app, talk)
    assert sorted(event["text"] for event in events) == ["0", "1", "2"]


def test_tasks_that_receive_on_and_on_take_turns(serve):
    received = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)

        async def worker(name):
            while True:
                received.append((name, (await receive())["text"]))
                await send({"type": "websocket.send", "text": name})

        workers = [asyncio.ensure_future(worker(name)) for name in "abc"]
        await asyncio.sleep(0)
        await send({"type": "websocket.send", "text": "go"})
        await app.enough.wait()
        for task in workers:
            task.cancel()

    async def talk(peer):
        app.enough = asyncio.Event()
        await peer.open()
        for i in range(7):
            await peer.receive()
            peer.text(str(i))
        await peer.receive()
        app.enough.set()

    serve(app, talk)
    assert received == [(name, str(i)) for i, name in enumerate("abcabca")]


def test_who_gives_up_receiving_leaves_the_others_their_turns(serve):
    received = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)

        async def one(name):
            received.append((name, (await receive())["text"]))

        tasks = {name: asyncio.ensure_future(one(name)) for name in "abcdef"}
        await asyncio.sleep(0)
        for name in "ac":
            tasks[name].cancel()
        await asyncio.sleep(0)
        await send({"type": "websocket.send", "text": "go"})
        await asyncio.wait(tasks.values())

    async def talk(peer):
        await peer.open()
        await peer.receive()
        for i in range(4):
            peer.text(str(i))
        await until(lambda: len(received) == 4)

    serve(app, talk)
    assert received == [(name, str(i)) for i, name in enumerate("bdef")]


def test_a_cancelled_receive_loses_no_message(serve):
    events = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        first, second = (asyncio.ensure_future(receive()) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await send({"type": "websocket.send", "text": "go"})
        events.append(await second)
        try:
            await asyncio.wait_for(receive(), 0.001)
        except asyncio.TimeoutError:
            await send({"type": "websocket.send", "text": "go"})
        events.append(await receive())

    async def talk(peer):
        await peer.open()
        for i in range(2):
            await peer.receive()
            peer.text(str(i))
        await until(lambda: len(events) == 2)

    serve(app, talk)
    assert events == [text("0"), text("1")]


def test_receive_and_send_are_coroutine_functions(serve):
    """So that they can be handed to whatever starts tasks."""
    app = Recording()
    kinds = []

    async def asked(scope, receive, send):
        kinds.extend([asyncio.iscoroutinefunction(receive), asyncio.iscoroutinefunction(send)])
        await app(scope, receive, send)

    async def talk(peer):
        await peer.open()

    serve(asked, talk)
    assert kinds == [True, True]


# Back-pressure.


def test_reading_stops_while_a_message_waits(serve):
    received = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await app.go.wait()
        while (event := await receive())["type"] == "websocket.receive":
            received.append(len(event["bytes"]))

    async def talk(peer):
        app.go = asyncio.Event()
        await peer.open()
        chunk = masked(FIN | BINARY, bytes(1 << 20))
        sent = 0
        peer.writer.transport.set_write_buffer_limits(0)
        while sent < 40:
            peer.send(chunk)
            sent += 1
            try:
                await asyncio.wait_for(peer.writer.drain(), 0.2)
            except asyncio.TimeoutError:
                break
        stopped, waiting = sent, peer.writer.transport.get_write_buffer_size()
        assert stopped < 40
        assert waiting > 0
        app.go.set()
        await peer.writer.drain()
        peer.close()
        await peer.closed()
        return stopped

    stopped = serve(app, talk)
    assert received == [1 << 20] * stopped


def test_a_send_waits_while_the_peer_does_not_read(serve):
    sent = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for i in range(200):
            await send({"type": "websocket.send", "bytes": bytes(1 << 16)})
            sent.append(i)

    async def talk(peer):
        await peer.open()
        peer.writer.transport.pause_reading()
        count = -1
        while count != len(sent):
            count = len(sent)
            await asyncio.sleep(0.05)
        assert peer.connection.transport.get_write_buffer_size() < 1 << 19
        peer.writer.transport.resume_reading()
        frames = [await peer.frame() for _ in range(200)]
        assert {len(payload) for _, payload in frames} == {1 << 16}
        return count

    assert serve(app, talk) < 200
    assert len(sent) == 200


def test_a_send_that_waits_ends_with_the_connection(serve):
    errors = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
        except OSError as exc:
            errors.append(type(exc).__name__)

    async def talk(peer):
        await peer.open()
        peer.writer.transport.pause_reading()
        await until(lambda: not peer.connection.writable.is_set())
        peer.abort()
        await until(lambda: errors)

    serve(app, talk)
    assert errors == ["ClientDisconnected"]


def test_pongs_to_a_peer_that_does_not_read_are_bounded(loop_kind):
    """wsfast's own: section 5.5.3 of RFC 6455 lets an endpoint answer only the latest ping."""

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        while True:
            await send({"type": "websocket.send", "bytes": bytes(1 << 20)})

    async def talk(peer):
        await peer.open()
        peer.writer.transport.pause_reading()
        connection = peer.connection
        await until(lambda: not connection.writable.is_set())
        await asyncio.sleep(0.02)
        held = connection.transport.get_write_buffer_size()
        for _ in range(20):
            peer.send(masked(FIN | PING, b"x" * 100) * 1000)
            await asyncio.sleep(0)
        await peer.writer.drain()
        await asyncio.sleep(0.05)
        assert connection.transport.get_write_buffer_size() <= held
        peer.abort()

    talk_to(app, talk, "wsfast", loop_kind)


# Compression.


def deflated(message, level=6):
    compressor = zlib.compressobj(level, zlib.DEFLATED, -12)
    data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(TAIL)


def inflated(payload):
    return zlib.decompressobj(-12).decompress(payload + TAIL)


OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover"}


def test_messages_are_compressed_both_ways(serve):
    app = Recording()

    async def talk(peer):
        await peer.open(**OFFER)
        peer.send(masked(FIN | RSV1 | TEXT, deflated(MIXED.encode() * 20)))
        first, payload = await peer.frame()
        assert first == FIN | RSV1 | TEXT
        return inflated(payload).decode()

    assert serve(app, talk) == MIXED * 20
    assert app.events[1] == text(MIXED * 20)


def test_uncompressed_messages_are_received_all_the_same(serve):
    app = Recording()

    async def talk(peer):
        await peer.open(**OFFER)
        peer.text("plain")
        peer.send(masked(FIN | RSV1 | BINARY, deflated(b"ab")))
        await until(lambda: len(app.events) == 3)

    serve(app, talk)
    assert app.events[1:3] == [text("plain"), binary(b"ab")]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (deflated(b"x" * 1001), 1009),
        (deflated(bytes(1 << 24)), 1009),
        (deflated(b"abc\xff"), 1007),
    ],
    ids=["too large", "bomb", "not UTF-8"],
)
def test_a_bad_compressed_message_is_the_end(serve, payload, code):
    app = Recording()

    async def talk(peer):
        await peer.open(**OFFER)
        peer.text("before")
        await peer.frame()
        peer.send(masked(FIN | RSV1 | TEXT, payload))
        return await peer.closed()

    assert serve(app, talk, ws_max_size=1 << 16 if code == 1007 else 1000)[0] == code
    assert app.events[1] == text("before")
    assert app.events[2]["code"] == code
    assert len(app.events) == 3


def test_what_is_no_deflate_is_the_end(loop_kind):
    """1007 with wsfast; uvicorn's own class says 1002."""
    app = Recording()

    async def talk(peer):
        await peer.open(**OFFER)
        peer.send(masked(FIN | RSV1 | TEXT, b"\xff\xff\xff"))
        peer.text("behind")
        return await peer.closed()

    assert talk_to(app, talk, "wsfast", loop_kind)[0] == 1007
    assert [event["type"] for event in app.events[1:]] == ["websocket.disconnect"]


# Several connections.


def test_frames_are_read_into_the_buffer_that_connections_share(monkeypatch, loop_kind):
    """And not handed over in ``bytes``, as the request is."""
    from wsfast.integrations.uvicorn import WebSocketProtocol

    handed_over = []
    original = WebSocketProtocol.data_received

    def data_received(self, data):
        handed_over.append(data)
        original(self, data)

    monkeypatch.setattr(WebSocketProtocol, "data_received", data_received)

    async def talk(peer):
        await peer.open()
        peer.text("a")
        return await peer.receive()

    assert talk_to(Recording(), talk, "wsfast", loop_kind) == "a"
    assert [data[:3] for data in handed_over] == [b"GET"]


def test_connections_share_a_buffer_and_nothing_else(ws, loop_kind):
    async def main():
        async with serving(Recording(), ws) as server:
            peers = [await Peer.connect(server) for _ in range(10)]
            for peer in peers:
                await peer.open()
            for i, peer in enumerate(peers):
                wire = masked(FIN | TEXT, f"{i} {MIXED}".encode())
                peer.send(wire[: 10 + i])
                peer.rest_of_wire = wire[10 + i :]
            await asyncio.sleep(0.01)
            for peer in peers:
                peer.send(peer.rest_of_wire)
            answers = [await peer.receive() for peer in peers]
            for peer in peers:
                peer.abort()
            return answers

    assert run(loop_kind, main()) == [f"{i} {MIXED}" for i in range(10)]
