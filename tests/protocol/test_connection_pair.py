"""Whatever two connections do, in whatever order: they stay lawful, and they end.

And whatever a peer sends: a connection takes it alike, however it is read.
"""

from itertools import pairwise

import pytest
from connections import READINGS, RSV1, Codec, Peer, other
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import binaries, cut_wires, texts

from wsfast.exceptions import ConnectionClosed, ProtocolError, StateError
from wsfast.frames import FrameParser
from wsfast.protocol.connection import Connection, State
from wsfast.rfc6455 import Opcode, Role

ORDER = list(State)


class End:
    """One end of the wire, and all that was ever seen of it."""

    def __init__(self, role, reading, **options):
        self.connection = Connection(role, **options)
        self.peer = None
        self.sent = []  # whole messages
        self.received = []
        self.pieces = []  # of the message that is being sent in fragments
        self.on_its_way = b""
        self.spoken = b""
        self.state = State.OPEN
        self._reading = reading

    def speak(self):
        data = self.connection.data_to_send()
        self.on_its_way += data
        self.spoken += data

    def deliver(self, size, now):
        """Let so many bytes arrive at the peer."""
        self.speak()
        data, self.on_its_way = self.on_its_way[:size], self.on_its_way[size:]
        self.peer.read(data, now)

    def read(self, data, now):
        self._reading(self.connection, data, now, self._see)

    def _see(self, event):
        if isinstance(event, (str, bytes)):
            self.received.append(event)

    def send(self, message, now):
        try:
            self.connection.send(message)
        except StateError:
            assert self.pieces
        else:
            self.sent.append(message)

    def send_piece(self, argument, now):
        piece, last = argument
        try:
            self.connection.send_fragment(piece, last=last)
        except TypeError:
            assert type(piece) is not type(self.pieces[0])
            return
        self.pieces.append(piece)
        if last:
            self.sent.append(type(piece)().join(self.pieces))
            self.pieces = []

    def ping(self, payload, now):
        self.connection.ping(payload, now=now)

    def pong(self, payload, now):
        self.connection.pong(payload)

    def close(self, code, now):
        self.connection.close(code)

    def fail(self, text, now):
        self.connection.fail(ProtocolError("test", text))

    def end_tcp(self, argument, now):
        self.connection.receive_eof()

    def check(self):
        """Hold it to what is always true."""
        connection = self.connection
        assert ORDER.index(connection.state) >= ORDER.index(self.state)
        self.state = connection.state
        if connection.close_sent or connection.close_received or connection.failure:
            assert self.state is not State.OPEN
            assert connection.received_first is not None
        if self.state is State.CLOSED:
            assert connection.deadline is None
        if self.state is State.CLOSED or connection.timed_out:
            assert connection.must_disconnect
        assert self.received == self.peer.sent[: len(self.received)]

    def check_what_it_spoke(self):
        parser = FrameParser(other(self.connection.role), max_frame_size=None, allowed_rsv=RSV1)
        opcodes = [frame.opcode for frame in parser.feed(self.spoken)]
        assert Opcode.CLOSE not in opcodes[:-1]
        assert (Opcode.CLOSE in opcodes) == (self.connection.close_sent is not None)


def live(reading, steps, deflate, **options):
    """Take all the steps, then close, read and wait until both are at their end."""
    client, server = ends = [
        End(role, reading, deflate=Codec() if deflate else None, **options) for role in Role
    ]
    client.peer, server.peer = server, client
    now = 0.0
    for index, name, argument in steps:
        end = ends[index]
        if name == "tick":
            now += argument
            end.connection.tick(now)
        else:
            try:
                getattr(end, name)(argument, now)
            except ConnectionClosed:
                assert end.state is not State.OPEN
        client.check()
        server.check()
    client.connection.close()
    for _ in range(10):
        for end in ends:
            end.deliver(1 << 30, now)
        for end in ends:
            if end.connection.must_disconnect:
                end.deliver(1 << 30, now)
                end.connection.receive_eof()
                end.peer.connection.receive_eof()
            if end.connection.deadline is not None:
                now = max(now, end.connection.deadline)
                end.connection.tick(now)
            end.check()
        if client.state is server.state is State.CLOSED:
            break
    client.check_what_it_spoke()
    server.check_what_it_spoke()
    return client, server


def actions(**arguments):
    return [
        st.tuples(st.integers(0, 1), st.just(name), argument)
        for name, argument in arguments.items()
    ]


def mostly_open(usual, last):
    """Many steps of an open connection, then some of one that may be about to end."""
    return st.builds(
        lambda before, after: before + after,
        st.lists(st.one_of(usual), max_size=20),
        st.lists(st.one_of(usual + last), max_size=20),
    )


usual = actions(
    send=st.one_of(texts, binaries),
    send_piece=st.tuples(st.sampled_from(["", "a", "é" * 50, b"", b"\xff" * 9]), st.booleans()),
    ping=st.binary(max_size=125),
    pong=st.binary(max_size=125),
    deliver=st.one_of(st.integers(0, 30), st.just(1 << 20)),
    tick=st.floats(0, 5),
)
closing = actions(close=st.sampled_from([1000, 1001, 1005, 4999]))
rough = actions(fail=st.text(max_size=200), end_tcp=st.none(), tick=st.floats(0, 50))

# The fixture says how to read, and has no state.
own_settings = settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@own_settings
@given(steps=mostly_open(usual, closing))
def test_closing_in_peace_loses_no_message(reading, deflate, steps):
    client, server = live(
        reading, steps, deflate, ping_timeout=None, close_timeout=None, max_size=None
    )
    for end in (client, server):
        connection, peer = end.connection, end.peer.connection
        assert connection.state is State.CLOSED
        assert connection.closed().clean
        assert connection.failure is None
        assert connection.close_received == peer.close_sent
        assert end.received == end.peer.sent
    assert not (client.connection.received_first and server.connection.received_first)


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@own_settings
@given(steps=mostly_open(usual, closing + rough))
def test_whatever_happens_both_end(reading, deflate, steps):
    client, server = live(reading, steps, deflate, idle_timeout=60.0)
    for end in (client, server):
        connection, peer = end.connection, end.peer.connection
        assert connection.state is State.CLOSED
        assert connection.close_received in (None, peer.close_sent)
        assert connection.closed().code == (
            1006 if connection.close_received is None else connection.close_received.code
        )
    assert not (client.connection.received_first and server.connection.received_first)


@own_settings
@given(
    role_and_wire=st.sampled_from(Role).flatmap(
        lambda role: st.tuples(st.just(role), cut_wires(role, RSV1))
    ),
    decode=st.booleans(),
)
def test_a_hostile_peer_is_read_alike_in_one_call_and_in_parts(role_and_wire, decode):
    role, (wire, places) = role_and_wire
    ends = []
    for reading in READINGS:
        connection = Connection(role, deflate=Codec(), max_size=3000, decode=decode)
        peer, events = Peer(connection, reading), []
        for start, end in pairwise([0, *sorted(places), len(wire)]):
            events += peer.sends(wire[start:end])
        failure = connection.failure and connection.failure.reason
        heard = peer.hears()
        assert (connection.state is State.OPEN) == (connection.close_sent is None)
        ends.append((events, heard, failure, connection.close_received, connection.active))
    assert ends[0] == ends[1]
