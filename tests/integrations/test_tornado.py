"""tornado, patched, against itself unpatched, and against peers without wsfast.

A protocol of either role is put on one end of a pair of sockets, and compared step by step over
every stream of ``streams.py``, however it is cut; then servers and clients over the loopback.
"""

import asyncio
import inspect
import logging
import re
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from itertools import product
from pathlib import Path
from unittest.mock import patch as mock

import pytest
import tornado.iostream
import tornado.test
import tornado.util
import tornado.web
import tornado.websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MESSAGES, MIXED
from streams import BINARY, CLOSE, CONT, FIN, PING, RSV1, TEXT, cuts, frame
from streams import streams as streams_of
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import bind_sockets
from tornado.websocket import (
    WebSocketClosedError,
    WebSocketHandler,
    WebSocketProtocol13,
    _WebSocketParams,
    websocket_connect,
)

from wsfast.integrations import tornado as wsfast_tornado
from wsfast.integrations.tornado import integration

streams = cache(streams_of)

CLIENT, SERVER = ROLES = [True, False]  # as in mask_outgoing


def role_name(client):
    return "client" if client else "server"


both_roles = pytest.mark.parametrize("client", ROLES, ids=role_name)


class Log(logging.Handler):
    """Remembers what tornado and asyncio log, and lets nobody else hear of it."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        exc_info = record.exc_info and record.exc_info[0]
        text = re.sub(r"0x[0-9a-f]+|Task-[0-9]+", "...", record.getMessage())
        self.lines.append((record.name, record.levelname, text, exc_info))

    def __enter__(self):
        self.loggers = [logging.getLogger(name) for name in ("tornado", "asyncio")]
        for logger in self.loggers:
            logger.addHandler(self)
            logger.propagate = False
        return self

    def __exit__(self, *exc_info):
        for logger in self.loggers:
            logger.removeHandler(self)
            logger.propagate = True


def both(*programs):
    """Run coroutine functions unpatched and patched, hold the results to each other, and return
    the last."""

    async def in_turn():
        return [await asyncio.wait_for(program(), 60) for program in programs]

    with mock("os.urandom", lambda size: (b"\x11\x22\x33\x44" * size)[:size]):
        with Log() as log:
            plain = asyncio.run(in_turn())
        with patched(integration), Log() as patched_log:
            assert asyncio.run(in_turn()) == plain
        assert patched_log.lines == log.lines
    return plain[-1]


def error(exc):
    if exc is None:
        return None
    context = exc.__context__
    return type(exc), str(exc), exc.args, context and (type(context), str(context))


async def outcome(awaitable):
    try:
        result = await asyncio.wait_for(awaitable, 20)
    except Exception as exc:
        return error(exc)
    return type(result), result


async def turns(count=3):
    """Let the tasks go on until they wait for something."""
    for _ in range(count):
        await asyncio.sleep(0)


class Handler:
    """What a protocol talks to; it remembers all that it is told."""

    def __init__(self):
        self.told = []

    def on_message(self, message):
        self.told.append((type(message), message))

    def on_ping(self, data):
        self.told.append(("ping", type(data), data))

    def on_pong(self, data):
        self.told.append(("pong", type(data), data))

    def on_ws_connection_close(self, code=None, reason=None):
        self.told.append(("closed", code, reason))

    def log_exception(self, kind, value, traceback):
        self.told.append(("logged", kind, str(value)))


class Rig:
    """A protocol that receives, and the other end of its stream."""

    def __init__(
        self,
        client,
        *,
        handler=None,
        protocol=WebSocketProtocol13,
        stream=IOStream,
        prepare=None,
        **options,
    ):
        own, self.peer = socket.socketpair()
        self.peer.setblocking(False)
        self.handler = handler or Handler()
        self.protocol = protocol(self.handler, client, _WebSocketParams(**options))
        self.stream = self.protocol.stream = stream(own)
        self.receiving = None
        if prepare:
            prepare(self.protocol)

    async def __aenter__(self):
        self.receiving = asyncio.ensure_future(self.protocol._receive_frame_loop())
        await turns()
        return self

    async def __aexit__(self, *exc_info):
        self.protocol._abort()
        self.receiving.cancel()
        await asyncio.gather(self.receiving, return_exceptions=True)
        if self.protocol._waiting is not None:
            self.stream.io_loop.remove_timeout(self.protocol._waiting)
        self.peer.close()

    def written(self):
        data = b""
        try:
            while piece := self.peer.recv(1 << 20):
                data += piece
        except OSError as exc:
            return data, type(exc)
        return data, "end"

    def state(self):
        """All that can be seen of it."""
        protocol, stream, receiving = self.protocol, self.stream, self.receiving
        failed = receiving.done() and not receiving.cancelled() and receiving.exception()
        return {
            "told": list(self.handler.told),
            "written": self.written(),
            "message bytes": (protocol._message_bytes_in, protocol._message_bytes_out),
            "wire bytes": (protocol._wire_bytes_in, protocol._wire_bytes_out),
            "close": (protocol.close_code, protocol.close_reason),
            "terminated": (protocol.client_terminated, protocol.server_terminated),
            "fragments": protocol._fragmented_message_buffer,
            "stream": (stream.closed(), stream.reading(), stream.writing(), stream._state),
            "unread": (bytes(stream._read_buffer), stream._read_buffer_size),
            "total": (stream._total_write_index, stream._total_write_done_index),
            "error": error(stream.error),
            "receiving": (receiving.done(), failed and error(failed)),
        }


async def history(client, pieces, *, end=True, **options):
    """What a protocol does with these pieces, step by step."""
    async with Rig(client, **options) as rig:
        steps = []
        for piece in pieces:
            try:
                sent = rig.peer.send(piece)
            except OSError:
                break
            assert sent == len(piece)
            await turns()
            steps.append(rig.state())
        if end:
            rig.peer.shutdown(socket.SHUT_WR)
            await turns(10)
            steps.append(rig.state())
        return steps


def histories(client, wires, **options):
    return [lambda pieces=pieces: history(client, pieces, **options) for pieces in wires]


@both_roles
@pytest.mark.parametrize("name", streams(True))
def test_receives_the_same(name, client):
    both(*histories(client, cuts(streams(not client)[name])))


@pytest.mark.parametrize("name", streams(True))
def test_takes_the_masks_of_the_wrong_role_the_same(name):
    both(*histories(CLIENT, [[streams(True)[name]]]), *histories(SERVER, [[streams(False)[name]]]))


def test_receives_the_same_at_the_end_of_a_cut_stream():
    wire = frame(FIN | TEXT, b"Hello", masked=True) + frame(FIN | BINARY, b"x" * 300, masked=True)
    both(*histories(SERVER, [pieces for size in range(30) for pieces in cuts(wire[:size])]))


@pytest.mark.parametrize("limit", [0, 1, 4, 5, 12, 100, 100.5, True, None])
@both_roles
def test_keeps_the_limit(client, limit):
    names = "texts", "fragments", "empty fragments", "ping in fragments", "binary", "lengths"
    pieces = [pieces for name in names for pieces in cuts(streams(not client)[name][:300])]
    both(*histories(client, pieces, max_message_size=limit))


def compressed(masked, takeover):
    """A stream of messages that are compressed, in one piece and in fragments, and of others."""
    options = {"persistent": takeover, "max_wbits": None}
    compressor = tornado.websocket._PerMessageDeflateCompressor(**options)

    def f(first, payload):
        return frame(first, payload, masked=masked)

    text, long, parts = (
        compressor.compress(data.encode()) for data in (MIXED * 3, MIXED * 300, "one, two, three")
    )
    return (
        f(FIN | RSV1 | TEXT, text)
        + f(FIN | RSV1 | TEXT, long)
        + f(RSV1 | TEXT, parts[:5])
        + f(CONT, parts[5:9])
        + f(FIN | CONT, parts[9:])
        + f(FIN | TEXT, b"plain")
        + f(FIN | RSV1 | BINARY, compressor.compress(b""))
        + f(RSV1 | TEXT, parts[:5])
        + f(FIN | PING, b"ping")
        + f(FIN | CONT, parts[5:])
    )


@pytest.mark.parametrize("limit", [20, 4_000, 1 << 20])
@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no takeover"])
@both_roles
def test_decompresses_the_same(client, takeover, limit):
    terms = (
        {} if takeover else {"server_no_context_takeover": None, "client_no_context_takeover": None}
    )

    def prepare(protocol):
        protocol._create_compressors("client" if client else "server", terms)

    good = compressed(not client, takeover)
    for wire in (
        good,
        good[: len(good) // 2],
        frame(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff", masked=not client),
        frame(FIN | RSV1 | PING, b"", masked=not client),
        frame(FIN | RSV1 | CLOSE, b"", masked=not client),
        frame(FIN | RSV1 | CONT, b"", masked=not client),
        frame(FIN | 0x60 | TEXT, b"", masked=not client),
    ):
        pieces = [[wire], [wire[i : i + 7] for i in range(0, len(wire), 7)]]
        both(*histories(client, pieces, prepare=prepare, max_message_size=limit))


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
    return not masked, [piece for piece in pieces if piece]


@settings(max_examples=50, deadline=None)
@given(wires())
def test_receives_the_same_of_anything(drawn):
    client, pieces = drawn
    both(*histories(client, [pieces], max_message_size=200))


@both_roles
def test_receives_16_mib(client):
    text = "🦊" * (1 << 22)
    wire = frame(FIN | TEXT, text.encode(), masked=False)
    wire = wire + frame(FIN | TEXT, b"after", masked=False)

    async def received():
        async with Rig(client, max_message_size=1 << 24) as rig:
            await asyncio.get_running_loop().sock_sendall(rig.peer, wire)
            while len(rig.handler.told) < 2:
                await asyncio.sleep(0)
            return list(rig.handler.told)

    assert both(received) == [(str, text), (str, "after")]


class Slow(Handler):
    """Handles one message at a time, when it is let."""

    def __init__(self):
        super().__init__()
        self.may_go = asyncio.Event()

    async def on_message(self, message):
        super().on_message(message)
        await self.may_go.wait()
        self.told.append("done")


@both_roles
@pytest.mark.parametrize("size", [0, 100, 40_000, 70_000])
def test_reads_no_further_while_a_message_is_handled(client, size):
    wire = frame(FIN | BINARY, b"x" * size, masked=not client)
    wire *= 300_000 // len(wire)

    async def program():
        async with Rig(client, handler=Slow()) as rig:
            sent, steps = 0, []
            for _ in range(20):
                with suppress(BlockingIOError):
                    sent += rig.peer.send(wire[sent:])
                await turns()
                unread = rig.stream._read_buffer_size
                steps.append((sent, unread, rig.stream._state, len(rig.handler.told)))
            rig.handler.may_go.set()
            await turns(10)
            return steps, sent, len(rig.handler.told)

    both(program)


def test_a_message_that_is_there_when_the_one_before_it_is_handled():
    class Prompting(Slow):
        def on_message(self, message):
            if message == "second":
                return super().on_message(message)
            self.told.append(message)
            rig.peer.send(frame(FIN | TEXT, b"second", masked=True))
            return None

    async def program():
        nonlocal rig
        async with Rig(SERVER, handler=Prompting()) as rig:
            wire = frame(FIN | TEXT, b"first" * 10, masked=True)
            steps = []
            for piece in wire[:20], wire[20:]:
                rig.peer.send(piece)
                await turns(10)
                steps.append(rig.state())
            return steps

    rig = None
    assert (str, "second") in both(program)[-1]["told"]


def test_a_stream_whose_end_is_called_back():
    async def program():
        handler = Slow()

        def prepare(protocol):
            protocol.stream.set_close_callback(lambda: handler.told.append("stream closed"))

        wire = frame(FIN | TEXT, b"Hello", masked=True)
        return await history(SERVER, [wire], handler=handler, prepare=prepare)

    assert "stream closed" in both(program)[-1]["told"]


class Failing(Handler):
    def on_message(self, message):
        super().on_message(message)
        if message == "raise":
            raise ZeroDivisionError("synchronously")
        if message == "await":
            return self.fail()
        if message == "cancel":
            raise asyncio.CancelledError
        if message == "wrong":
            return 3
        return None

    async def fail(self):
        await asyncio.sleep(0)
        raise ZeroDivisionError("asynchronously")


@pytest.mark.parametrize("message", ["raise", "await", "wrong", "cancel"])
@both_roles
def test_a_handler_that_fails(client, message):
    wire = b"".join(
        frame(FIN | TEXT, text, masked=not client) for text in (b"a", message.encode(), b"b")
    )

    async def program():
        return await history(client, [wire], handler=Failing())

    both(program)


class Closing(Handler):
    """Does something to its connection when it is told to."""

    protocol = None

    def on_message(self, message):
        super().on_message(message)
        if message == "close":
            self.protocol.close(4000, "enough")
        if message == "abort":
            self.protocol._abort()


@pytest.mark.parametrize("message", ["close", "abort"])
@both_roles
def test_a_handler_that_closes(client, message):
    wire = b"".join(
        frame(FIN | TEXT, text, masked=not client) for text in (b"a", message.encode(), b"b")
    ) + frame(FIN | CLOSE, b"\x03\xe8", masked=not client)

    async def program():
        handler = Closing()

        def prepare(protocol):
            handler.protocol = protocol

        return await history(client, [wire, wire], handler=handler, prepare=prepare)

    both(program)


def test_a_receiver_that_is_canceled():
    async def program():
        async with Rig(SERVER) as rig:
            rig.peer.send(frame(FIN | TEXT, b"Hello", masked=True)[:8])
            await turns()
            rig.receiving.cancel()
            await turns()
            return rig.receiving.cancelled(), rig.handler.told

    both(program)


def test_a_peer_that_resets():
    async def program():
        listener = socket.create_server(("127.0.0.1", 0))
        peer = socket.create_connection(listener.getsockname())
        own, _ = listener.accept()
        listener.close()
        handler = Handler()
        protocol = WebSocketProtocol13(handler, False, _WebSocketParams())
        protocol.stream = IOStream(own)
        receiving = asyncio.ensure_future(protocol._receive_frame_loop())
        peer.send(frame(FIN | TEXT, b"Hello", masked=True)[:8])
        await turns()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.close()
        await asyncio.wait([receiving])
        return handler.told, error(protocol.stream.error), protocol._wire_bytes_in

    both(program)


def test_overridden_methods_are_called():
    class Protocol(WebSocketProtocol13):
        async def _read_bytes(self, n):
            self.handler.told.append(("read", n))
            return await super()._read_bytes(n)

        def _handle_message(self, opcode, data):
            self.handler.told.append(("handle", opcode))
            return super()._handle_message(opcode, data)

        def _run_callback(self, callback, *args, **kwargs):
            self.handler.told.append(("run", callback.__name__))
            return super()._run_callback(callback, *args, **kwargs)

        def _write_frame(self, fin, opcode, data, flags=0):
            self.handler.told.append(("write", opcode, data))
            return super()._write_frame(fin, opcode, data, flags)

    class Stream(IOStream):
        def read_bytes(self, num_bytes, partial=False):
            told.append(("stream reads", num_bytes))
            return super().read_bytes(num_bytes, partial)

        def write(self, data):
            told.append(("stream writes", data))
            return super().write(data)

    async def program(**options):
        told.clear()
        async with Rig(SERVER, **options) as rig:
            rig.peer.send(streams(True)["texts"] + frame(FIN | PING, b"p", masked=True))
            await turns()
            rig.protocol.write_message("Hello")
            await turns()
            return rig.state(), list(told)

    told = []
    assert ("read", 4) in both(lambda: program(protocol=Protocol))[0]["told"]
    assert ("stream reads", 4) in both(lambda: program(stream=Stream))[1]


@pytest.mark.parametrize("name", ["_read_bytes", "_write_frame", "read_bytes", "write"])
def test_methods_overridden_on_an_instance_are_called(name):
    async def program():
        def prepare(protocol):
            owner = protocol if name.startswith("_") else protocol.stream
            method = getattr(owner, name)

            def spy(*args, **kwargs):
                protocol.handler.told.append((name, args))
                return method(*args, **kwargs)

            setattr(owner, name, spy)

        class Answering(Handler):
            def on_message(self, message):
                super().on_message(message)
                rig.protocol.write_message(message)

        async with Rig(SERVER, handler=Answering(), prepare=prepare) as rig:
            rig.peer.send(streams(True)["texts"])
            await turns()
            return rig.state()

    assert name in {each[0] for each in both(program)["told"]}


TO_SEND = [
    *("", "Hello", MIXED, "é" * 62, "é" * 63, "x" * 125, "x" * 126, "x" * 65_535, "x" * 65_536),
    *(MIXED * 2_000, "\ud800", b"", b"Hello", b"\xff" * 126, b"x" * 70_000),
    *({"a": MIXED}, {}, bytearray(b"abc"), memoryview(b"abc"), None, 3, ["a"]),
]


class Text(str):
    """A text that encodes itself in its own way."""

    def encode(self, *args):
        return b"encoded"


@pytest.mark.parametrize("terms", [None, {}], ids=["plain", "compressed"])
@both_roles
def test_sends_the_same(client, terms):
    async def program():
        async with Rig(client) as rig:
            if terms is not None:
                rig.protocol._create_compressors("client" if client else "server", terms)
            results = []
            for message, binary in product([*TO_SEND, Text("text")], (False, True, "yes")):
                try:
                    sending = rig.protocol.write_message(message, binary)
                except Exception as exc:
                    results.append(error(exc))
                    continue
                assert isinstance(sending, asyncio.Future)
                results.append(sending.done())
                results.append(await outcome(sending))
                results.append(rig.state())
            return results

    both(program)


@both_roles
def test_what_is_written_is_done_a_turn_later(client):
    async def program():
        async with Rig(client) as rig:
            events = []
            sending = rig.protocol.write_message("Hello")
            sending.add_done_callback(lambda future: events.append("called back"))
            for turn in range(4):
                events.append((turn, sending.done()))
                await asyncio.sleep(0)
            again = rig.protocol.write_message("Hello", binary=True)
            assert again.cancel()
            await turns()
            return events, again.cancelled()

    both(program)


@both_roles
def test_writing_waits_for_room(client):
    async def program():
        async with Rig(client) as rig:
            steps = []
            sending = [rig.protocol.write_message("x" * size) for size in (1_000_000, 5, 3_000_000)]
            steps.append(rig.written())
            sending.append(rig.protocol.write_message("not past what waits"))
            for _ in range(40):
                await turns()
                steps.append(([each.done() for each in sending], rig.state()))
            assert all(done for done, _ in steps[-1:])
            return steps

    both(program)


@both_roles
def test_writing_is_failed_by_the_end_of_the_stream(client):
    async def program():
        async with Rig(client) as rig:
            sending = [rig.protocol.write_message("x" * size) for size in (5, 1_000_000, 5)]
            await turns()
            rig.protocol._abort()
            results = [await outcome(each) for each in sending]
            try:
                rig.protocol.write_message("too late")
            except WebSocketClosedError as exc:
                results.append(error(exc))
            results.append(rig.protocol._wire_bytes_out)
            return results

    failed, late = both(program)[1:3], both(program)[-2]
    assert failed[0][0] is failed[1][0] is late[0] is WebSocketClosedError


@pytest.mark.parametrize(
    "answer", [0, 3, BlockingIOError(), ConnectionResetError(104, "reset"), OSError(5, "broken"),
               ValueError("odd")], ids=repr,
)  # fmt: skip
@both_roles
def test_writing_that_the_socket_refuses(client, answer):
    async def program():
        async with Rig(client) as rig:
            write_to_fd = IOStream.write_to_fd
            answers = [answer]

            def answering(stream, data):
                if not answers:
                    return write_to_fd(stream, data)
                given = answers.pop()
                if isinstance(given, Exception):
                    raise given
                return write_to_fd(stream, data[:given]) if given else 0

            with mock.object(IOStream, "write_to_fd", answering):
                try:
                    sending = rig.protocol.write_message(MIXED * 50)
                except ValueError as exc:
                    return error(exc)
                await turns()
                result = await outcome(sending)
                return result, rig.state(), "write_to_fd" in vars(rig.stream)

    both(program)


@both_roles
def test_a_stream_that_writes_in_its_own_way_does(client):
    async def program():
        async with Rig(client) as rig:
            written, write_to_fd = [], rig.stream.write_to_fd

            def writing(data):
                written.append(bytes(data))
                return write_to_fd(data[:3])

            rig.stream.write_to_fd = writing
            for message in ("Hello", MIXED):
                await rig.protocol.write_message(message)
            return written, rig.stream.write_to_fd is writing, rig.state()

    assert both(program)[1]


@both_roles
def test_on_windows_no_more_is_written_at_once_than_the_stream_would(client):
    async def program():
        async with Rig(client) as rig:
            sizes, write_to_fd = [], IOStream.write_to_fd

            def writing(stream, data):
                sizes.append(len(data))
                return write_to_fd(stream, data)

            with mock.object(IOStream, "write_to_fd", writing):
                sending = rig.protocol.write_message("x" * 1_000_000)
            rig.protocol._abort()
            return await outcome(sending), sizes, rig.protocol._wire_bytes_out

    with mock.object(tornado.iostream, "_WINDOWS", True):
        assert max(both(program)[1]) == 128 * 1024


def test_writing_is_limited():
    async def program():
        async with Rig(SERVER) as rig:
            rig.stream.max_write_buffer_size = 100
            with pytest.raises(tornado.iostream.StreamBufferFullError) as failed:
                rig.protocol.write_message("x" * 101)
            return error(failed.value), rig.state()

    both(program)


def test_writing_with_a_task_factory():
    async def program():
        loop = asyncio.get_running_loop()
        made = []

        def factory(loop, coroutine, **options):
            made.append(coroutine.__name__)
            return asyncio.Task(coroutine, loop=loop, **options)

        async with Rig(SERVER) as rig:
            loop.set_task_factory(factory)
            await rig.protocol.write_message("Hello")
            loop.set_task_factory(None)
            return made, rig.state()

    assert both(program)[0] == ["wrapper"]


MASKS = [b"\x11\x22\x33\x44", b"", b"\x11", b"\x11" * 5, "\x11\x22\x33\x44", "\x11\x22é",
         bytearray(b"\x11\x22\x33\x44"), memoryview(b"\x11\x22\x33\x44"), None, 3]  # fmt: skip
DATA = [b"", b"Hello", b"x" * 5_000, "", "Hello", "é", "\ud800", bytearray(b"Hello"),
        memoryview(b"Hello"), None, 3]  # fmt: skip


@contextmanager
def without_extension():
    """The library as it is with TORNADO_EXTENSION=0."""
    function = tornado.util._websocket_mask_python
    with (
        mock.object(tornado.util, "_websocket_mask", function),
        mock.object(tornado.web, "_websocket_mask", function),
        mock.object(tornado.websocket, "_websocket_mask", function),
    ):
        yield


def masked_by(module):
    """What comes of every call, right and wrong."""
    mask = module._websocket_mask
    calls = [((key, data), {}) for key, data in product(MASKS, DATA)]
    calls += [((), {"mask": MASKS[0], "data": b"Hello"}), ((MASKS[0],), {"data": b"Hello"}),
              ((MASKS[0],), {}), ((), {}), ((MASKS[0], b"Hello", 1), {})]  # fmt: skip
    results = []
    for args, kwargs in calls:
        try:
            result = mask(*args, **kwargs)
        except Exception as exc:
            results.append(error(exc))
        else:
            results.append((type(result), result))
    return results


@pytest.mark.parametrize("extension", [True, False], ids=["in C", "in Python"])
@pytest.mark.parametrize(
    "module", [tornado.util, tornado.web, tornado.websocket], ids=lambda module: module.__name__
)
def test_masks_the_same(module, extension):
    with nullcontext() if extension else without_extension():
        plain = masked_by(module)
        with patched(integration):
            assert masked_by(module) == plain
    assert (bytes, b"") in plain


def test_masks_the_same_data():
    plain = tornado.util._websocket_mask

    @settings(max_examples=100)
    @given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
    def masks_the_same(data, key):
        assert tornado.util._websocket_mask(key, data) == plain(key, data)

    with patched(integration):
        assert tornado.util._websocket_mask is not plain
        masks_the_same()


class Echo(WebSocketHandler):
    options = None
    seen = ()

    def get_compression_options(self):
        return self.options

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


class AsyncEcho(Echo):
    async def on_message(self, message):
        await asyncio.sleep(0)
        await self.write_message(message, binary=isinstance(message, bytes))


class CompressedEcho(AsyncEcho):
    options = {}  # noqa: RUF012


HANDLERS = [("/echo", Echo), ("/async", AsyncEcho), ("/deflate", CompressedEcho)]
PATHS = [path for path, _ in HANDLERS]

FILES = Path(tornado.test.__file__).parent


@contextmanager
def serving(*, tls=False, handlers=HANDLERS, **settings):
    """A server; the URL is without the path."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(FILES / "test.crt", FILES / "test.key")
    app = tornado.web.Application(handlers, websocket_max_message_size=1 << 25, **settings)
    server = HTTPServer(app, ssl_options=context)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        server.stop()


def request_of(url):
    return tornado.httpclient.HTTPRequest(url, validate_cert=False)


async def echoes(url, messages, **options):
    connection = await websocket_connect(request_of(url), max_message_size=1 << 25, **options)
    results = []
    for message in messages:
        await connection.write_message(message, binary=isinstance(message, bytes))
        results.append(await connection.read_message())
    connection.close(1000, "done")
    results.append(await connection.read_message())
    return results, connection.close_code, connection.close_reason


@pytest.mark.parametrize(
    ("path", "tls"), [*((path, False) for path in PATHS), ("/async", True)], ids=str
)
def test_a_server_and_a_client_echo_the_same(path, tls):
    async def program():
        options = {"compression_options": {}} if path == "/deflate" else {}
        with serving(tls=tls) as url:
            return await echoes(url + path, MESSAGES[:-1], **options)

    assert both(program) == ([*MESSAGES[:-1], None], 1000, None)


def test_many_messages_in_flight_are_echoed_in_order():
    messages = [f"{i} {MIXED}" for i in range(1_000)]

    async def program():
        received = []
        for path in PATHS:
            with serving() as url:
                done = asyncio.Event()
                count = len(received) + len(messages)

                def on_message(message, done=done, count=count):
                    if message is not None:
                        received.append(message)
                    if len(received) == count:
                        done.set()

                connection = await websocket_connect(url + path, on_message_callback=on_message)
                for message in messages:
                    connection.write_message(message)
                await done.wait()
                connection.close()
                await turns()
        return received

    assert both(program) == messages * len(PATHS)


def test_pings_go_on_by_themselves():
    async def program():
        with serving(websocket_ping_interval=0.01) as url:
            connection = await websocket_connect(url + "/echo")
            pings = []
            three = asyncio.Event()

            def on_ping(data):
                pings.append(data)
                if len(pings) == 3:
                    three.set()

            connection.on_ping = on_ping
            await three.wait()
            await connection.write_message("still here")
            result = await connection.read_message()
            connection.close()
            await connection.read_message()
            return result, pings[:3]

    assert both(program) == ("still here", [b""] * 3)


def test_xsrf_tokens_are_masked_and_unmasked():
    class Form(tornado.web.RequestHandler):
        def get(self):
            self.write(self.xsrf_token)

        def post(self):
            self.write("accepted")

    async def program():
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        with serving(handlers=[("/", Form)], xsrf_cookies=True) as url:
            url = url.replace("ws", "http") + "/"
            response = await client.fetch(url)
            token = response.body.decode()
            answers = []
            for sent in (token, "2|11223344|00112233|1"):
                answer = await client.fetch(
                    url,
                    method="POST",
                    body=f"_xsrf={sent}".replace("|", "%7C"),
                    headers={"Cookie": response.headers["Set-Cookie"].partition(";")[0]},
                    raise_error=False,
                )
                answers.append((answer.code, answer.body == b"accepted"))
        client.close()
        return answers

    with mock("time.time", return_value=1_700_000_000.0):
        assert both(program) == [(200, True), (403, False)]


def test_a_server_without_wsfast_agrees(peer):
    url = f"ws://127.0.0.1:{int(peer('websockets-server').stdout.readline())}/"
    with patched(integration):
        for messages, options in ((MESSAGES, {}), (MESSAGES[:-1], {"compression_options": {}})):
            received, *_ = asyncio.run(echoes(url, messages, **options))
            assert received == [*messages, None]


@pytest.mark.parametrize(
    ("path", "client", "extension"),
    [
        ("/echo", "websockets-client", True),
        ("/async", "websockets-client", False),
        ("/deflate", "websockets-client", True),
        ("/echo", "websocket-client", False),
    ],
)
def test_a_client_without_wsfast_agrees(peer, path, client, extension):
    async def main():
        with serving(handlers=[("/", dict(HANDLERS)[path])]) as url:
            process = peer(client, url.rpartition(":")[2])
            return await asyncio.to_thread(process.stdout.readline)

    with nullcontext() if extension else without_extension(), patched(integration):
        assert asyncio.run(main()) == "ok\n"


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = set()

    def spied(name):
        function = getattr(wsfast_tornado, name)

        def spy(*args, **options):
            calls.add(name)
            return function(*args, **options)

        spy.__name__ = name
        return spy

    for name in ("apply_mask", "decode_utf8", "serialize_frame"):
        monkeypatch.setattr(wsfast_tornado, name, spied(name))

    async def program():
        with serving() as url:
            return await echoes(url + "/echo", [MIXED])

    originals = {seam: seam.find()[2] for seam in integration.seams}
    with patched(integration):
        called = trace_of(lambda: asyncio.run(program()))
        assert len(integration.in_place()) == len(integration.seams)
    assert calls == {"apply_mask", "decode_utf8", "serialize_frame"}
    for seam, original in originals.items():
        if seam.attribute.endswith("_message"):
            assert original.__code__ not in called, seam


def trace_of(program):
    """Run it, and say which functions in Python were called."""
    called = set()
    sys.setprofile(lambda frame, event, arg: called.add(frame.f_code))
    try:
        program()
    finally:
        sys.setprofile(None)
    return called


def test_unpatch_restores_the_very_objects():
    def owned():
        modules = tornado.util, tornado.web, tornado.websocket
        return [
            *(module._websocket_mask for module in modules),
            *vars(WebSocketProtocol13).items(),
            *vars(SSLIOStream).items(),
            *vars(IOStream).items(),
        ]

    before = owned()
    with patched(integration):
        assert sum(one is not other for one, other in zip(owned(), before, strict=True)) >= 6
    assert owned() == before


def test_a_connection_outlives_patch_and_unpatch():
    async def main():
        with serving() as url:
            connection = await websocket_connect(url + "/echo")
            for _ in range(3):
                with patched(integration):
                    connection.write_message(MIXED)
                    assert await connection.read_message() == MIXED
                connection.write_message(MIXED)
                assert await connection.read_message() == MIXED
            connection.close()
            assert await connection.read_message() is None

    asyncio.run(main())


def test_the_replacements_are_of_the_same_kind_and_signature():
    originals = {seam: seam.find()[2] for seam in integration.seams if "Protocol" in str(seam)}
    with patched(integration):
        for seam, original in originals.items():
            replacement = seam.find()[2]
            assert inspect.signature(replacement) == inspect.signature(original)
            assert inspect.iscoroutinefunction(replacement) == inspect.iscoroutinefunction(original)


def test_a_library_of_other_methods_is_refused(monkeypatch):
    """What a replacement passes by has to be known, too."""

    async def _read_bytes(self, n):
        return b""

    monkeypatch.setattr(WebSocketProtocol13, "_read_bytes", _read_bytes)
    with pytest.warns(RuntimeWarning, match="WebSocketProtocol13._read_bytes is not what wsfast"):
        assert not integration.patch()
    assert not integration.in_place()


def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import tornado as wsfast_tornado\n"
        "assert wsfast_tornado.patch()\n"
        "assert 'tornado' not in sys.modules\n"
        "import tornado.web\n"
        "assert len(wsfast_tornado.integration.in_place()) == 2\n"
        "import tornado.websocket\n"
        "assert len(wsfast_tornado.integration.in_place()) == 6\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_streams_reach_every_kind_of_end():
    """The corpus above is worth something: it ends in all the ways there are."""

    async def ends():
        found = set()
        for wire in streams(True).values():
            steps = await history(SERVER, [wire])
            (last, *_), close = (steps[-1]["told"] or [("nothing",)])[-1], steps[-1]["close"]
            found.add((last, close[0], steps[-1]["stream"][0]))
        return found

    with Log():
        found = asyncio.run(ends())
    assert {("closed", None, True), ("closed", 1000, True)} <= found
