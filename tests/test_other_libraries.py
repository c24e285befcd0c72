"""Judges that this project did not write: what other libraries write is understood, and what is
written here they understand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import messages, roles
from websocket import ABNF
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from wsfast.frames.received import Close, Ping, Pong
from wsfast.rfc6455 import Role

KINDS = {Ping: Opcode.PING, Pong: Opcode.PONG, Close: Opcode.CLOSE}

controls = st.builds(
    lambda kind, payload: kind(payload), st.sampled_from([Ping, Pong]), st.binary(max_size=125)
)
closes = st.builds(Close, st.sampled_from([1000, 1001, 1011, 3000, 4999]), st.text(max_size=30))
places = st.lists(st.integers(0, 1 << 17), max_size=4)


@st.composite
def conversations(draw):
    """Frames as (opcode, payload, fin), a few messages long, and what they say in the end."""
    frames, said = [], []
    for message in draw(st.lists(messages, max_size=4)):
        opcode, payload = (1, message.encode()) if isinstance(message, str) else (2, message)
        cuts = sorted({place % (len(payload) or 1) for place in draw(places)} | {0})
        for start, end in zip(cuts, [*cuts[1:], len(payload)], strict=True):
            if draw(st.booleans()):
                control = draw(controls)
                frames.append((KINDS[type(control)], control.payload, True))
                said.append(control)
            frames.append((0 if start else opcode, payload[start:end], end == len(payload)))
        said.append(message)
    close = draw(closes)
    return [*frames, (8, close.to_payload(), True)], [*said, close]


def written_by_websockets(frames, masked):
    return b"".join(
        Frame(Opcode(opcode), payload, fin).serialize(mask=masked)
        for opcode, payload, fin in frames
    )


def read_by_websockets(wire, role):
    protocol = Protocol(Side[role.name], max_size=None)
    protocol.receive_data(wire)
    assert protocol.parser_exc is None
    return [(frame.opcode, bytes(frame.data), frame.fin) for frame in protocol.events_received()]


def written_by_websocket_client(frames):
    return b"".join(
        ABNF.create_frame(payload, opcode, int(fin)).format() for opcode, payload, fin in frames
    )


@given(st.data(), roles, places)
def test_websockets_writes_and_we_read(backend, data, role, cuts):
    frames, said = data.draw(conversations())
    wire = written_by_websockets(frames, masked=role is Role.SERVER)
    assert read(backend, wire, cuts, role) == said


@given(st.data(), places)
def test_websocket_client_writes_and_we_read(backend, data, cuts):
    frames, said = data.draw(conversations())
    wire = written_by_websocket_client(frames)
    assert read(backend, wire, cuts, Role.SERVER) == said


def read(backend, wire, cuts, role):
    decoder = backend.messages.MessageDecoder(role)
    ends = [*sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    received, start = [], 0
    for end in ends:
        received += decoder.feed(wire[start:end])
        start = end
    return received


@given(st.lists(messages, max_size=5), roles, st.one_of(st.none(), st.integers(1, 300)))
def test_we_write_messages_and_websockets_reads(backend, sent, role, fragment_size):
    writer = Role.CLIENT if role is Role.SERVER else Role.SERVER
    encoder = backend.messages.MessageEncoder(writer, fragment_size=fragment_size)
    received = []
    for opcode, payload, fin in read_by_websockets(encoder.encode_all(sent), role):
        if opcode is not Opcode.CONT:
            text, parts = opcode is Opcode.TEXT, b""
        parts += payload
        if fin:
            received.append(parts.decode() if text else parts)
    assert received == sent


@given(st.data(), roles)
def test_we_write_frames_and_websockets_reads(backend, data, role):
    frames, _ = data.draw(conversations())
    key = backend.keys.masking_key() if role is Role.SERVER else None
    wire = b"".join(
        backend.codec.serialize_frame(opcode, payload, fin=fin, key=key)
        for opcode, payload, fin in frames
    )
    assert read_by_websockets(wire, role) == frames


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_the_same_bytes_as_websockets(backend, size):
    payload = bytes(size)
    theirs = Frame(Opcode.BINARY, payload).serialize(mask=False)
    assert backend.codec.serialize_frame(2, payload) == theirs
