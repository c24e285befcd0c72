"""aiohttp, patched, against itself unpatched, and against peers without wsfast.

The reader and its queue are compared step by step over every stream of ``streams.py``, however it
is cut, both where aiohttp is compiled and where it is Python; responses and clients over sockets.
"""

import asyncio
import inspect
import os
import random
import subprocess
import sys
import zlib
from collections import Counter
from contextlib import asynccontextmanager
from functools import wraps
from itertools import product
from types import ModuleType

import aiohttp
import pytest
from aiohttp import web
from aiohttp._websocket import reader as library
from aiohttp._websocket import reader_py
from aiohttp._websocket.writer import WebSocketWriter
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MESSAGES, MIXED
from streams import BINARY, CLOSE, CONT, FIN, PING, PONG, RSV1, TEXT, cuts, frame, streams

from wsfast.integrations import _aiohttp_reader
from wsfast.integrations import aiohttp as wsfast_aiohttp
from wsfast.integrations._aiohttp_reader import queue_of, reader_of
from wsfast.integrations.aiohttp import integration

LIMIT = 1 << 16
ORIGINALS = {
    "compiled": (library.WebSocketReader, library.WebSocketDataQueue),
    "Python": (reader_py.WebSocketReader, reader_py.WebSocketDataQueue),
}
OWN = {
    name: (reader_of(reader, None), queue_of(queue, None))
    for name, (reader, queue) in ORIGINALS.items()
}
DEFAULTS = {"max_msg_size": 1 << 20, "compress": False}
# Texts as bytes: from 3.14 on.
AS_BYTES = "decode_text" in inspect.signature(reader_py.WebSocketReader).parameters
if AS_BYTES:
    DEFAULTS["decode_text"] = True


class Protocol:
    """What a queue asks of a protocol, and a record of it."""

    def __init__(self):
        self._reading_paused = False
        self.calls = []

    def pause_reading(self):
        self._reading_paused = True
        self.calls.append("pause")

    def resume_reading(self):
        self._reading_paused = False
        self.calls.append("resume")


def error(exc):
    return exc and (type(exc), str(exc), exc.args, error(exc.__cause__))


def shown(message):
    parts = [error(part) if isinstance(part, Exception) else part for part in message]
    return type(message), parts, [type(part) for part in message]


def size_of(queue):
    """Look at what a queue counts, if the compiled one shows it, which it does from 3.14.4 on."""
    return queue._size if hasattr(library.WebSocketDataQueue, "_size") else None


def read(queue):
    """Read one message, or what is raised; None if there is nothing to read yet."""
    if not queue._buffer and not queue.is_eof():
        return None
    try:
        queue.read().send(None)
    except StopIteration as exc:
        return shown(exc.value)
    except Exception as exc:
        return error(exc)


def history(classes, pieces, *, reads=None, limit=LIMIT, **options):
    """What a reader and its queue do with these pieces, step by step.

    Args:
        reads: how many messages are read after each piece; at the end, all are.
    """
    reader_class, queue_class = classes
    options = DEFAULTS | options
    protocol = Protocol()
    queue = queue_class(protocol, limit, loop=None)
    try:
        reader = reader_class(queue, **options)
    except Exception as exc:
        return error(exc)
    steps = []
    for piece in pieces:
        steps.append(reader.feed_data(piece))
        steps += [read(queue) for _ in range(reads or 0)]
        steps.append((len(queue._buffer), size_of(queue), error(queue.exception()), queue.is_eof()))
        steps.append((protocol._reading_paused, getattr(queue, "_stalled_reader", None) is None))
    while (step := read(queue)) and (not steps or step != steps[-1]):
        steps.append(step)
    steps.append((size_of(queue), protocol.calls, getattr(queue, "_stalled_reader", None) is None))
    reader.feed_eof()
    return [*steps, read(queue)]


def same(pieces, **options):
    """Hold the readers on wsfast to those of the library, and return what all do."""
    pieces = list(pieces)
    for kind, classes in ORIGINALS.items():
        plain = history(classes, pieces, **options)
        assert history(OWN[kind], pieces, **options) == plain
    return plain


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("name", streams(True))
def test_a_reader_takes_the_same_steps(name, masked):
    wire = streams(masked)[name]
    for pieces in cuts(wire):
        same(pieces)
        same(pieces, compress=True)
    if AS_BYTES:
        same([wire], decode_text=False)
    same([wire], reads=1)
    same([bytearray(wire)])
    same([memoryview(wire)])


@pytest.mark.parametrize("max_msg_size", [0, 1, 2, 5, 6, 100, 130, 70_000])
def test_a_reader_keeps_its_limits(max_msg_size):
    names = ("texts", "fragments", "empty fragments", "ping in fragments", "binary", "lengths")
    for name in (*names, "ping", "length with the top bit", "length in 8 bytes, of 5"):
        for masked in (True, False):
            wire = streams(masked)[name][:1_000]
            for pieces in cuts(wire):
                same(pieces, max_msg_size=max_msg_size)


@pytest.mark.parametrize("max_msg_size", [-1, 1 << 32, 1.5, 100.0, True, None, "1"])
def test_a_reader_takes_the_same_limits(max_msg_size):
    wire = streams(True)["texts"] * 3
    for kind, classes in ORIGINALS.items():
        plain = history(classes, [wire], max_msg_size=max_msg_size)
        assert history(OWN[kind], [wire], max_msg_size=max_msg_size) == plain


def compressed(masked, *messages, taken_over=True):
    """Compress messages; each is given as its fragments, and may be followed by bare frames."""
    deflater = zlib.compressobj(wbits=-15)
    wire = b""
    for fragments in messages:
        if isinstance(fragments, bytes):
            wire += fragments
            continue
        first = TEXT | RSV1
        for i, fragment in enumerate(fragments):
            last = i == len(fragments) - 1
            data = deflater.compress(fragment) + deflater.flush(zlib.Z_SYNC_FLUSH)
            data = data.removesuffix(b"\x00\x00\xff\xff") if last else data
            wire += frame((FIN if last else 0) | first, data, masked=masked)
            first = CONT
        if not taken_over:
            deflater = zlib.compressobj(wbits=-15)
    return wire


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("max_msg_size", [0, 30, 4_000, 1 << 20])
def test_a_reader_decompresses(masked, max_msg_size):
    text = MIXED.encode()
    bare = frame(FIN | TEXT, b"bare", masked=masked)
    ping = frame(FIN | PING, b"ping", masked=masked)
    for wire in (
        compressed(masked, [text], [text * 300], bare, [b""], [text[:7], text[7:20], text[20:]]),
        compressed(masked, [text], [text], taken_over=False),
        compressed(masked, [text], ping, [b"\xff"], [text]),
        compressed(masked, [b"a" * 1_000_000], [text]),
        compressed(masked, [text]) + frame(FIN | TEXT | RSV1, b"\xff\xff\xff", masked=masked),
        frame(FIN | BINARY | RSV1, b"", masked=masked) + bare,
        frame(TEXT | RSV1, b"", masked=masked) + ping + frame(FIN | CONT | RSV1, masked=masked),
        frame(FIN | PING | RSV1, b"p", masked=masked) + bare,
        frame(TEXT, b"a", masked=masked) + frame(FIN | CONT | RSV1, b"b", masked=masked) + bare,
        frame(FIN | CLOSE | RSV1, b"", masked=masked),
    ):
        for pieces in ([wire], [wire[i : i + 7] for i in range(0, len(wire), 7)][:2_000]):
            same(pieces, compress=True, max_msg_size=max_msg_size)


@pytest.mark.parametrize("reads", [0, 1, 3])
@pytest.mark.parametrize("limit", [0, 1, 130, 5_000])
def test_a_reader_stops_where_the_library_stops(limit, reads):
    for masked in (True, False):
        small = frame(FIN | TEXT, b"Hello", masked=masked) * 40
        mixed = frame(FIN | PING, b"p", masked=masked) * 3 + frame(FIN | BINARY, b"", masked=masked)
        large = frame(FIN | BINARY, b"x" * 9_000, masked=masked) + small
        parts = frame(TEXT, b"a", masked=masked) + frame(FIN | CONT, b"b", masked=masked)
        wire = (small + mixed + large + parts * 20 + b"\x81") * 2
        for size in (1, 100, 4_095, 5_000, len(wire)):
            if len(wire) // size < 1_000:
                pieces = [wire[i : i + size] for i in range(0, len(wire), size)]
                same(pieces, limit=limit, reads=reads)


@st.composite
def wires(draw):
    """Frames, most of them right, in an order that may be wrong, with a byte or two spoilt."""
    fins = st.sampled_from([FIN, FIN, FIN, 0, FIN | RSV1])
    opcodes = st.sampled_from([CONT, TEXT, BINARY, TEXT, BINARY, CLOSE, PING, PONG, 3])
    payloads = st.binary(max_size=12) | st.sampled_from([b"\x03\xe8", b"x" * 126, MIXED.encode()])
    heads = st.tuples(fins, opcodes, payloads, st.sampled_from([True, True, True, False]))
    frames = draw(st.lists(heads, max_size=8))
    wire = bytearray().join(
        frame(fin | opcode, data, masked=masked) for fin, opcode, data, masked in frames
    )
    if wire:
        for place in draw(st.lists(st.integers(0, len(wire) - 1), max_size=1)):
            wire[place] ^= draw(st.integers(1, 255))
    places = sorted(draw(st.sets(st.integers(0, len(wire)), max_size=4)))
    return [bytes(wire[a:b]) for a, b in zip([0, *places], [*places, len(wire)], strict=True)]


@settings(max_examples=40)
@given(
    st.lists(wires(), max_size=12),
    st.sampled_from([0, 5, 130, 1 << 20]),
    st.booleans(),
    st.sampled_from([0, 100, LIMIT]),
    st.integers(0, 2),
)
def test_a_reader_takes_the_same_steps_whatever_comes(many, max_msg_size, compress, limit, reads):
    for pieces in many:
        same(pieces, max_msg_size=max_msg_size, compress=compress, limit=limit, reads=reads)


def test_a_read_that_waits_is_woken_by_the_read_that_brings_a_message():
    async def woken(classes, pieces):
        reader_class, queue_class = classes
        queue = queue_class(Protocol(), LIMIT, loop=asyncio.get_running_loop())
        reader = reader_class(queue, **DEFAULTS)
        reading = asyncio.ensure_future(queue.read())
        await asyncio.sleep(0)
        for piece in pieces:
            reader.feed_data(piece)
        (result,) = await asyncio.gather(reading, return_exceptions=True)
        return error(result) if isinstance(result, Exception) else shown(result), len(queue._buffer)

    hello = frame(FIN | TEXT, b"Hello", masked=True)
    bad = frame(FIN | TEXT, b"\xff", masked=True)
    for pieces in ([hello], [hello[:5], hello[5:]], [hello * 2, bad], [hello + bad], [hello, bad]):
        for kind, classes in ORIGINALS.items():
            plain = asyncio.run(woken(classes, pieces))
            assert asyncio.run(woken(OWN[kind], pieces)) == plain


def test_a_read_can_be_cancelled_and_begun_again():
    async def twice(classes):
        reader_class, queue_class = classes
        queue = queue_class(Protocol(), LIMIT, loop=asyncio.get_running_loop())
        reader = reader_class(queue, **DEFAULTS)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(queue.read(), 0.001)
        reading = asyncio.ensure_future(queue.read())
        await asyncio.sleep(0)
        reader.feed_data(frame(FIN | TEXT, b"Hello", masked=True))
        return shown(await reading)

    for kind, classes in ORIGINALS.items():
        assert asyncio.run(twice(OWN[kind])) == asyncio.run(twice(classes))


class Transport:
    """Records what is written, or is closing."""

    def __init__(self, closing=False):
        self.written = b""
        self.closing = closing

    def is_closing(self):
        return self.closing

    def write(self, data):
        self.written += data


class Writing:
    """What a writer asks of a protocol."""

    def __init__(self, paused):
        self._paused = paused
        self.drained = 0

    async def _drain_helper(self):
        self.drained += 1


SENDINGS = [
    *(("send_str", text) for text in ("", "Hello", MIXED, "x" * 125, "x" * 126, MIXED * 4_000)),
    *(("send_bytes", data) for data in (b"", b"x" * 125, b"x" * 126, b"x" * 65_535, b"x" * 65_536)),
    ("send_bytes", b"x" * (1 << 14)),
    ("send_bytes", b"x" * ((1 << 18) + 1)),
    ("send_bytes", bytearray(b"abc")),
    ("send_bytes", memoryview(b"abc")),
    ("send_bytes", memoryview(b"abcdef")[::2]),
    ("send_bytes", "text"),
    ("send_json", {"text": MIXED}),
    ("send_frame", b"x", aiohttp.WSMsgType.BINARY),
    ("send_frame", b"x", 1),
    ("send_frame", b"x", 3),
    ("send_str", MIXED, 15),
    ("send_bytes", b"x" * 20_000, 9),
    ("ping", b"p"),
    ("ping", b"x" * 126),
    ("pong",),
    ("send_str", "after all"),
    *(("send_str", wrong) for wrong in (b"bytes", None, 3)),
    # Last: one that fails may use up a masking key.
    ("send_str", "a\udfff"),
]


class Text(str):
    """A str of its own kind."""


def response(kind, writer):
    """Make a response or a client around a writer, past the handshake."""
    if kind == "server":
        made = web.WebSocketResponse()
        made._writer = writer
        return made
    made = object.__new__(aiohttp.ClientWebSocketResponse)
    made._writer = writer
    return made


@pytest.mark.parametrize("kind", ["server", "client"])
@pytest.mark.parametrize("options", [{}, {"compress": 15}, {"compress": 9, "notakeover": True}])
@pytest.mark.parametrize("paused", [False, True])
def test_sends_the_same(kind, options, paused):
    async def sent(closing, closed):
        protocol, transport = Writing(paused), Transport(closing)
        writer = WebSocketWriter(
            protocol,
            transport,
            use_mask=kind == "client",
            limit=100,
            random=random.Random(3),
            **options,
        )
        writer._closing = closed
        connection = response(kind, writer)
        steps = []
        for method, *args in [("send_str", Text("own")), *SENDINGS]:
            try:
                steps.append(await getattr(connection, method)(*args))
            except Exception as exc:
                steps.append(error(exc))
            steps.append((transport.written, writer._output_size, protocol.drained))
            transport.written = b""
        return steps

    for state in product([False, True], repeat=2):
        plain = asyncio.run(sent(*state))
        with patched(integration):
            assert asyncio.run(sent(*state)) == plain


def test_a_response_that_is_not_prepared_sends_nothing():
    with patched(integration), pytest.raises(RuntimeError, match=r"Call .prepare\(\) first"):
        asyncio.run(web.WebSocketResponse().send_str("Hello"))


@pytest.mark.parametrize("where", ["writer", "class", "subclass"])
@pytest.mark.parametrize("name", ["send_frame", "_write_websocket_frame"])
def test_what_is_overridden_is_called(where, name, monkeypatch):
    if not hasattr(WebSocketWriter, name):
        pytest.skip("not in this version")
    seen = []
    function = vars(WebSocketWriter)[name]
    if asyncio.iscoroutinefunction(function):

        async def own(self, message, *args, **kwargs):
            seen.append(message)
    else:

        def own(self, message, *args):
            seen.append(message)

    with patched(integration), monkeypatch.context() as monkeypatch:
        writer_class = WebSocketWriter
        if where == "class":
            monkeypatch.setattr(WebSocketWriter, name, own)
        elif where == "subclass":
            writer_class = type("Own", (WebSocketWriter,), {name: own})
        writer = writer_class(Writing(False), Transport())
        if where == "writer":
            setattr(writer, name, own.__get__(writer))
        asyncio.run(response("server", writer).send_str("Hello"))
        asyncio.run(response("server", writer).send_bytes(b"Hello"))
    assert seen == [b"Hello"] * 2
    assert writer.transport.written == b""


async def echo(request):
    ws = web.WebSocketResponse(max_msg_size=0, compress="compress" in request.query)
    await ws.prepare(request)
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    return ws


@asynccontextmanager
async def serving(handler):
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


async def in_background(program, *args):
    """Run a blocking call while the loop runs on."""
    return await asyncio.get_running_loop().run_in_executor(None, program, *args)


@pytest.mark.parametrize("role", ["websockets-client", "websocket-client"])
def test_a_server_agrees_with_a_client_without_wsfast(role, peer):
    async def serve():
        async with serving(echo) as port:
            assert await in_background(peer(role, port).stdout.read) == "ok\n"

    with patched(integration):
        asyncio.run(serve())


@pytest.mark.parametrize("compress", [0, 15])
def test_a_client_agrees_with_a_server_without_wsfast(compress, peer):
    async def call(port):
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"http://127.0.0.1:{port}/", max_msg_size=0, compress=compress
            ) as connection,
        ):
            for message in MESSAGES:
                if isinstance(message, str):
                    await connection.send_str(message)
                else:
                    await connection.send_bytes(message)
                assert (await connection.receive()).data == message

    port = int(peer("websockets-server").stdout.readline())
    with patched(integration):
        asyncio.run(call(port))


def conversation(server, client, **options):
    """What both ends of a connection see: a handler of the server, and one of the client."""

    async def run():
        seen = []

        async def handler(request):
            ws = web.WebSocketResponse(**options)
            await ws.prepare(request)
            seen.append(("server", await server(ws)))
            seen.append(("server", ws.closed, ws.close_code, error(ws.exception())))
            return ws

        async with serving(handler) as port, aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{port}/") as ws:
                seen.append(("client", await client(ws)))
            seen.append(("client", ws.closed, ws.close_code, error(ws.exception())))
        return sorted(seen, key=lambda step: step[0])

    return asyncio.run(run())


async def all_of(ws):
    return [shown(message) async for message in ws]


async def one_by_one(ws):
    messages = []
    while not ws.closed:
        messages.append(shown(await ws.receive()))
    return messages


@pytest.mark.parametrize("receive", [all_of, one_by_one])
@pytest.mark.parametrize(
    "options",
    [{}, {"autoping": False}, {"autoclose": False}, {"heartbeat": 5.0}, {"receive_timeout": 5.0}],
    ids=str,
)
def test_a_conversation_goes_the_same_way(receive, options):
    async def talk(ws):
        for i in range(50):
            await ws.send_str(f"{i}: {MIXED}")
            await ws.send_bytes(b"x" * i)
            if i % 10 == 0:
                await ws.ping(b"ping")
        await ws.send_str(MIXED * 5_000)
        await ws.close(code=3_000, message="schön".encode())

    async def listen(ws):
        return await receive(ws) if options.get("autoclose", True) else await first_ones(ws)

    async def first_ones(ws):
        messages = [shown(await ws.receive()) for _ in range(102)]
        await ws.close()
        return messages

    plain = conversation(listen, talk, **options)
    with patched(integration):
        assert conversation(listen, talk, **options) == plain


@pytest.mark.parametrize("end", ["limit", "not text", "reset"])
def test_a_conversation_ends_the_same_way(end):
    async def talk(ws):
        await ws.send_str(MIXED)
        if end == "limit":
            await ws.send_bytes(b"x" * 5_000)
        elif end == "not text":
            await ws.send_frame(b"\xff", aiohttp.WSMsgType.TEXT)
        else:
            ws._response.connection.transport.abort()
        return await one_by_one(ws)

    plain = conversation(all_of, talk, max_msg_size=5_000)
    with patched(integration):
        assert conversation(all_of, talk, max_msg_size=5_000) == plain


def test_a_loop_over_messages_calls_what_is_overridden():
    class Own(web.WebSocketResponse):
        async def receive(self, timeout=None):
            message = await super().receive(timeout)
            return message._replace(extra="own")

    async def run():
        got = []

        async def handler(request):
            ws = Own()
            await ws.prepare(request)
            got.extend([message.extra async for message in ws])
            return ws

        async with (
            serving(handler) as port,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/") as ws,
        ):
            for _ in range(3):
                await ws.send_str("Hello")
        return got

    with patched(integration):
        assert asyncio.run(run()) == ["own"] * 3


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = Counter()
    for module, name in (
        (wsfast_aiohttp, "serialize_frame"),
        (wsfast_aiohttp, "apply_mask_inplace"),
        (_aiohttp_reader, "split_frames"),
        (_aiohttp_reader, "decode_utf8"),
    ):
        function = getattr(module, name)

        @wraps(function)
        def spy(*args, function=function, **kwargs):
            calls[function.__name__] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, spy)

    async def talk(ws):
        await ws.send_str(MIXED)
        await ws.send_bytes(MIXED.encode())
        await ws.send_str(MIXED, compress=15)
        await ws.close()

    async def listen(ws):
        messages = [await ws.receive(), await ws.receive()]
        await ws.receive()
        return len(messages)

    with patched(integration):
        conversation(listen, talk, compress=False)
        assert len(integration.in_place()) == len(integration.seams)
    assert calls["serialize_frame"] >= 2
    assert calls["apply_mask_inplace"] >= 1
    assert calls["split_frames"] >= 1
    assert calls["decode_utf8"] >= 1


def test_unpatch_restores_the_very_objects():
    holders = [sys.modules[seam.module] for seam in integration.seams]
    holders += [WebSocketWriter, web.WebSocketResponse, aiohttp.ClientWebSocketResponse]

    def owned():
        return [dict(vars(holder)) for holder in holders]

    before = owned()
    with patched(integration):
        assert owned() != before
    assert owned() == before


@pytest.mark.parametrize("extensions", ["", "1"])
def test_patching_imports_nothing(extensions):
    program = (
        "import sys\n"
        "from wsfast.integrations import aiohttp as wsfast_aiohttp\n"
        "integration = wsfast_aiohttp.integration\n"
        "assert wsfast_aiohttp.patch()\n"
        "assert 'aiohttp' not in sys.modules\n"
        "import aiohttp.web\n"
        "assert len(integration.in_place()) == len(integration.seams)\n"
        "assert aiohttp.web_ws.WebSocketReader is aiohttp.client.WebSocketReader\n"
        "integration.unpatch()\n"
        "from aiohttp._websocket.reader import WebSocketReader\n"
        f"assert WebSocketReader.__module__.endswith('{'_py' if extensions else '_c'}')\n"
    )
    environment = os.environ | {"AIOHTTP_NO_EXTENSIONS": extensions}
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, env=environment)


def test_compresses_with_the_module_it_is_given():
    made = []

    def compressobj(*args, **kwargs):
        made.append(kwargs)
        return zlib.compressobj(*args, **kwargs)

    other = ModuleType("other")
    vars(other).update({name: value for name, value in vars(zlib).items() if name[0] != "_"})
    other.compressobj = compressobj

    async def send():
        writer = WebSocketWriter(Writing(False), Transport(), compress=15)
        await writer.send_frame(b"Hello", 1)

    assert integration.patch(other)
    asyncio.run(send())
    integration.unpatch()
    asyncio.run(send())
    assert made == [{"wbits": -15, "level": zlib.Z_BEST_SPEED}]


def test_streams_reach_every_kind_of_end():
    """The corpus above is worth something: it ends in all the ways there are."""
    ends = {str(same([wire])[-4:]) for wire in streams(True).values()}
    codes = {code for code in (1002, 1007) if any(f": {code}>" in end for end in ends)}
    assert codes == {1002, 1007}


def test_what_was_wrapped_before_is_called(monkeypatch):
    seen = []
    for owner, name in (
        (WebSocketWriter, "_write_websocket_frame"),
        (web.WebSocketResponse, "receive"),
        (aiohttp.ClientWebSocketResponse, "receive"),
    ):
        function = vars(owner).get(name)
        if function is not None:

            @wraps(function)
            def wrapper(*args, function=function, **kwargs):
                seen.append(function.__name__)
                return function(*args, **kwargs)

            monkeypatch.setattr(owner, name, wrapper)

    async def talk(ws):
        await ws.send_str("Hello")
        await ws.send_bytes(b"Hello")
        await ws.close()

    plain = conversation(all_of, talk, compress=False), Counter(seen)
    seen.clear()
    with patched(integration):
        assert (conversation(all_of, talk, compress=False), Counter(seen)) == plain
    assert seen
