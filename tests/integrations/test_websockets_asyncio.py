"""The asyncio connections of websockets, patched, against themselves unpatched.

They are compared over a transport in memory, once with every frame logged and once not.
"""

import asyncio
import logging
from itertools import product
from unittest.mock import patch as mock

import pytest
from histories import SIDES, Log, both, deflate
from memory import Transport, outcome, turns
from peers import MIXED
from streams import CLOSE, CONT, FIN, PING, PONG, TEXT, frame, streams
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.protocol import Protocol, Side

LEVELS = (logging.DEBUG, logging.INFO)


def on_asyncio(program, *, side=Side.SERVER, extensions=(), kind=Connection, **options):
    """Run ``await program(connection, transport)``, unpatched and patched."""

    async def run(level):
        logs = Log(level)
        protocol = options.get("protocol", Protocol)(side, logger=logs.logger, max_size=None)
        protocol.extensions = [extension() for extension in extensions]
        transport = Transport(options.get("room", 1 << 30))
        connection = kind(
            protocol,
            ping_interval=None,
            close_timeout=None,
            max_queue=options.get("max_queue", 4),
        )
        transport.connection = connection
        connection.connection_made(transport)
        result = await outcome(program(connection, transport))
        return result, transport.written, transport.calls, logs.lines

    return both(*(lambda level=level: asyncio.run(run(level)) for level in LEVELS))


@pytest.mark.parametrize(
    ("name", "decode"),
    [
        *((name, None) for name in streams(True)),
        *product(("texts", "binary", "fragments", "not UTF-8: far in", "close"), (True, False)),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["data first", "recv first"])
def test_a_connection_receives_the_same(name, decode, first):
    wire = streams(True)[name]

    async def program(connection, transport):
        results = []

        async def receive():
            while not results or not issubclass(results[-1][0], Exception):
                results.append(await outcome(connection.recv(decode)))

        if not first:
            receiver = asyncio.create_task(receive())
            await turns()
        for piece in wire[: len(wire) // 2], wire[len(wire) // 2 :]:
            connection.data_received(piece)
            await turns()
        if first:
            receiver = asyncio.create_task(receive())
            await turns()
        connection.eof_received()
        await turns()
        transport.abort()
        await receiver
        assert issubclass(results[-1][0], ConnectionClosed)
        return results

    on_asyncio(program)


def test_a_connection_with_a_receiver_that_is_canceled():
    async def program(connection, transport):
        receiver = asyncio.create_task(connection.recv())
        await asyncio.sleep(0)
        receiver.cancel()
        await turns()
        connection.data_received(
            frame(TEXT, b"a", masked=True) + frame(FIN | CONT, b"b", masked=True)
        )
        return await connection.recv()

    assert on_asyncio(program)[0] == (str, "ab")


def test_a_connection_with_two_receivers():
    async def program(connection, transport):
        receiver = asyncio.create_task(connection.recv())
        await asyncio.sleep(0)
        results = [await outcome(connection.recv())]
        connection.data_received(frame(FIN | TEXT, b"a", masked=True) * 2)
        results.append(await outcome(connection.recv()))
        return [*results, await outcome(receiver)]

    on_asyncio(program)


def test_a_connection_that_streams_fragments():
    async def program(connection, transport):
        connection.data_received(streams(True)["fragments"])
        results = [part async for part in connection.recv_streaming()]
        return results, await connection.recv()

    on_asyncio(program)


@pytest.mark.parametrize("max_queue", [None, 0, 4, (4, 0), (4, 3), 9], ids=str)
def test_a_connection_pauses_and_resumes_reading(max_queue):
    async def program(connection, transport):
        connection.data_received(frame(FIN | TEXT, b"x", masked=True) * 9)
        steps = [list(transport.calls)]
        for _ in range(9):
            await connection.recv()
            steps.append(list(transport.calls))
        return steps

    calls = on_asyncio(program, max_queue=max_queue)[2]
    assert calls == ([] if max_queue in (None, 9) else ["pause_reading", "resume_reading"])


def test_a_connection_that_is_pinged_between_messages():
    async def program(connection, transport):
        order = []

        async def receive():
            while True:
                order.append(await connection.recv())

        receiver = asyncio.create_task(receive())
        pong = await connection.ping(b"ping")
        pong.add_done_callback(lambda _: order.append("pong"))
        await turns()
        text = frame(FIN | TEXT, b"x", masked=True)
        ponged = frame(FIN | PONG, b"ping", masked=True)
        connection.data_received(text + ponged + text)
        connection.data_received(text + frame(FIN | PING, b"ping", masked=True) + text)
        await turns()
        receiver.cancel()
        return order

    (_, order), written, *_ = on_asyncio(program)
    assert sorted(order) == ["pong", "x", "x", "x", "x"]
    assert written[-1] == bytes((FIN | PONG, 4)) + b"ping"


@pytest.mark.parametrize("owner", ["class", "instance"])
@pytest.mark.parametrize(
    "name", ["process_event", "send_data", "drain", "send_context", "recv", "data_received"]
)
def test_an_overridden_method_of_a_connection_is_called(name, owner):
    calls = []

    def spy(self, *args, **options):
        calls.append(name)
        return getattr(Connection, name)(self, *args, **options)

    class Own(Connection):
        pass

    if owner == "class":
        setattr(Own, name, spy)

    async def program(connection, transport):
        if owner == "instance":
            setattr(connection, name, spy.__get__(connection))
        done = await echoes(connection)
        return done, [calls.pop() for _ in list(calls)]

    (_, (_, called)), *_ = on_asyncio(program, kind=Own)
    assert name in called


@pytest.mark.parametrize("owner", ["class", "instance"])
@pytest.mark.parametrize(
    "name",
    [
        *("receive_data", "recv_frame", "events_received", "close_expected"),
        *("send_text", "send_frame", "data_to_send"),
    ],
)
def test_an_overridden_method_of_a_protocol_is_called(name, owner):
    calls = []

    def spy(self, *args, **options):
        calls.append((name, args if name == "receive_data" else None))
        return getattr(Protocol, name)(self, *args, **options)

    class Own(Protocol):
        pass

    if owner == "class":
        setattr(Own, name, spy)

    async def program(connection, transport):
        if owner == "instance":
            setattr(connection.protocol, name, spy.__get__(connection.protocol))
        done = await echoes(connection)
        return done, [calls.pop() for _ in list(calls)]

    (_, (_, called)), *_ = on_asyncio(program, protocol=Own)
    assert called


async def echoes(connection):
    connection.data_received(frame(FIN | TEXT, b"Hello", masked=True) * 3)
    received = []
    async for message in connection:
        received.append(message)
        await connection.send(message)
        if len(received) == 3:
            return received


@pytest.mark.parametrize("text", [None, True, False])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
def test_a_connection_sends_the_same(side, compress, text):
    messages = ["", "Hello", MIXED, MIXED * 3_000, b"", b"Hello", b"x" * 70_000, bytearray(b"abc"),
                memoryview(b"abc"), ["a", MIXED], [b"a", b"b"], [], {"a": 1}, 3, None]  # fmt: skip
    for last in ("\ud800", ["a", b"b"]):

        async def program(connection, transport, last=last):
            results = []
            for message in (*messages, last, "after"):
                sending = asyncio.create_task(connection.send(message, text=text))
                await turns()
                if not sending.done():  # it waits for the peer to close
                    transport.abort()
                results.append(await outcome(sending))
            return results

        on_asyncio(program, side=side, extensions=[deflate] if compress else [])


def test_a_connection_waits_for_room():
    async def program(connection, transport):
        await connection.send("x" * 100)
        return list(transport.calls)

    assert on_asyncio(program, room=50)[0] == (list, ["made room"])


@pytest.mark.parametrize("failure", [OSError("broken"), RuntimeError("closed")], ids=repr)
def test_a_connection_whose_transport_fails(failure):
    async def program(connection, transport):
        transport.failure = failure
        return await outcome(connection.send("Hello")), await outcome(connection.send("again"))

    (_, (first, _)), _, calls, _ = on_asyncio(program)
    assert first[0] is ConnectionClosedError
    assert calls[0] == "abort"


def test_a_connection_that_fails_inside():
    async def program(connection, transport):
        with mock.object(connection.protocol, "send_text", side_effect=AssertionError("inside")):
            return await outcome(connection.send("Hello"))

    (_, failed), _, calls, lines = on_asyncio(program)
    assert failed[0] is ConnectionClosedError
    assert calls == ["abort"]
    assert ("ERROR", "unexpected internal error", True) in lines


def test_a_connection_that_is_closed():
    async def program(connection, transport):
        connection.data_received(frame(FIN | CLOSE, b"\x03\xe8", masked=True))
        asyncio.get_running_loop().call_soon(transport.abort)
        return await outcome(connection.send("Hello"))

    on_asyncio(program)


def test_a_connection_that_is_sending_fragments():
    async def program(connection, transport):
        async def fragments():
            yield "a"
            await asyncio.sleep(0.01)
            yield "b"

        sending = asyncio.create_task(connection.send(fragments()))
        await asyncio.sleep(0)
        await connection.send("after")
        await sending

    on_asyncio(program)
