"""websocket-client, patched, against itself unpatched, and against a peer without wsfast."""

import array
import errno
import os
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MESSAGES, MIXED
from streams import BINARY, FIN, NOT_UTF8, TEXT, cuts, frame, streams

from wsfast.integrations import websocket_client
from wsfast.integrations.websocket_client import integration

# What is at its end is ready to be read.
ALWAYS_READY, _other_end = os.pipe()
os.close(_other_end)

KEY = b"\x11\x22\x33\x44"


def outcome(function, *args):
    """What a call returns or raises, in a form that can be compared."""
    try:
        result = function(*args)
    except Exception as exc:
        return type(exc), str(exc), exc.args
    return type(result), result


def both(function):
    """Run it unpatched and patched, and hold the results to each other."""
    plain = function()
    with patched(integration):
        assert function() == plain
    return plain


class Socket:
    """A socket that hands out these pieces, or raises them, and then ends the stream."""

    def __init__(self, pieces):
        self.pieces = [piece for piece in pieces if piece]
        self.sent = b""

    def recv(self, size):
        if not self.pieces:
            return b""
        if isinstance(self.pieces[0], Exception):
            raise self.pieces.pop(0)
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def send(self, data):
        self.sent += data
        return len(data)

    def gettimeout(self):
        return None

    def fileno(self):
        return ALWAYS_READY

    def close(self):
        pass


def connection(pieces, **options):
    client = websocket.WebSocket(get_mask_key=lambda size: KEY[:size], **options)
    client.sock = Socket(pieces)
    client.connected = True
    return client


def received(pieces, method, **options):
    client = connection(pieces, **options)
    socket = client.sock
    results = []
    while True:
        results.append(outcome(lambda: shown(getattr(client, method)())))
        if issubclass(results[-1][0], Exception):
            return results, socket.sent, socket.pieces, client.connected


def shown(result):
    if isinstance(result, websocket.ABNF):
        return vars(result) | {"get_mask_key": None}
    return tuple(map(shown, result)) if isinstance(result, tuple) else result


@pytest.mark.parametrize("masked", [False, True], ids=["unmasked", "masked"])
@pytest.mark.parametrize("name", streams(False))
def test_receives_the_same(name, masked):
    methods = ("recv", "recv_data", "recv_data_frame", "recv_frame")
    both(
        lambda: [
            received(pieces, method) for pieces in cuts(streams(masked)[name]) for method in methods
        ]
    )


@pytest.mark.parametrize(
    "options", [{"skip_utf8_validation": True}, {"fire_cont_frame": True}], ids=str
)
@pytest.mark.parametrize(
    "name", [name for name in streams(False) if "UTF-8" in name or "frag" in name]
)
def test_receives_the_same_with_options(name, options):
    both(lambda: received([streams(False)[name]], "recv", **options))


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_validates_the_same(data):
    from websocket import _utils

    both(lambda: outcome(_utils.validate_utf8, data))


@pytest.mark.parametrize("data", [*NOT_UTF8.values(), b"", MIXED.encode() * 50, b"\xf0\x9f\xa6"])
def test_validates_the_same_at_every_cut(data):
    from websocket import _utils

    both(lambda: [outcome(_utils.validate_utf8, data[:i]) for i in range(min(len(data), 200) + 1)])


@pytest.mark.parametrize(
    "data", [bytearray(b"abc"), bytearray(b"\xff"), memoryview(b"abc"), "abc", "\ud800", None, 3]
)
def test_validates_the_same_whatever_it_is_given(data):
    from websocket import _utils

    both(lambda: outcome(_utils.validate_utf8, data))


@pytest.mark.parametrize(
    "key", [KEY, b"", b"\x11", KEY + b"\x55", "\x11\x22\x33\xff", bytearray(KEY), None, 3]
)
@pytest.mark.parametrize(
    "data",
    [b"", b"Hello", b"x" * 5_000, "", "Hello", "é", "…", bytearray(b"Hello"), memoryview(b"Hello"),
     array.array("B", b"Hello"), array.array("I", b"Hell"), None, 3],
)  # fmt: skip
def test_masks_the_same(key, data):
    both(lambda: outcome(websocket.ABNF.mask, key, data))


@settings(max_examples=100)
@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masks_the_same_data(data, key):
    both(lambda: outcome(websocket.ABNF.mask, key, data))


@pytest.mark.parametrize("opcode", [0, 1, 2, 8, 9, 10, 3, 15])
@pytest.mark.parametrize(
    "message",
    ["", "Hello", MIXED, "x" * 126, MIXED * 2_000, "\ud800", b"", b"\xff" * 65_536, b"abc",
     bytearray(b"abc"), None, 3],
)  # fmt: skip
def test_sends_the_same(message, opcode):
    def sent():
        client = connection([])
        return outcome(client.send, message, opcode), client.sock.sent

    both(sent)


def test_sends_the_same_frames():
    def sent():
        client = connection([])
        results = []
        for fin in (0, 1, 2):
            for data in ("Zwölf", b"abc", ""):
                made = outcome(websocket.ABNF.create_frame, data, TEXT, fin)
                results.append(vars(made[1]) | {"get_mask_key": None})
                results.append(outcome(client.send_frame, made[1]))
        return results, client.sock.sent

    both(sent)


@pytest.mark.parametrize("fill", [MIXED, "x", "🦊"])
def test_receives_16_mib(fill):
    text = fill * (1 << 24 >> len(fill.encode()).bit_length() - 1)
    wire = frame(FIN | TEXT, text.encode(), masked=False)
    pieces = [wire[i : i + 100_000] for i in range(0, len(wire), 100_000)]
    with patched(integration):
        assert connection(pieces).recv() == text
        with pytest.raises(websocket.WebSocketPayloadException, match="cannot decode"):
            connection([wire[:-1] + b"\xff"]).recv()


def test_a_text_in_pieces_survives_a_timeout():
    text = MIXED * 2_000
    wire = frame(FIN | TEXT, text.encode(), masked=False)
    with patched(integration):
        client = connection([wire[:70_000], TimeoutError(), wire[70_000:]])
        with pytest.raises(websocket.WebSocketTimeoutException):
            client.recv()
        assert client.recv() == text


@pytest.mark.parametrize(
    "failure",
    [
        TimeoutError("timed out"),
        BlockingIOError(errno.EAGAIN, "again"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        ssl.SSLWantReadError(),
        ssl.SSLError("The read operation timed out"),
        ssl.SSLError("broken"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_a_read_that_fails_anywhere_leaves_the_same_behind(failure, timeout):
    wire = frame(FIN | TEXT, b"Hello", masked=False) + frame(FIN | BINARY, b"x" * 130, masked=False)

    def attempts(i):
        client = connection([wire[:i], failure, wire[i:]])
        client.sock.gettimeout = lambda: timeout
        return [
            (outcome(client.recv), str(vars(client.frame_buffer) | {"recv": None, "lock": None}))
            for _ in range(4)
        ]

    both(lambda: [attempts(i) for i in range(len(wire) + 1)])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 16_383, 16_384, 16_385, 65_535, 65_536])
def test_it_never_reads_ahead(size):
    """What is behind a frame stays in the socket, for ``select`` to tell of it."""
    one = frame(FIN | BINARY, b"x" * size, masked=False)

    def read():
        client = connection([one + one])
        asked = []
        recv = client.sock.recv
        client.sock.recv = lambda size: asked.append(size) or recv(size)
        return client.recv(), b"".join(client.sock.pieces), asked

    assert both(read)[1] == one


@pytest.mark.parametrize("name", ["recv_header", "recv_length", "recv_mask", "recv_strict"])
@pytest.mark.parametrize("owner", ["class", "instance"])
def test_an_overridden_method_is_called(name, owner):
    def calls():
        from websocket._abnf import frame_buffer

        seen = []

        def spy(self, *args):
            seen.append(name)
            return getattr(frame_buffer, name)(self, *args)

        client = connection([frame(FIN | TEXT, b"Hello", masked=False)])
        buffer = client.frame_buffer
        if owner == "class":
            buffer.__class__ = type("Own", (frame_buffer,), {name: spy})
        else:
            setattr(buffer, name, spy.__get__(buffer))
        return client.recv(), seen

    assert name in both(calls)[1]


def test_a_module_that_is_loaded_again_runs_on_as_before():
    program = (
        "import importlib, sys\n"
        "import websocket, websocket._abnf as abnf\n"
        "from wsfast.integrations import websocket_client\n"
        "assert websocket_client.patch()\n"
        "sys.path.append(sys.argv[1])\n"
        "from test_websocket_client import connection, frame\n"
        "importlib.reload(abnf)\n"
        "client = connection([frame(0x81, b'Hello', masked=False)])\n"
        "assert type(client.recv_frame()) is abnf.ABNF\n"
        "websocket_client.unpatch()\n"
    )
    folder = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-W", "error", "-c", program, folder], check=True)


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = []
    for name in ("is_valid_utf8", "decode_utf8", "encode_utf8", "apply_mask"):
        function = getattr(websocket_client, name)

        def spy(*args, name=name, function=function):
            calls.append(name)
            return function(*args)

        monkeypatch.setattr(websocket_client, name, spy)
    with patched(integration):
        client = connection([frame(FIN | TEXT, MIXED.encode(), masked=False)])
        assert client.recv() == MIXED
        assert calls == ["is_valid_utf8", "decode_utf8"]
        client.send(MIXED)
        assert calls[2:] == ["encode_utf8", "apply_mask"]
        assert len(integration.in_place()) == len(integration.seams)


def test_the_application_class_runs_on_it(monkeypatch, peer):
    seen = []
    monkeypatch.setattr(
        websocket_client,
        "is_valid_utf8",
        lambda data, is_valid=websocket_client.is_valid_utf8: seen.append(1) or is_valid(data),
    )
    port = int(peer("websockets-server").stdout.readline())
    got = []

    def on_message(app, message):
        got.append(message)
        app.close()

    with patched(integration):
        app = websocket.WebSocketApp(
            f"ws://127.0.0.1:{port}/",
            on_open=lambda app: app.send(MIXED * 3_000),
            on_message=on_message,
        )
        runner = threading.Thread(target=app.run_forever)
        runner.start()
        runner.join(60)
    assert got == [MIXED * 3_000]
    assert seen


def test_unpatch_restores_the_very_objects():
    from websocket import _abnf, _core, _utils

    def owned():
        return [
            _utils._validate_utf8,
            *vars(_core.WebSocket).items(),
            *vars(_abnf.ABNF).items(),
        ]

    before = owned()
    with patched(integration):
        assert owned() != before
    assert owned() == before


def test_a_peer_without_wsfast_agrees(peer):
    port = int(peer("websockets-server").stdout.readline())
    with patched(integration):
        client = websocket.create_connection(f"ws://127.0.0.1:{port}/", timeout=60)
        for message in MESSAGES:
            client.send(message, TEXT if isinstance(message, str) else BINARY)
            assert client.recv() == message
        client.close()


def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import websocket_client\n"
        "assert websocket_client.patch()\n"
        "assert 'websocket' not in sys.modules\n"
        "from websocket import ABNF\n"
        "assert len(websocket_client.integration.in_place()) == 6\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_streams_reach_every_kind_of_end():
    """The corpus above is worth something: it ends in all the ways there are."""
    ends = {received([wire], "recv")[0][-1][0].__name__ for wire in streams(False).values()}
    assert ends >= {
        "WebSocketProtocolException",
        "WebSocketPayloadException",
        "WebSocketConnectionClosedException",
    }
