"""``websockets.legacy``, patched, against itself unpatched: over memory, and over sockets."""

import asyncio
import logging
import subprocess
import sys
import warnings

import pytest
from histories import Log, both, deflate, error
from memory import Transport, outcome, turns
from patching import patched
from peers import MESSAGES, MIXED
from streams import BINARY, CLOSE, CONT, FIN, PING, RSV1, TEXT, frame, streams
from websockets.frames import Frame, Opcode

from wsfast.integrations import _websockets_legacy
from wsfast.integrations.websockets import integration

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from websockets.legacy.client import connect
    from websockets.legacy.framing import Frame as LegacyFrame
    from websockets.legacy.protocol import WebSocketCommonProtocol
    from websockets.legacy.server import serve


class Wire(Transport):
    """Its peer ends TCP when we do."""

    def write_eof(self):
        super().write_eof()
        self.end("end")


def on_legacy(
    program, *, client=False, extensions=(), kind=WebSocketCommonProtocol, room=1 << 30, **options
):
    """Run ``await program(connection, transport)`` unpatched and patched, logging frames or not."""

    async def run(level):
        logs = Log(level)
        transport = Wire(room)
        connection = kind(
            logger=logs.logger, ping_interval=None, close_timeout=5, **{"max_size": None} | options
        )
        connection.is_client = client
        connection.extensions = [extension() for extension in extensions]
        transport.connection = connection
        connection.connection_made(transport)
        connection.connection_open()
        result = await outcome(program(connection, transport))
        if not connection.connection_lost_waiter.done():
            transport.abort()
        await asyncio.wait([connection.close_connection_task])
        return (
            result,
            (connection.state, connection.close_rcvd, connection.close_sent),
            error(connection.transfer_data_exc),
            transport.written,
            transport.calls,
            logs.lines,
        )

    return both(
        *(lambda level=level: asyncio.run(run(level)) for level in (logging.DEBUG, logging.INFO))
    )


async def received(connection, pieces):
    """All that ``recv`` returns and raises, when these pieces come, and then no more."""
    for piece in pieces:
        connection.data_received(piece)
        await turns()
    connection.eof_received()
    connection.transport.close()
    results = [await outcome(connection.recv())]
    while not issubclass(results[-1][0], Exception):
        results.append(await outcome(connection.recv()))
    return results


@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
@pytest.mark.parametrize("name", streams(True))
def test_a_connection_receives_the_same(name, client):
    wire = streams(not client)[name]
    for cut in (len(wire), len(wire) // 2):

        async def program(connection, transport, cut=cut):
            return await received(connection, [wire[:cut], wire[cut:]])

        on_legacy(program, client=client)


def test_a_connection_receives_the_same_byte_by_byte():
    wire = b"".join(streams(True)[name] for name in ("texts", "fragments", "ping", "close"))

    async def program(connection, transport):
        return await received(connection, [wire[i : i + 1] for i in range(len(wire))])

    on_legacy(program)


@pytest.mark.parametrize("max_size", [0, 4, 5, 100])
@pytest.mark.parametrize("name", ["texts", "fragments", "empty fragments", "lengths"])
def test_a_connection_keeps_its_limit(name, max_size):
    async def program(connection, transport):
        return await received(connection, [streams(True)[name]])

    on_legacy(program, max_size=max_size)


@pytest.mark.parametrize("max_size", [None, 20, 1 << 20])
def test_a_connection_decompresses(max_size):
    extension = deflate()
    frames = [
        Frame(Opcode.TEXT, MIXED.encode() * 3),
        Frame(Opcode.BINARY, b"x" * 5_000),
        Frame(Opcode.TEXT, b"one, ", fin=False),
        Frame(Opcode.PING, b"ping"),
        Frame(Opcode.CONT, b"two"),
    ]
    good = b"".join(sent.serialize(mask=True, extensions=[extension]) for sent in frames)
    for wire in (
        good + frame(FIN | TEXT, b"plain", masked=True),
        frame(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff", masked=True),
        frame(RSV1 | TEXT, b"", masked=True) + frame(FIN | RSV1 | CONT, b"", masked=True),
        frame(FIN | RSV1 | PING, b"", masked=True),
    ):

        async def program(connection, transport, wire=wire):
            return await received(connection, [wire])

        on_legacy(program, extensions=[deflate], max_size=max_size)


def test_a_connection_stops_reading_where_messages_wait():
    """What is not received stays in the buffer of the stream, and pauses the transport."""
    wire = frame(FIN | BINARY, b"x" * 1_000, masked=True) * 100

    async def program(connection, transport):
        connection.data_received(wire)
        await turns()
        waiting = [(len(connection.messages), len(connection.reader._buffer), *transport.calls)]
        for _ in range(100):
            await connection.recv()
            await turns()
            left = len(connection.messages), len(connection.reader._buffer)
            waiting.append((*left, *transport.calls))
        return waiting

    (_, waiting), *_, calls, _ = on_legacy(program, max_queue=4)
    assert waiting[0] == (4, 95 * 1_008, "pause_reading")
    assert calls[:2] == ["pause_reading", "resume_reading"]


@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
@pytest.mark.parametrize("compress", [False, True])
def test_a_connection_sends_the_same(client, compress):
    messages = ["", "Hello", MIXED, MIXED * 3_000, b"", b"x" * 125, b"x" * 126, b"x" * 70_000,
                bytearray(b"abc"), memoryview(b"abc"), ["a", MIXED], [], {"a": 1}, 3, None,
                "\ud800", "after", ["a", b"b"], "closed"]  # fmt: skip

    async def program(connection, transport):
        results = []
        for message in messages:
            sending = asyncio.create_task(connection.send(message))
            await turns()
            if not sending.done():  # it waits for the end of the connection
                transport.abort()
            results.append(await outcome(sending))
        return results

    on_legacy(program, client=client, extensions=[deflate] if compress else [])


def test_a_connection_waits_for_room():
    async def program(connection, transport):
        await connection.send("x" * 100)
        return list(transport.calls)

    for _ in range(2):
        assert on_legacy(program, room=50)[0] == (list, ["made room"])


@pytest.mark.parametrize("failure", [OSError("broken"), RuntimeError("closed")], ids=repr)
def test_a_connection_whose_transport_fails(failure):
    async def program(connection, transport):
        transport.failure = failure
        result = await outcome(connection.send("Hello"))
        transport.failure = None
        return result

    assert on_legacy(program)[0][1][0] is type(failure)


@pytest.mark.parametrize("ends", ["close frame", "lost", "reset"])
def test_a_connection_that_has_ended(ends):
    async def program(connection, transport):
        if ends == "close frame":
            connection.data_received(frame(FIN | CLOSE, b"\x03\xe8", masked=True))
            await turns()
        elif ends == "lost":
            transport.abort()
        else:
            connection.reader.set_exception(ConnectionResetError("reset"))
        return await outcome(connection.send("Hello"))

    on_legacy(program)


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

    on_legacy(program)


@pytest.mark.parametrize(
    "name",
    ["read_data_frame", "read_frame", "ensure_open", "write_frame", "write_frame_sync", "drain"],
)
@pytest.mark.parametrize("owner", ["class", "instance"])
def test_an_overridden_method_is_called(name, owner):
    calls = []

    def spy(self, *args, **options):
        calls.append(name)
        return getattr(WebSocketCommonProtocol, name)(self, *args, **options)

    class Own(WebSocketCommonProtocol):
        pass

    if owner == "class":
        setattr(Own, name, spy)

    async def program(connection, transport):
        if owner == "instance":
            setattr(connection, name, spy.__get__(connection))
        connection.data_received(frame(FIN | TEXT, b"Hello", masked=True) * 2)
        await connection.send(await connection.recv())
        done, calls[:] = list(calls), []
        return done

    (_, done), *_ = on_legacy(program, kind=Own)
    assert name in done


def test_a_reader_of_another_kind_is_read():
    async def read(size):
        taken = bytes(wire[:size])
        del wire[:size]
        return taken

    with patched(integration):
        wire = bytearray(frame(FIN | TEXT, b"Hello", masked=True))
        found = asyncio.run(LegacyFrame.read(read, mask=True))
    assert found == LegacyFrame(True, Opcode.TEXT, b"Hello")


def test_the_library_calls_what_is_patched(monkeypatch):
    calls = []
    for name in ("_take", "serialize_frame", "decode_utf8"):
        function = getattr(_websockets_legacy, name)

        def spy(*args, name=name, function=function, **options):
            calls.append(name)
            return function(*args, **options)

        spy.__name__ = name
        monkeypatch.setattr(_websockets_legacy, name, spy)

    async def echo(connection, transport):
        connection.data_received(frame(FIN | TEXT, MIXED.encode(), masked=True))
        await connection.send(await connection.recv())

    on_legacy(echo)
    assert {"_take", "serialize_frame", "decode_utf8"} <= set(calls)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_server_without_wsfast_agrees(peer, compression):
    url = f"ws://127.0.0.1:{int(peer('websockets-server').stdout.readline())}/"

    async def main():
        async with connect(url, max_size=None, compression=compression) as connection:
            for message in MESSAGES:
                await connection.send(message)
                assert await connection.recv() == message

    with patched(integration):
        asyncio.run(main())


@pytest.mark.parametrize("client", ["websockets-client", "websocket-client"])
def test_a_client_without_wsfast_agrees(peer, client):
    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def main():
        async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
            process = peer(client, server.sockets[0].getsockname()[1])
            return await asyncio.to_thread(process.stdout.readline)

    with patched(integration):
        assert asyncio.run(main()) == "ok\n"


@pytest.mark.parametrize("first", ["patch", "import"])
def test_it_is_patched_whatever_comes_first(first):
    patch = "from wsfast.integrations import websockets as wsfast; assert wsfast.patch()\n"
    program = (
        "import sys, warnings\n"
        f"{patch if first == 'patch' else ''}"
        "assert 'websockets.legacy' not in sys.modules\n"
        "warnings.simplefilter('ignore')\n"
        "import websockets.legacy.server\n"
        f"{patch}"
        "seams = [s for s in wsfast.integration.in_place() if 'legacy' in s]\n"
        "assert len(seams) == 5, seams\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
