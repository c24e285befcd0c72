"""gevent-websocket, patched, against itself unpatched, and against a peer without wsfast.

A WebSocket is compared over a stream in memory, whichever validator the library has found; a
server, in a process of its own that gevent has patched, over sockets.
"""

import importlib.util
import io
import subprocess
import sys
from unittest.mock import patch as mock

import pytest
from geventwebsocket import utf8validator, websocket
from geventwebsocket.exceptions import ProtocolError, WebSocketError
from geventwebsocket.websocket import Header, WebSocket
from patching import patched
from peers import MIXED
from streams import BINARY, CLOSE, CONT, FIN, KEY, PING, TEXT, cuts, frame, streams

from wsfast.integrations import gevent_websocket
from wsfast.integrations.gevent_websocket import integration

WIRES = {True: streams(masked=True), False: streams(masked=False)}


def outcome(function, *args):
    """What a call returns or raises, in a form that can be compared."""
    try:
        result = function(*args)
    except Exception as exc:
        context = exc.__context__
        return type(exc), str(exc), exc.args, type(context), exc.__cause__
    return type(result), result


def both(*functions):
    """Run each unpatched and patched, hold the results to each other, and return the last."""
    plain = [function() for function in functions]
    with patched(integration):
        for function, result in zip(functions, plain, strict=True):
            assert function() == result
    return plain[-1]


def pure_validator():
    """The validator that the library has of its own, also where wsaccel is installed."""
    spec = importlib.util.spec_from_file_location(utf8validator.__name__, utf8validator.__file__)
    module = importlib.util.module_from_spec(spec)
    with mock.dict(sys.modules, {"wsaccel": None}):
        spec.loader.exec_module(module)
    return module.Utf8Validator


PURE = pure_validator()


@pytest.fixture(autouse=True)
def no_addresses(monkeypatch):
    """An error shows the address of a header."""
    monkeypatch.setattr(websocket, "id", lambda found: 0, raising=False)


@pytest.fixture(params=["pure", "wsaccel"])
def validator(request, monkeypatch):
    if request.param == "pure":
        monkeypatch.setattr(websocket, "Utf8Validator", PURE)
    else:
        wsaccel = pytest.importorskip("wsaccel.utf8validator")
        monkeypatch.setattr(websocket, "Utf8Validator", wsaccel.Utf8Validator)


class Pieces(io.RawIOBase):
    """A socket's file, unbuffered, that hands out these pieces, or raises them, and then ends."""

    def __init__(self, pieces):
        self.pieces = [piece for piece in pieces if piece]

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self.pieces:
            return 0
        if isinstance(self.pieces[0], Exception):
            raise self.pieces.pop(0)
        piece, rest = self.pieces[0][: len(buffer)], self.pieces[0][len(buffer) :]
        self.pieces[:1] = [rest] if rest else []
        buffer[: len(piece)] = piece
        return len(piece)


class Handler:
    """All that a WebSocket asks of its handler; it is its server and its logger as well."""

    def __init__(self, events):
        self.events = events
        self.server = self.application = self.current_app = self.logger = self

    def on_close(self, *reason):
        self.events.append(("on_close", *reason))

    def debug(self, line):
        self.events.append(("debug", line))


class Stream:
    def __init__(self, pieces=(), broken=False):
        self.read = io.BufferedReader(Pieces(pieces)).read
        self.broken = broken
        self.written = b""

    def write(self, data):
        if self.broken:
            raise OSError("broken")
        self.written += data


def connection(stream, events=None):
    return WebSocket({}, stream, Handler([] if events is None else events))


def lived(pieces, method="receive"):
    """All that happens to a connection that receives these pieces."""
    events = []
    stream = Stream(pieces)
    ws = connection(stream, events)
    results = []
    for _ in range(12):
        result = outcome(getattr(ws, method))
        last = getattr(ws, "utf8validate_last", "unset")
        results.append((result, last, ws.closed, ws.stream in (stream, None)))
        if result[1] is None or issubclass(result[0], Exception):
            break
    return results, list(events), stream.written


MASKED = pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])


@MASKED
@pytest.mark.parametrize("method", ["receive", "read_message"])
@pytest.mark.parametrize("name", WIRES[True])
@pytest.mark.usefixtures("validator")
def test_a_connection_lives_the_same(name, method, masked):
    wires = cuts(WIRES[masked][name])
    both(*(lambda pieces=pieces: lived(pieces, method) for pieces in wires))


@pytest.mark.parametrize("end", [[], [TimeoutError("late")]], ids=["end", "error"])
@pytest.mark.usefixtures("validator")
def test_a_connection_lives_the_same_when_the_socket_fails(end):
    wire = frame(FIN | TEXT, MIXED.encode(), masked=True)
    wire += frame(FIN | BINARY, b"x" * 300, masked=True)
    wire += frame(FIN | TEXT, b"x" * 20, masked=True, form=8)
    cut = [[wire[:i], *end, *(wire[i:] if end else [])] for i in range(len(wire))]
    both(*(lambda pieces=pieces: lived(pieces) for pieces in cut))


@pytest.mark.usefixtures("validator")
def test_the_place_of_an_error_is_counted_in_its_own_message():
    wires = [frame(TEXT, b"ab", masked=True), frame(FIN | CONT, b"cd", masked=True)]
    for bad in b"abc\xff", b"abc\xe2\x82":
        pieces = [*wires, frame(FIN | TEXT, bad, masked=True)]
        both(lambda pieces=pieces: lived(pieces, "read_message"))


def test_a_stream_is_the_same_after_what_was_read_again():
    wire = frame(FIN | PING, b"ping", masked=True) + frame(FIN | TEXT, b"Hello", masked=True)
    stream = Stream([wire])
    with patched(integration):
        ws = connection(stream)
        assert ws.receive() == "Hello"
        assert ws.stream is stream
    assert stream.written == frame(FIN | 10, b"ping", masked=False)


def test_a_closed_connection_is_not_read():
    def read():
        ws = connection(Stream())
        ws.close()
        return outcome(ws.receive), outcome(ws.read_message), list(ws.handler.events)

    both(read)


class Loud(WebSocket):
    """Overrides what the fast path would pass by."""

    def _decode_bytes(self, bytestring):
        return super()._decode_bytes(bytestring).upper()

    def _encode_bytes(self, text):
        return super()._encode_bytes(text).lower()


def test_a_subclass_keeps_its_ways():
    def heard():
        stream = Stream([frame(FIN | TEXT, b"Hello", masked=True)])
        ws = Loud({}, stream, Handler([]))
        ws.send("HELLO")
        return ws.receive(), stream.written

    assert both(heard) == ("HELLO", frame(FIN | TEXT, b"hello", masked=False))


class Text(str):
    pass


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONT, CLOSE, PING, 3])
@pytest.mark.parametrize(
    "message",
    ["", "Hello", MIXED, "x" * 125, "x" * 126, MIXED * 1_000, "\ud800", Text("abc"), b"",
     b"\xff" * 65_536, b"x" * 65_535, bytearray(b"abc"), memoryview(b"abc"), None, 3, [1, 2]],
    ids=lambda message: type(message).__name__,
)  # fmt: skip
def test_sends_the_same(message, opcode):
    def sent(closed=False, broken=False):
        ws = connection(Stream(broken=broken))
        stream, ws.closed = ws.stream, closed
        results = outcome(ws.send_frame, message, opcode), outcome(ws.send, message)
        results += outcome(ws.send, message, True), outcome(ws.send, message, False)
        ws.closed = True
        return results, stream.written, list(ws.handler.events)

    both(sent, lambda: sent(closed=True), lambda: sent(broken=True))


@pytest.mark.parametrize("key", [KEY, KEY * 2, b"\x11", b"", bytearray(KEY), None])
@pytest.mark.parametrize("data", [b"", b"Hello", b"x" * 5_000, bytearray(b"Hello"), "abc", None])
def test_masks_the_same(data, key):
    def masked(length):
        header = Header(length=length)
        header.mask = key
        return outcome(header.mask_payload, data), outcome(header.unmask_payload, data)

    both(*(lambda length=length: masked(length) for length in (0, 3, 5, 5_000)))


def test_a_message_in_fragments_is_validated_wherever_it_is_cut():
    text = ("ÿ" + MIXED * 2_000).encode()
    for size in 1_000, 1_001, 1_002, 1_003:
        parts = [text[i : i + size] for i in range(0, len(text), size)]
        wires = [frame(TEXT, parts[0], masked=True)]
        wires += [frame(CONT, part, masked=True) for part in parts[1:]]
        wires.append(frame(FIN | CONT, masked=True))
        with patched(integration):
            assert connection(Stream(wires)).receive() == text.decode()


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = []
    for name in ("apply_mask", "decode_utf8", "serialize_frame"):
        function = getattr(gevent_websocket, name)

        def spy(*args, name=name, function=function):
            calls.append(name)
            return function(*args)

        monkeypatch.setattr(gevent_websocket, name, spy)

    class Validator(gevent_websocket.Utf8Validator):
        def validate(self, data):
            calls.append("validate")
            return super().validate(data)

    monkeypatch.setattr(gevent_websocket, "Utf8Validator", Validator)
    with patched(integration):
        wires = [frame(FIN | TEXT, MIXED.encode(), masked=True)]
        wires += [frame(TEXT, b"ab", masked=True), frame(FIN | CONT, b"cd", masked=True)]
        ws = connection(Stream(wires))
        assert ws.receive() == MIXED
        assert calls == ["apply_mask", "decode_utf8"]
        ws.send(MIXED)
        assert calls[2:] == ["serialize_frame"]
        assert ws.receive() == "abcd"
        assert calls[3:] == ["apply_mask", "validate"] * 2 + ["validate"]
        assert len(integration.in_place()) == len(integration.seams)


def test_unpatch_restores_the_very_objects():
    def owned():
        return [websocket.Utf8Validator, *vars(WebSocket).items(), *vars(Header).items()]

    before = owned()
    with patched(integration):
        assert sum(a != b for a, b in zip(owned(), before, strict=True)) == 5
    assert owned() == before


SERVER = """\
from gevent import monkey
monkey.patch_all()
from wsfast.integrations import gevent_websocket
assert gevent_websocket.patch()
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

def echo(environ, start_response):
    ws = environ["wsgi.websocket"]
    while not ws.closed:
        message = ws.receive()
        if message is not None:
            ws.send(message)
    return []

server = WSGIServer(("127.0.0.1", 0), echo, handler_class=WebSocketHandler, log=None)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_a_server_agrees_with_a_client_without_wsfast(peer):
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            port = int(server.stdout.readline())
            assert peer("websockets-client", port).stdout.read() == "ok\n"
        finally:
            server.kill()


def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import gevent_websocket\n"
        "assert gevent_websocket.patch()\n"
        "assert 'geventwebsocket' not in sys.modules\n"
        "import geventwebsocket\n"
        "assert len(gevent_websocket.integration.in_place()) == 5\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_streams_reach_every_kind_of_end():
    """The corpus above is worth something: it ends in all the ways there are."""
    ends = {lived([wire], "read_message")[0][-1][0][:1] for wire in WIRES[True].values()}
    assert ends >= {(type(None),), (ProtocolError,), (UnicodeError,), (WebSocketError,)}
