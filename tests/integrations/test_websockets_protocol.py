"""The sans-I/O protocol of websockets, patched, against itself unpatched.

It is compared step by step over every stream of ``streams.py``, however it is cut.
"""

import importlib
import logging
from itertools import product
from unittest.mock import patch as mock

import pytest
from histories import SIDES, Log, both, deflate, error, histories, history, shown, state
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import patched
from peers import MIXED
from streams import BINARY, CLOSE, CONT, FIN, PING, RSV1, TEXT, cuts, frame, streams
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from wsfast.integrations import _websockets_protocol
from wsfast.integrations.websockets import integration


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
@pytest.mark.parametrize("name", streams(True))
def test_a_protocol_takes_the_same_steps(name, side):
    wire = streams(side is Side.SERVER)[name]

    def make():
        return Protocol(side, max_size=None)

    both(*histories(make, cuts(wire)))


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

    def written(level):
        logs = Log(level)
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

    both(lambda: written(logging.DEBUG), lambda: written(logging.INFO))


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


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
def test_faults_that_are_injected_where_the_library_unpacks_are_met(side):
    """What replaces ``struct.unpack`` is called, as the library would have called it."""

    def broken():
        protocol = Protocol(side)
        with mock("struct.unpack", side_effect=RuntimeError("BOOM")):
            protocol.receive_data(frame(FIN | TEXT, b"Hello", masked=side is Side.SERVER))
        return state(protocol)

    assert both(broken)["parser error"] == (RuntimeError, "BOOM", ("BOOM",), None)


def test_every_frame_of_a_client_has_a_key_of_its_own():
    with patched(integration):
        protocol = Protocol(Side.CLIENT)
        for _ in range(3):
            protocol.send_text(b"Hello")
            protocol.send_binary(b"Hello")
            protocol.send_ping(b"Hello")
        keys = {write[2:6] for write in protocol.data_to_send()}
    assert len(keys) == 9


@pytest.mark.parametrize(
    "data", [b"", b"Hello", b"x" * 65_537, bytearray(b"abc"), memoryview(b"abcdef")[::2], "abc", 3]
)
@pytest.mark.parametrize("key", [b"\x11\x22\x33\x44", bytearray(4), b"abc", b"", "abcd", None])
@pytest.mark.parametrize("module", ["websockets.speedups", "websockets.utils"])
def test_a_mask_is_applied_the_same(data, key, module):
    original = importlib.import_module(module).apply_mask
    replacement = _websockets_protocol.apply_mask(original, None)
    for options in ((data, key), {"data": data, "mask": key}):
        arguments, named = (options, {}) if isinstance(options, tuple) else ((), options)
        found = []
        for function in (original, replacement):
            try:
                result = function(*arguments, **named)
                found.append((type(result), result))
            except Exception as exc:
                found.append(error(exc))
        assert found[0] == found[1]
