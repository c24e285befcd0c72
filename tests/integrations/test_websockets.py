"""websockets, patched, against itself unpatched, and against peers without wsfast.

The sans-I/O protocol is compared step by step over every stream of ``streams.py``, however it is
cut; the asyncio connection over a transport in memory; and both, and the blocking client, over
sockets.
"""

import asyncio
import importlib
import inspect
import logging
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from unittest.mock import patch as mock

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MESSAGES, MIXED
from streams import BINARY, CLOSE, CONT, FIN, PING, RSV1, TEXT, cuts, frame, streams
from websockets.asyncio.connection import Connection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from wsfast.integrations import websockets as wsfast_websockets
from wsfast.integrations.websockets import integration

SIDES = [Side.SERVER, Side.CLIENT]

# websockets runs on trio from version 17 on, which wants Python 3.11.
STACKS = ["asyncio", "sync", *(["trio"] if find_spec("websockets.trio") else [])]


class Log(logging.Handler):
    """Remembers what is logged."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []
        self.logger = logging.Logger("test", logging.DEBUG)
        self.logger.addHandler(self)

    def emit(self, record):
        self.lines.append((record.levelname, record.getMessage(), bool(record.exc_info)))


def both(*functions):
    """Run each unpatched and patched, hold the results to each other, and return the last."""
    with mock("secrets.token_bytes", lambda size=32: b"\x11\x22\x33\x44"[:size]):
        plain = [function() for function in functions]
        with patched(integration):
            for function, result in zip(functions, plain, strict=True):
                assert function() == result
    return plain[-1]


def error(exc):
    if exc is None:
        return None
    return type(exc), str(exc), exc.args, error(exc.__cause__)


def shown(event):
    if not isinstance(event, Frame):
        return event
    assert type(event.opcode) is Opcode
    return type(event), vars(event), {name: type(value) for name, value in vars(event).items()}


def state(protocol):
    """All that can be seen of a protocol after a step."""
    return {
        "events": [shown(event) for event in protocol.events_received()],
        "writes": protocol.data_to_send(),
        "state": protocol.state,
        "close expected": protocol.close_expected(),
        "close": (protocol.close_rcvd, protocol.close_sent, protocol.close_rcvd_then_sent),
        "close code": (protocol.close_code, protocol.close_reason),
        "close error": error(protocol.close_exc) if protocol.state is State.CLOSED else None,
        "parser error": error(protocol.parser_exc),
        "eof": (protocol.reader.eof, protocol.eof_sent),
        "reader": type(protocol.reader),
    }


def history(make, pieces, *, eof=True, log=True):
    """What a protocol does with these pieces, step by step."""
    logs = Log()
    protocol = make()
    if log:
        protocol.logger, protocol.debug = logs.logger, True
    steps = []
    for piece in pieces:
        protocol.receive_data(piece)
        steps.append(state(protocol))
    if eof:
        protocol.receive_eof()
        steps.append(state(protocol))
        with pytest.raises(EOFError) as late:
            protocol.receive_data(b"late")
        steps.append((error(late.value), bytes(protocol.reader.buffer)))
    return steps, logs.lines


def histories(make, wires):
    return [lambda pieces=pieces: history(make, pieces) for pieces in wires]


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
@pytest.mark.parametrize("name", streams(True))
def test_a_protocol_takes_the_same_steps(name, side):
    wire = streams(side is Side.SERVER)[name]

    def make():
        return Protocol(side, max_size=None)

    both(lambda: history(make, [wire], log=False), *histories(make, cuts(wire)))


def test_a_protocol_takes_the_same_steps_at_the_end_of_a_cut_stream():
    wire = frame(FIN | TEXT, b"Hello", masked=True) + frame(FIN | BINARY, b"x" * 300, masked=True)
    for size in range(30):
        both(*histories(lambda: Protocol(Side.SERVER), cuts(wire[:size])))


@pytest.mark.parametrize("max_size", [0, 1, 4, 5, 100, (None, 5), (12, 5), (5, None)], ids=str)
@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
def test_a_protocol_keeps_its_limits(side, max_size):
    if isinstance(max_size, tuple) and not hasattr(Protocol(side), "max_fragment_size"):
        pytest.skip("no limit for fragments before websockets 16")
    for name in ("texts", "fragments", "empty fragments", "ping in fragments", "binary", "lengths"):
        wire = streams(side is Side.SERVER)[name][:1_000]
        both(*histories(lambda: Protocol(side, max_size=max_size), cuts(wire)))


def deflate():
    return PerMessageDeflate(False, False, 15, 15)


def compressed(masked):
    """A stream of messages that are compressed, in one piece and in fragments, and of others."""
    extension = deflate()
    frames = [
        Frame(Opcode.TEXT, MIXED.encode() * 3),
        Frame(Opcode.TEXT, MIXED.encode() * 300),
        Frame(Opcode.TEXT, b"one, ", fin=False),
        Frame(Opcode.CONT, b"two, ", fin=False),
        Frame(Opcode.PING, b"ping"),
        Frame(Opcode.CONT, b"three"),
        Frame(Opcode.BINARY, b""),
    ]
    wire = b"".join(sent.serialize(mask=masked, extensions=[extension]) for sent in frames)
    return wire + frame(FIN | TEXT, b"plain", masked=masked)


@pytest.mark.parametrize("max_size", [None, 20, 4_000, 1 << 20])
@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
def test_a_protocol_decompresses(side, max_size):
    masked = side is Side.SERVER

    def make():
        protocol = Protocol(side, max_size=max_size)
        protocol.extensions = [deflate()]
        return protocol

    good = compressed(masked)
    for wire in (
        good,
        good[: len(good) // 2],
        frame(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff", masked=masked),
        frame(RSV1 | TEXT, b"", masked=masked) + frame(FIN | RSV1 | CONT, b"", masked=masked),
        frame(FIN | RSV1 | PING, b"", masked=masked),
        frame(FIN | RSV1 | CLOSE, b"", masked=masked),
    ):
        both(*histories(make, ([wire], [wire[i : i + 7] for i in range(0, len(wire), 7)])))


def test_a_protocol_calls_every_extension_and_overridden_method():
    class Reverse:
        def decode(self, received, *, max_size=None):
            if received.data == b"fail":
                raise ZeroDivisionError("fail")
            return Frame(received.opcode, bytes(received.data)[::-1], received.fin)

        def encode(self, sent):
            return sent

    class Own(Protocol):
        seen = ()

        def recv_frame(self, received):
            self.seen += (bytes(received.data),)
            super().recv_frame(received)

    def make():
        protocol = Own(Side.SERVER)
        protocol.extensions = [Reverse(), deflate()]
        return protocol

    texts = (b"abc", b"def", b"", b"fail", b"ghi")
    wire = b"".join(frame(FIN | TEXT, text, masked=True) for text in texts)
    (steps, lines) = both(lambda: history(make, [wire]))
    assert [event[1]["data"] for event in steps[0]["events"]] == [b"cba", b"fed", b""]
    assert ("ERROR", "parser failed", True) in lines


@st.composite
def wires(draw):
    """Frames, most of them right, in an order that may be wrong, with a byte or two spoilt."""
    masked = draw(st.booleans())
    fins = st.sampled_from([FIN, FIN, FIN, 0])
    opcodes = st.sampled_from([CONT, TEXT, BINARY, CLOSE, PING, 10, 3])
    payloads = st.binary(max_size=12) | st.sampled_from([b"\x03\xe8", b"x" * 126, MIXED.encode()])
    heads = draw(st.lists(st.tuples(fins, opcodes, payloads), max_size=6))
    wire = b"".join(frame(fin | opcode, data, masked=masked) for fin, opcode, data in heads)
    wire = bytearray(wire)
    if wire:
        for place in draw(st.lists(st.integers(0, len(wire) - 1), max_size=1)):
            wire[place] ^= draw(st.integers(1, 255))
    places = sorted(draw(st.sets(st.integers(0, len(wire)), max_size=4)))
    pieces = [bytes(wire[a:b]) for a, b in zip([0, *places], [*places, len(wire)], strict=True)]
    return Side.SERVER if masked else Side.CLIENT, pieces


@settings(max_examples=50)
@given(st.lists(wires(), max_size=20), st.sampled_from([None, 0, 5, 130, 1 << 20]))
def test_a_protocol_takes_the_same_steps_whatever_comes(many, max_size):
    both(
        lambda: [
            history(lambda side=side: Protocol(side, max_size=max_size), pieces)
            for side, pieces in many
        ]
    )


REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def test_a_server_that_gets_frames_behind_the_request():
    frames = frame(FIN | TEXT, b"Hello", masked=True) * 2

    def early(cut):
        protocol = ServerProtocol()
        protocol.receive_data(REQUEST + frames[:cut])
        (request, *events) = protocol.events_received()
        steps = [[shown(event) for event in events]]
        protocol.send_response(protocol.accept(request))
        steps.append(state(protocol)["state"])
        protocol.receive_data(frames[cut:])
        steps.append(state(protocol)["events"])
        protocol.receive_eof()
        return steps, state(protocol)

    both(*(lambda cut=cut: early(cut) for cut in range(len(frames) + 1)))


def test_a_client_that_gets_frames_with_the_response():
    def joined():
        server = ServerProtocol()
        client = ClientProtocol(parse_uri("ws://example.com/"))
        with mock.object(client, "key", "AAAAAAAAAAAAAAAAAAAAAA=="):
            server.receive_data(REQUEST)
            (request,) = server.events_received()
            server.send_response(server.accept(request))
            server.send_text(MIXED.encode())
            server.send_ping(b"ping")
            client.receive_data(b"".join(server.data_to_send()))
            response, *events = client.events_received()
        assert response.status_code == 101
        return [shown(event) for event in events], client.data_to_send()

    assert len(both(joined)[0]) == 2


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
@pytest.mark.parametrize("extended", [False, True])
def test_a_protocol_writes_the_same(side, extended):
    sendings = [
        *(
            (method, data, *fin)
            for method, data in product(
                ("send_text", "send_binary"),
                (b"", b"Hello", b"x" * 125, b"x" * 126, b"x" * 65_536, bytearray(b"abc"),
                 memoryview(b"abc"), memoryview(b"abcdef")[::2], "text", None),
            )
            for fin in ((), (True,))
        ),
        ("send_continuation", b"a", True),
        ("send_text", b"one", False),
        ("send_text", b"not now"),
        ("send_continuation", b"two", False),
        ("send_ping", b"x" * 126),
        ("send_ping", b"ping"),
        ("send_pong", b"x" * 125),
        ("send_continuation", b"", True),
        ("send_close", 1005),
        ("send_close", None, "reason"),
        ("send_close", 1001, "schön"),
        ("send_text", b"too late"),
    ]  # fmt: skip

    def written():
        logs = Log()
        protocol = Protocol(side, logger=logs.logger)
        if extended:
            protocol.extensions = [deflate()]
        steps = []
        for method, *args in sendings:
            try:
                getattr(protocol, method)(*args)
            except Exception as exc:
                steps.append(error(exc))
            steps.append(protocol.data_to_send())
        return steps, logs.lines

    both(written)


@pytest.mark.parametrize("mask", [False, True])
def test_a_frame_is_written_the_same(mask):
    data = [b"", b"x" * 126, bytearray(b"abc"), b"x" * 65_536]
    flags = [(fin, *rsv) for fin in (True, False) for rsv in ((), (True,), (False, True))]

    def written():
        steps = []
        for opcode, payload, flag in product([*Opcode, 3, 1], data, flags):
            sent = Frame(opcode, payload, *flag)
            try:
                steps.append(sent.serialize(mask=mask))
            except Exception as exc:
                steps.append(error(exc))
        return steps

    both(written)


class Transport(asyncio.Transport):
    """A transport in memory, with room for ``room`` bytes."""

    def __init__(self, room=1 << 30):
        super().__init__()
        self.room = room
        self.written = []
        self.calls = []
        self.connection = None
        self.failure = None

    def write(self, data):
        if self.failure:
            raise self.failure
        self.written.append(bytes(data))
        if len(b"".join(self.written)) > self.room:
            self.connection.pause_writing()
            asyncio.get_running_loop().call_later(0.01, self.make_room)

    def make_room(self):
        self.calls.append("made room")
        self.room = 1 << 30
        self.connection.resume_writing()

    def abort(self):
        if "abort" not in self.calls:
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)
        self.calls.append("abort")

    def __getattr__(self, name):
        raise AssertionError(name)

    def is_closing(self):
        return False

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.calls.append("write_eof")

    def pause_reading(self):
        self.calls.append("pause_reading")

    def resume_reading(self):
        self.calls.append("resume_reading")

    def set_write_buffer_limits(self, *limits):
        pass


def on_asyncio(program, *, side=Side.SERVER, extensions=(), **options):
    """Run ``await program(connection, transport)``, unpatched and patched."""

    async def run():
        logs = Log()
        protocol = Protocol(side, logger=logs.logger, max_size=None)
        protocol.extensions = [extension() for extension in extensions]
        transport = Transport(options.get("room", 1 << 30))
        connection = Connection(protocol, ping_interval=None, close_timeout=None, max_queue=4)
        transport.connection = connection
        connection.connection_made(transport)
        result = await outcome(program(connection, transport))
        return result, transport.written, transport.calls, logs.lines

    def once():
        return asyncio.run(run())

    return both(once)


async def outcome(awaitable):
    try:
        result = await asyncio.wait_for(awaitable, 20)
    except Exception as exc:
        return error(exc)
    return type(result), result


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


async def turns():
    """Let the tasks go on until they wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)


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


def test_a_connection_pauses_and_resumes_reading():
    async def program(connection, transport):
        connection.data_received(frame(FIN | TEXT, b"x", masked=True) * 9)
        return [await connection.recv() for _ in range(9)]

    assert on_asyncio(program)[2] == ["pause_reading", "resume_reading"]


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


@pytest.mark.parametrize("name", STACKS)
def test_the_library_calls_what_is_patched(monkeypatch, peer, name):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = set()

    def spied(name):
        function = getattr(wsfast_websockets, name)

        def spy(*args, **options):
            calls.add(name)
            return function(*args, **options)

        spy.__name__ = name
        return spy

    for function in ("split_frames", "serialize_frame", "decode_utf8", "encode_utf8"):
        monkeypatch.setattr(wsfast_websockets, function, spied(function))
    url = f"ws://127.0.0.1:{int(peer('websockets-server').stdout.readline())}/"
    with patched(integration):
        if name == "asyncio":
            asyncio.run(echo_on_asyncio(url, [MIXED]))
        elif name == "trio":
            trio.run(echo_on_trio, url, [MIXED])
        else:
            echo_in_sync(url, [MIXED])
        seams = [seam for seam in integration.in_place() if f".{name}." in seam]
    assert len(seams) == 2
    assert calls == {"split_frames", "serialize_frame", "decode_utf8", "encode_utf8"}


async def echo_on_asyncio(url, messages, compression=None):
    from websockets.asyncio.client import connect

    async with connect(url, max_size=None, compression=compression) as connection:
        for message in messages:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(["frag", "ments: ", MIXED])
        assert await connection.recv() == "fragments: " + MIXED


async def echo_on_trio(url, messages, compression=None):
    from websockets.trio.client import connect

    async with connect(url, max_size=None, compression=compression) as connection:
        for message in messages:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(["frag", "ments: ", MIXED])
        assert await connection.recv() == "fragments: " + MIXED


def echo_in_sync(url, messages, compression=None):
    from websockets.sync.client import connect

    with connect(url, max_size=None, compression=compression) as connection:
        for message in messages:
            connection.send(message)
            assert connection.recv() == message
        connection.send(["frag", "ments: ", MIXED])
        assert connection.recv() == "fragments: " + MIXED


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_server_without_wsfast_agrees(peer, compression):
    url = f"ws://127.0.0.1:{int(peer('websockets-server').stdout.readline())}/"
    with patched(integration):
        asyncio.run(echo_on_asyncio(url, MESSAGES, compression))
        echo_in_sync(url, MESSAGES[:-1], compression)
        if "trio" in STACKS:
            trio.run(echo_on_trio, url, MESSAGES[:-1], compression)


@pytest.mark.parametrize("client", ["websockets-client", "websocket-client"])
def test_a_client_without_wsfast_agrees(peer, client):
    from websockets.asyncio.server import serve

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def main():
        async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
            process = peer(client, server.sockets[0].getsockname()[1])
            return await asyncio.to_thread(process.stdout.readline)

    with patched(integration):
        assert asyncio.run(main()) == "ok\n"


MODULES = {
    "websockets.protocol": ["Protocol"],
    "websockets.frames": ["Frame"],
}
for stack in STACKS:
    MODULES[f"websockets.{stack}.messages"] = ["Assembler"]
    MODULES[f"websockets.{stack}.connection"] = ["Connection"]


def test_unpatch_restores_the_very_objects():
    classes = [
        getattr(importlib.import_module(module), name)
        for module, names in MODULES.items()
        for name in names
    ]

    def owned():
        return [list(vars(each).items()) for each in classes]

    before = owned()
    with patched(integration):
        assert all(one != other for one, other in zip(owned(), before, strict=True))
    assert owned() == before


def test_replacements_are_of_the_same_kind_and_signature():
    originals = {seam: seam.find()[2] for seam in integration.seams if seam.module in sys.modules}
    with patched(integration):
        for seam, original in originals.items():
            replacement = seam.find()[2]
            assert inspect.signature(replacement) == inspect.signature(original)
            for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction):
                assert kind(replacement) == kind(original)


def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import websockets\n"
        "assert websockets.patch()\n"
        "assert 'websockets' not in sys.modules\n"
        "import websockets.asyncio.client\n"
        "from wsfast.integrations.websockets import integration\n"
        "assert len(integration.in_place()) == 4, integration.in_place()\n"
        "assert not {'websockets.sync.connection', 'websockets.legacy'} & sys.modules.keys()\n"
        "import websockets.sync.server\n"
        "assert len(integration.in_place()) == 6, integration.in_place()\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
