"""ws4py, patched, against itself unpatched, and against peers without wsfast.

A WebSocket is compared over a socket in memory, in both roles, and its Stream step by step over
every stream of ``streams.py``, also when it is fed what it has not asked for.
"""

import logging
import subprocess
import sys
import tracemalloc
from queue import Queue
from unittest.mock import patch as mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MESSAGES, MIXED
from streams import BINARY, CONT, FIN, KEY, PING, TEXT, cuts, frame, streams
from ws4py.client.threadedclient import WebSocketClient
from ws4py.framing import Frame
from ws4py.messaging import BinaryMessage, Message, PingControlMessage, TextMessage
from ws4py.streaming import Stream
from ws4py.websocket import EchoWebSocket, WebSocket

from wsfast.integrations import ws4py as wsfast_ws4py
from wsfast.integrations.ws4py import integration

WIRES = {True: streams(masked=True), False: streams(masked=False)}


def outcome(function, *args, **kwargs):
    """What a call returns or raises, in a form that can be compared."""
    try:
        result = function(*args, **kwargs)
    except Exception as exc:
        return type(exc), str(exc), exc.args
    return type(result), result


def both(*functions):
    """Run each unpatched and patched, hold the results to each other, and return the last."""
    with mock("os.urandom", lambda size: KEY[:size]):
        plain = [function() for function in functions]
        with patched(integration):
            for function, result in zip(functions, plain, strict=True):
                assert function() == result
    return plain[-1]


@pytest.fixture(autouse=True)
def logged(caplog):
    caplog.set_level(logging.DEBUG, "ws4py")
    return caplog


class Socket:
    """A socket that hands out these pieces, or raises them, and then ends the stream."""

    def __init__(self, pieces=()):
        self.pieces = [piece for piece in pieces if piece]
        self.sent = b""
        self.closed = False

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
        pass

    def close(self):
        self.closed = True

    def setblocking(self, flag):
        pass


def recorder(base, seen):
    class Recorder(base):
        def opened(self):
            seen.append("opened")

        def received_message(self, message):
            seen.append(shown(message))
            super().received_message(message)

        def ponged(self, pong):
            seen.append(shown(pong))

        def closed(self, code, reason=None):
            seen.append((code, reason, type(reason)))

    return Recorder


def shown(message):
    if not isinstance(message, Message):
        return message
    return type(message), {name: (type(v), v) for name, v in vars(message).items()}


def connection(socket, server, base=WebSocket, seen=None):
    websocket = recorder(base, [] if seen is None else seen)(socket)
    if not server:
        websocket.stream.always_mask = True
        websocket.stream.expect_masking = False
    return websocket


def lived(pieces, server, logged):
    """All that happens to a connection that receives these pieces."""
    logged.clear()
    seen, socket = [], Socket(pieces)
    result = outcome(connection(socket, server, EchoWebSocket, seen).run)
    return result, seen, socket.sent, socket.closed, [r.getMessage() for r in logged.records]


ROLES = pytest.mark.parametrize("server", [True, False], ids=["server", "client"])


@ROLES
@pytest.mark.parametrize("name", WIRES[True])
def test_a_connection_lives_the_same(name, server, logged):
    wires = cuts(WIRES[server][name])
    both(*(lambda pieces=pieces: lived(pieces, server, logged) for pieces in wires))


@ROLES
def test_a_connection_lives_the_same_when_the_socket_fails(server, logged):
    wire = frame(FIN | TEXT, MIXED.encode(), masked=server) + frame(FIN | PING, masked=server)
    wire += frame(FIN | BINARY, b"x" * 130, masked=server)
    wires = [[wire[:i], TimeoutError("late"), wire[i:]] for i in range(len(wire))]
    both(*(lambda pieces=pieces: lived(pieces, server, logged) for pieces in wires))


def state(stream):
    return (
        shown(stream.message),
        *(
            None if listed is None else [shown(message) for message in listed]
            for listed in (stream.pings, stream.pongs, stream.errors)
        ),
        shown(stream.closing),
        stream.has_message,
    )


def fed(pieces, server, consume=True):
    """The states of a stream that is fed these pieces, whatever it has asked for."""
    stream = Stream(always_mask=not server, expect_masking=server)
    states = []
    for piece in pieces:
        result = outcome(stream.parser.send, piece)
        states.append(result if issubclass(result[0], Exception) else state(stream))
        if consume and stream.message is not None and stream.has_message:
            stream.message = None
    stream._cleanup()
    return states, vars(stream)


@ROLES
@pytest.mark.parametrize("consume", [True, False], ids=["consumed", "left"])
@pytest.mark.parametrize("name", WIRES[True])
def test_a_stream_takes_the_same_steps(name, consume, server):
    wires = cuts(WIRES[server][name])
    both(*(lambda pieces=pieces: fed(pieces, server, consume) for pieces in wires))


SHORT = [name for name, wire in WIRES[True].items() if len(wire) < 1_000]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_stream_takes_the_same_steps_whatever_it_is_fed(data):
    server = data.draw(st.booleans())
    wires = st.lists(st.sampled_from(SHORT), min_size=1, max_size=3)

    def draw_pieces():
        wire = b"".join(WIRES[server][name] for name in data.draw(wires))
        places = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=6)))
        pieces = [wire[i:j] for i, j in zip([0, *places], [*places, len(wire)], strict=True)]
        if data.draw(st.booleans()):
            odd = data.draw(st.sampled_from([None, b"", bytearray(b"\x81")]))
            pieces.insert(data.draw(st.integers(0, len(pieces))), odd)
        return pieces

    fed_with = [draw_pieces() for _ in range(10)]
    both(*(lambda pieces=pieces: fed(pieces, server) for pieces in fed_with))


@ROLES
def test_a_stream_takes_the_same_steps_of_bytearrays(server):
    wires = cuts(frame(FIN | TEXT, MIXED.encode(), masked=server))
    both(*(lambda pieces=pieces: fed(map(bytearray, pieces), server) for pieces in wires))


def test_a_stream_takes_the_same_steps_when_it_is_fed_too_much_of_a_header():
    wire = frame(FIN | TEXT, b"Hello", masked=True)
    cut = [[wire[:i], wire[i:j], wire[j:]] for i in range(3, 8) for j in range(i, 9)]
    both(*(lambda pieces=pieces: fed(pieces, True) for pieces in cut))


@ROLES
@pytest.mark.parametrize("bad", [None, b"", b"\xff" * 99, bytearray(b"\xff" * 50)], ids=repr)
def test_a_stream_takes_the_same_steps_when_a_payload_in_pieces_goes_wrong(server, bad):
    wire = frame(FIN | TEXT, b"x" * 100, masked=server)
    cut = [[*(wire[i : i + step] for i in range(0, 60, step)), bad] for step in (1, 2, 20, 60)]
    both(*(lambda pieces=pieces: fed([*pieces, wire[60:]], server) for pieces in cut))


@pytest.mark.parametrize("step", [1, 2])
def test_pieces_take_no_more_memory_than_the_payload(step):
    size = 20_000
    wire = frame(FIN | BINARY, b"x" * size, masked=False)[:-1]
    with patched(integration):
        parser = Stream(expect_masking=False).parser
        tracemalloc.start()
        try:
            for i in range(0, len(wire), step):
                parser.send(wire[i : i + step])
            assert tracemalloc.get_traced_memory()[0] < 1.5 * size
        finally:
            tracemalloc.stop()


@ROLES
def test_a_stream_takes_whole_frames(server):
    wires = [frame(FIN | TEXT, b"x" * size, masked=server) for size in (0, 1, 125, 126, 65_536)]
    states = both(lambda: fed([wire + b"\x81\xff" for wire in wires], server))[0]
    assert [len(state[0][1]["data"][1]) for state in states] == [0, 1, 125, 126, 65_536]


def test_closing_the_parser_frees_the_stream():
    def freed(pieces):
        stream = Stream()
        for piece in pieces:
            stream.parser.send(piece)
        stream.parser.close()
        return vars(stream)

    wires = [], [b"\x81"], [frame(FIN | PING, masked=True)], [b"\x01\x80"]
    both(*(lambda pieces=pieces: freed(pieces) for pieces in wires))


def test_no_byte_is_read_beyond_a_frame():
    wires = [frame(FIN | TEXT, b"x" * n, masked=True) for n in (0, 5, 125, 126, 65_535, 65_536)]
    wires.insert(2, frame(FIN | PING, b"ping", masked=True))
    socket = Socket([b"".join(wires) + b"rest"])
    left = []

    class Handler(WebSocket):
        def received_message(self, message):
            left.append(len(socket.pieces[0]))

    with patched(integration):
        websocket = Handler(socket)
        while len(left) < 6:
            assert websocket.once()
    sizes = [len(b"".join(wires[i:])) + 4 for i in range(8)]
    assert left == [*sizes[1:3], *sizes[4:]]


def test_a_short_message_is_read_in_two_steps():
    sizes = []

    class Counting(Socket):
        def recv(self, size):
            sizes.append(size)
            return super().recv(size)

    with patched(integration):
        websocket = connection(Counting([frame(FIN | TEXT, b"x" * 100, masked=True)] * 2), True)
        for _ in range(4):
            assert websocket.once()
    assert sizes == [2, 104, 2, 104]


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize(
    "payload",
    ["", "Hello", MIXED, "x" * 125, "x" * 126, MIXED * 1_000, "\ud800", b"", b"\xff" * 65_536,
     b"x" * 65_535, bytearray(b"abc"), memoryview(b"abc"), None, 3, ["abc"]],
    ids=lambda payload: type(payload).__name__,
)  # fmt: skip
def test_sends_the_same(payload, server):
    def sent(binary):
        websocket = connection(Socket(), server)
        return outcome(websocket.send, payload, binary), websocket.sock.sent

    both(lambda: (sent(False), sent(True)))


@ROLES
def test_sends_the_same_fragments_and_messages(server):
    def sent():
        websocket = connection(Socket(), server)
        websocket.send(part for part in ["frag", "ments: ", MIXED])
        websocket.send((part for part in [b"ab", b"cd"]), binary=True)
        for message in TextMessage(MIXED), BinaryMessage(b"abc"), PingControlMessage("ping"):
            websocket.send(message)
        websocket.close(1001, "schön")
        return websocket.sock.sent

    both(sent)


@pytest.mark.parametrize("opcode", [0, 1, 2, 3, 8, 9, 10, 11, None])
def test_builds_the_same_frames(opcode):
    def built():
        results = []
        for key in None, b"", KEY, KEY + b"\x55", b"\x11", "abcd", bytearray(KEY):
            for bits in {}, {"fin": 1}, {"fin": 2}, {"fin": 1, "rsv1": 1}, {"rsv3": 1}:
                for body in b"", b"Hello", b"x" * 126, bytearray(b"abc"):
                    made = outcome(Frame, opcode, body, key, **bits)
                    results.append(outcome(made[1].build) if made[0] is Frame else made)
        return results

    both(built)


def test_builds_the_length_that_it_is_told():
    def built():
        made = Frame(TEXT, b"Hello", fin=1)
        made.payload_length = 3
        return made.build()

    assert both(built) == b"\x81\x03Hello"


def test_a_frame_that_masks_in_its_own_way_does():
    class Loud(Frame):
        def mask(self, data):
            return data.upper()

    assert both(Loud(TEXT, b"abc", KEY, fin=1).build) == b"\x81\x83" + KEY + b"ABC"


@pytest.mark.parametrize("key", [KEY, KEY * 2, b"\x11", b"", bytearray(KEY), "abcd", None])
@pytest.mark.parametrize(
    "data", [b"", b"Hello", b"x" * 5_000, bytearray(b"Hello"), memoryview(b"Hello"), "abc", None]
)
def test_masks_the_same(data, key):
    both(lambda: outcome(Frame(masking_key=key).mask, data))
    both(lambda: outcome(Frame(masking_key=key).unmask, data))


@pytest.mark.parametrize(
    "text", ["", MIXED, "\ud800", b"", MIXED.encode(), b"\xff", bytearray(b"abc"), None, 3]
)
def test_messages_are_the_same(text):
    class Text(str):
        pass

    def made():
        results = []
        for kind in TextMessage, BinaryMessage, PingControlMessage:
            for given_text in [text, Text(text)] if isinstance(text, str) else [text]:
                made = outcome(kind, given_text)
                results.append(shown(made[1]))
                if made[0] is kind:
                    for function in str, len, kind.__unicode__:
                        results.append(outcome(function, made[1]))
        return results

    both(made)


def test_a_message_that_was_emptied_is_no_text():
    def emptied():
        message = TextMessage("abc")
        message.data = None
        return outcome(str, message), outcome(len, message)

    both(emptied)


@pytest.mark.parametrize("fill", [MIXED, "x", "🦊"])
def test_receives_16_mib(fill):
    text = fill * (1 << 24 >> len(fill.encode()).bit_length() - 1)
    wire = frame(FIN | TEXT, text.encode(), masked=False)
    pieces = [wire[i : i + 100_000] for i in range(0, len(wire), 100_000)]
    with patched(integration):
        seen = []
        connection(Socket(pieces), False, seen=seen).run()
        assert seen[1][1]["data"] == (bytes, text.encode())
        seen = []
        connection(Socket([*pieces[:-1], pieces[-1][:-1] + b"\xff"]), False, seen=seen).run()
        assert seen == ["opened", (1006, "Going away", str)]


def test_a_message_in_fragments_is_validated_wherever_it_is_cut():
    text = ("ÿ" + MIXED * 2_000).encode()
    for size in 1_000, 1_001, 1_002, 1_003:
        parts = [text[i : i + size] for i in range(0, len(text), size)]
        wires = [frame(TEXT, parts[0], masked=True)]
        wires += [frame(CONT, part, masked=True) for part in parts[1:]]
        wires.append(frame(FIN | CONT, masked=True))
        seen = []
        with patched(integration):
            connection(Socket(wires), True, seen=seen).run()
        assert seen[1][1]["data"] == (bytes, text)


def test_the_library_calls_what_is_patched(monkeypatch):
    """The seams are those that are called, and not merely those that can be seen."""
    calls = []
    for name in (
        *("split_frames", "is_valid_utf8", "decode_utf8"),
        *("encode_utf8", "serialize_frame", "apply_mask", "Utf8Validator"),
    ):
        function = getattr(wsfast_ws4py, name)

        def spy(*args, name=name, function=function, **kwargs):
            calls.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(wsfast_ws4py, name, spy)

    class Handler(WebSocket):
        def received_message(self, message):
            self.send(str(message))

    with patched(integration):
        text = MIXED.encode()
        socket = Socket([frame(FIN | TEXT, text, masked=True)])
        Handler(socket).run()
        assert socket.sent == frame(FIN | TEXT, text, masked=False)
        assert calls == [
            *("split_frames", "is_valid_utf8", "decode_utf8"),
            *("encode_utf8", "serialize_frame"),
        ]
        calls.clear()
        wires = frame(TEXT, b"abc", masked=True), frame(FIN | CONT, b"def", masked=True)
        Handler(Socket(wires)).run()
        assert calls[:3] == ["Utf8Validator", "apply_mask", "apply_mask"]
        assert len(integration.in_place()) == len(integration.seams)


def test_unpatch_restores_the_very_objects():
    from ws4py import framing, messaging, streaming

    def owned():
        return [
            streaming.Utf8Validator,
            *vars(streaming.Stream).items(),
            *vars(framing.Frame).items(),
            *vars(messaging.Message).items(),
            *vars(messaging.TextMessage).items(),
        ]

    before = owned()
    with patched(integration):
        assert len([1 for a, b in zip(owned(), before, strict=True) if a != b]) == 8
    assert owned() == before


def test_a_connection_survives_patch_and_unpatch():
    wire = frame(FIN | TEXT, MIXED.encode(), masked=True)
    seen = []
    websocket = connection(Socket([wire] * 3), True, seen=seen)
    with patched(integration):
        while len(seen) < 1:
            assert websocket.once()
    while len(seen) < 2:
        assert websocket.once()
    with patched(integration):
        while len(seen) < 3:
            assert websocket.once()
    assert [message[1]["data"][1].decode() for message in seen] == [MIXED] * 3


def test_a_client_agrees_with_a_server_without_wsfast(peer):
    port = int(peer("websockets-server").stdout.readline())
    received = Queue()

    class Client(WebSocketClient):
        def received_message(self, message):
            received.put(str(message) if message.is_text else message.data)

    with patched(integration):
        client = Client(f"ws://127.0.0.1:{port}/")
        client.connect()
        for message in MESSAGES:
            client.send(message, binary=isinstance(message, bytes))
            assert received.get(timeout=60) == message
        client.send(part for part in ["frag", "ments: ", MIXED])
        assert received.get(timeout=60) == "fragments: " + MIXED
        client.close()
        client._th.join(60)
        client.close_connection()


SERVER = """\
import sys
from importlib import import_module

if sys.argv[1] == "gevent":
    from gevent import monkey
    monkey.patch_all()
from wsfast.integrations import ws4py
assert ws4py.patch()

from ws4py.server.wsgiutils import WebSocketWSGIApplication
from ws4py.websocket import WebSocket

class Echo(WebSocket):
    def received_message(self, message):
        self.send(str(message) if message.is_text else message.data, message.is_binary)

application = WebSocketWSGIApplication(handler_cls=Echo)
if sys.argv[1] == "gevent":
    from ws4py.server.geventserver import WSGIServer
    server = WSGIServer(("127.0.0.1", 0), application, log=None)
    server.start()
else:
    from wsgiref.simple_server import make_server
    from ws4py.server.wsgirefserver import WSGIServer, WebSocketWSGIRequestHandler
    server = make_server("127.0.0.1", 0, application, WSGIServer, WebSocketWSGIRequestHandler)
    server.initialize_websockets_manager()
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize("kind", ["wsgiref", "gevent"])
def test_a_server_agrees_with_a_client_without_wsfast(kind, peer):
    command = [sys.executable, "-c", SERVER, kind]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            port = int(server.stdout.readline())
            assert peer("websockets-client", port).stdout.read() == "ok\n"
        finally:
            server.kill()


def test_patching_imports_nothing():
    program = (
        "import sys\n"
        "from wsfast.integrations import ws4py\n"
        "assert ws4py.patch()\n"
        "assert 'ws4py' not in sys.modules\n"
        "import ws4py.streaming\n"
        "assert len(ws4py.integration.in_place()) == len(ws4py.integration.seams)\n"
    ).replace("import ws4py.streaming", "from ws4py import streaming as _")
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_streams_reach_every_kind_of_end(logged):
    """The corpus above is worth something: it ends in all the ways there are."""
    ends = {lived([wire], True, logged)[1][-1][0] for wire in WIRES[True].values()}
    assert ends >= {1000, 1005, 1006}
    codes = {lived([wire], True, logged)[2][-2:] for wire in WIRES[True].values()}
    assert len(codes) > 3
