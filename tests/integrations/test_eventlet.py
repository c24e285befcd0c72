"""eventlet's WebSocket, patched, against itself unpatched, and against a peer without wsfast.

A WebSocket is compared over a socket in memory, in both roles, with and without wsaccel, which the
library uses when it is there; a server, in a process of its own, over sockets.
"""

import errno
import io
import random
import subprocess
import sys
import warnings
import zlib
from unittest.mock import patch as mock

import pytest
from patching import patched
from peers import MIXED
from streams import BINARY, CONT, FIN, KEY, PING, RSV1, TEXT, cuts, frame, streams

import wsfast
from wsfast.integrations import eventlet as wsfast_eventlet
from wsfast.integrations.eventlet import integration

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It is deprecated, and says so.
    from eventlet import websocket
    from eventlet.websocket import RFC6455WebSocket

WIRES = {True: streams(masked=True), False: streams(masked=False)}
DEFLATE = {"permessage-deflate": {}}
NO_TAKEOVER = {"client_no_context_takeover": True, "server_no_context_takeover": True}


def outcome(function, *args, **kwargs):
    """What a call returns or raises, in a form that can be compared."""
    try:
        result = function(*args, **kwargs)
    except Exception as exc:
        return type(exc), str(exc), exc.args
    return type(result), result


def both(*functions):
    """Run each unpatched and patched, hold the results to each other, and return the last."""
    with mock.object(websocket, "Random", lambda seed: random.Random(1)):
        plain = [function() for function in functions]
        with patched(integration):
            for function, result in zip(functions, plain, strict=True):
                assert function() == result
    return plain[-1]


@pytest.fixture(params=["alone", "wsaccel"])
def validator(request, monkeypatch):
    module = None
    if request.param == "wsaccel":
        module = pytest.importorskip("wsaccel.utf8validator")
    monkeypatch.setattr(websocket, "utf8validator", module)


class Socket:
    """A socket that hands out these pieces, or raises them, and then ends the stream."""

    def __init__(self, pieces=()):
        self.pieces = [piece for piece in pieces if piece]
        self.sent = b""
        self.calls = []

    def recv(self, size):
        if not self.pieces:
            return b""
        if isinstance(self.pieces[0], Exception):
            raise self.pieces.pop(0)
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def sendall(self, data):
        assert type(data) is bytes
        self.sent += data

    def shutdown(self, how):
        self.calls.append(("shutdown", how))
        raise OSError(errno.EPIPE, "broken")

    def close(self):
        self.calls.append("close")


def connection(pieces=(), server=True, kind=RFC6455WebSocket, **options):
    environ = {"wsgi.errors": io.StringIO(), "PATH_INFO": "/"}
    return kind(Socket(pieces), environ, client=not server, **options)


def lived(pieces, server, **options):
    """All that happens to a connection that receives these pieces."""
    ws = connection(pieces, server, **options)
    results = []
    for _ in range(12):
        results.append(outcome(ws.wait))
        if results[-1][1] is None or issubclass(results[-1][0], Exception):
            break
    log = ws.log.getvalue()
    return results, ws.socket.sent, ws.socket.calls, log, ws.websocket_closed, ws._remote_close_data


ROLES = pytest.mark.parametrize("server", [True, False], ids=["server", "client"])


@ROLES
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("name", WIRES[True])
@pytest.mark.usefixtures("validator")
def test_a_connection_lives_the_same(name, masked, server):
    wires = cuts(WIRES[masked][name])
    both(*(lambda pieces=pieces: lived(pieces, server) for pieces in wires))


@ROLES
@pytest.mark.parametrize("end", [[], [TimeoutError("late")]], ids=["end", "error"])
def test_a_connection_lives_the_same_when_the_socket_fails(end, server):
    wire = frame(FIN | TEXT, MIXED.encode(), masked=server)
    wire += frame(FIN | BINARY, b"x" * 300, masked=server)
    wire += frame(FIN | TEXT, b"x" * 20, masked=server, form=8)
    cut = [[wire[:i], *end, *(wire[i:] if end else [])] for i in range(len(wire))]
    both(*(lambda pieces=pieces: lived(pieces, server) for pieces in cut))


@ROLES
@pytest.mark.parametrize("limit", [0, 1, 4, 5, 125, 126, 65_535])
def test_a_connection_keeps_its_limit(limit, server):
    names = "texts", "fragments", "binary", "lengths", "ping in fragments", "RSV1"
    wires = [[WIRES[server][name]] for name in names]
    for extensions in {}, DEFLATE:
        options = {"max_frame_length": limit, "extensions": extensions}
        both(*(lambda pieces=pieces: lived(pieces, server, **options) for pieces in wires))  # noqa: B023


def compressed(masked, takeover):
    """A stream of messages that are compressed, in one piece and in fragments, and of others."""
    deflate = zlib.compressobj(wbits=-15)
    wire = b""
    for text in MIXED * 3, MIXED, "":
        if not takeover:
            deflate = zlib.compressobj(wbits=-15)
        data = deflate.compress(text.encode()) + deflate.flush(zlib.Z_SYNC_FLUSH)
        data = data[:-4]
        wire += frame(FIN | RSV1 | TEXT, data, masked=masked)
        wire += frame(FIN | TEXT, text.encode(), masked=masked)
    deflate = zlib.compressobj(wbits=-15)
    data = deflate.compress(MIXED.encode()) + deflate.flush()
    wire += frame(RSV1 | TEXT, data[:9], masked=masked) + frame(CONT, data[9:20], masked=masked)
    wire += frame(FIN | PING, masked=masked) + frame(FIN | CONT, data[20:], masked=masked)
    return wire + frame(FIN | RSV1 | TEXT, b"no DEFLATE", masked=masked)


@ROLES
@pytest.mark.parametrize("options", [{}, NO_TAKEOVER], ids=["takeover", "no takeover"])
@pytest.mark.usefixtures("validator")
def test_a_connection_with_compression_lives_the_same(options, server):
    wires = list(cuts(compressed(server, not options)))
    wires += [[WIRES[server][name]] for name in ("texts", "fragments", "RSV1", "RSV2", "close")]
    extensions = {"permessage-deflate": options}
    both(*(lambda pieces=pieces: lived(pieces, server, extensions=extensions) for pieces in wires))


def test_no_byte_is_read_beyond_a_frame():
    sizes = (0, 5, 125, 126, 65_535, 65_536)
    for server in True, False:
        wires = [frame(FIN | TEXT, b"x" * size, masked=server) for size in sizes]
        with patched(integration):
            ws = connection([b"".join(wires) + b"rest"], server)
            for i, size in enumerate(sizes, 1):
                assert len(ws.wait()) == size
                assert ws.socket.pieces == [b"".join(wires[i:]) + b"rest"]


def test_a_short_message_is_received_in_two_calls():
    calls = []

    class Counting(Socket):
        def recv(self, size):
            calls.append(size)
            return super().recv(size)

    with patched(integration):
        ws = connection()
        ws.socket = Counting([frame(FIN | TEXT, b"x" * 100, masked=True)])
        ws.wait()
    assert calls == [6, 100]


class Loud(RFC6455WebSocket):
    """Overrides what the fast path would pass by."""

    @staticmethod
    def _apply_mask(data, mask, length=None, offset=0):
        return RFC6455WebSocket._apply_mask(data, mask, length, offset).upper()

    def _get_permessage_deflate_enc(self):
        return zlib.compressobj(wbits=-15)


def test_a_subclass_keeps_its_ways():
    def heard():
        ws = connection([frame(FIN | TEXT, b"Hello", masked=True)], kind=Loud)
        ws.send("Hello")
        return ws.wait(), ws.socket.sent

    text, sent = both(heard)
    assert text == "HELLO"
    assert sent[:1] == bytes([FIN | RSV1 | TEXT])


class Text(str):
    pass


@ROLES
@pytest.mark.parametrize(
    "message",
    ["", "Hello", MIXED, "x" * 125, "x" * 126, MIXED * 1_000, "\ud800", Text("abc"), b"",
     b"\xff" * 65_536, b"x" * 65_535, bytearray(b"abc"), memoryview(b"abc"), None, 3, [1, 2]],
    ids=lambda message: type(message).__name__,
)  # fmt: skip
def test_sends_the_same(message, server):
    def sent(extensions):
        ws = connection(server=server, extensions=extensions)
        results = [outcome(ws.send, message)]
        for options in (
            *({"continuation": True, "final": False}, {"final": 0}, {"continuation": 1}),
            *({"control_code": 9}, {"control_code": 3}, {"control_code": 0}),
        ):
            results.append(outcome(ws.send, message, **options))
        return results, ws.socket.sent

    both(lambda: sent({}), lambda: sent(DEFLATE), lambda: sent({"permessage-deflate": NO_TAKEOVER}))


@pytest.mark.parametrize(
    "mask", [tuple(KEY), list(KEY), KEY, (1, 2, 3), (1, 2, 3, 256), (1, 2, 3, -1), "abcd", None]
)
@pytest.mark.parametrize("data", [b"", b"Hello", b"x" * 5_000, bytearray(b"Hello"), "abc", None])
def test_masks_the_same(data, mask):
    def masked(*args):
        return outcome(RFC6455WebSocket._apply_mask, data, mask, *args)

    lengths = (None, 0, 3, 5, 5_000)
    both(*(lambda args=(n, i): masked(*args) for n in lengths for i in (0, 1, 2, 3, 7, -1)))
    both(lambda: outcome(RFC6455WebSocket._apply_mask, data=data, mask=mask))


def test_receives_a_message_in_fragments_wherever_it_is_cut():
    text = ("ÿ" + MIXED * 2_000).encode()
    for size in 1_000, 1_001, 1_002, 1_003:
        parts = [text[i : i + size] for i in range(0, len(text), size)]
        wires = [frame(TEXT, parts[0], masked=True)]
        wires += [frame(CONT, part, masked=True) for part in parts[1:]]
        wires.append(frame(FIN | CONT, masked=True))
        with patched(integration):
            assert connection(wires).wait() == text.decode()


def test_receives_16_mib():
    text = MIXED * 220_000
    wire = frame(FIN | TEXT, text.encode(), masked=False)
    pieces = [wire[i : i + 100_000] for i in range(0, len(wire), 100_000)]
    with patched(integration):
        ws = connection(pieces, server=False, max_frame_length=1 << 25)
        assert ws.wait() == text
        ws = connection(pieces, server=False, max_frame_length=1 << 24)
        assert ws.wait() is None
        assert len(ws.socket.pieces) == len(pieces)


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = []
    for name in ("apply_mask", "decode_utf8", "serialize_frame"):
        function = getattr(wsfast_eventlet, name)

        def spy(*args, name=name, function=function, **kwargs):
            calls.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(wsfast_eventlet, name, spy)
    with patched(integration):
        wires = [frame(FIN | TEXT, MIXED.encode(), masked=True)]
        wires += [frame(TEXT, b"ab", masked=True), frame(FIN | CONT, b"cd", masked=True)]
        ws = connection(wires)
        assert ws.wait() == MIXED
        assert calls == ["apply_mask", "decode_utf8"]
        ws.send(MIXED)
        assert calls[2:] == ["serialize_frame"]
        assert ws.wait() == "abcd"
        assert calls[3:] == ["apply_mask"] * 2
        assert len(integration.in_place()) == len(integration.seams)


def test_compresses_with_another_zlib():
    pytest.importorskip("zlib_ng")
    before = websocket.zlib
    assert wsfast.patch("eventlet", deflate="zlib-ng") == ["eventlet"]
    assert websocket.zlib is not before
    ws = connection(extensions=DEFLATE)
    ws.send(MIXED)
    peer = connection([ws.socket.sent], server=False, extensions=DEFLATE)
    assert peer.wait() == MIXED
    wsfast.unpatch("eventlet")
    assert websocket.zlib is before


def test_unpatch_restores_the_very_objects():
    before = list(vars(RFC6455WebSocket).items())
    with patched(integration):
        after = list(vars(RFC6455WebSocket).items())
        assert sum(a != b for a, b in zip(after, before, strict=True)) == 3
    assert list(vars(RFC6455WebSocket).items()) == before


SERVER = """\
import eventlet
eventlet.monkey_patch()
from wsfast.integrations import eventlet as wsfast_eventlet
assert wsfast_eventlet.patch()
from eventlet import websocket, wsgi

def echo(ws):
    while True:
        message = ws.wait()
        if message is None:
            break
        ws.send(message)

listener = eventlet.listen(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
wsgi.server(listener, websocket.WebSocketWSGI(echo, max_frame_length=1 << 24), log_output=False)
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
        "import sys, warnings\n"
        "from wsfast.integrations import eventlet\n"
        "assert eventlet.patch()\n"
        "assert 'eventlet' not in sys.modules\n"
        "warnings.simplefilter('ignore')\n"
        "from eventlet import websocket\n"
        "assert len(eventlet.integration.in_place()) == 3\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_streams_reach_every_kind_of_end():
    """The corpus above is worth something: it ends in all the ways there are."""
    codes = {lived([wire], True)[1][2:4] for wire in WIRES[True].values()}
    assert codes >= {code.to_bytes(2, "big") for code in (1000, 1002, 1009, 1011)}
