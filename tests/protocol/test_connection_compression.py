"""Messages that travel compressed (RFC 7692), as far as a connection has to do with it."""

import pytest
from connections import RSV1, Codec, other
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import binaries, texts
from wires import BINARY, CONTINUATION, FIN, TEXT, TEXTS

from wsfast.exceptions import StateError
from wsfast.frames import CompressedMessage
from wsfast.protocol.connection import Connection, State
from wsfast.protocol.deflate import Deflate
from wsfast.rfc6455 import Opcode, Role


def negotiated(**options):
    """What a client and a server agree on that want the same."""
    deflate = Deflate(**options)
    _, parameters = deflate.accept(deflate.offer())
    return parameters


class TestCompression:
    @pytest.mark.parametrize("message", ["Hello " * 10, b"Hello " * 10])
    def test_a_message_travels_compressed(self, reading, message):
        client = Connection(Role.CLIENT, deflate=Codec())
        server = Connection(Role.SERVER, deflate=Codec())
        client.send(message)
        wire = client.data_to_send()
        assert wire[0] & RSV1
        assert len(wire) < len(message)
        events = []
        reading(server, wire, 1.0, events.append)
        assert events == [message]
        assert server.active

    def test_a_message_below_the_threshold_is_sent_as_it_is(self, connect):
        peer = connect(deflate=Codec())
        connection = peer.connection
        connection.send("x" * 9)
        connection.send("x" * 10)
        plain, compressed = peer.hears_frames()
        assert plain == (FIN | TEXT, b"x" * 9)
        assert compressed[0] == FIN | RSV1 | TEXT

    def test_of_fragments_the_first_is_marked(self, connect):
        peer = connect(deflate=Codec())
        connection = peer.connection
        for piece, last in (("one", False), ("two", False), ("three", True)):
            connection.send_fragment(piece, last=last)
        frames = peer.hears_frames()
        assert [first for first, _ in frames] == [RSV1 | TEXT, CONTINUATION, FIN | CONTINUATION]
        joined = b"".join(payload for _, payload in frames)
        assert Codec().decompress(joined, None) == b"onetwothree"

    def test_plain_and_compressed_messages_may_alternate(self, role, reading):
        sender = Connection(other(role), deflate=Codec())
        receiver = Connection(role, deflate=Codec())
        messages = ["short", "l" * 100, b"", b"x" * 100, "l" * 100]
        for message in messages:
            sender.send(message)
        events = []
        reading(receiver, sender.data_to_send(), 1.0, events.append)
        assert events == messages

    def test_text_is_bytes_where_that_is_asked_for(self, connect):
        peer = connect(deflate=Codec(), decode=False)
        payload = Codec().compress("café".encode())
        assert peer.says(TEXT, payload, rsv=RSV1) == ["café".encode()]

    def test_without_a_limit_any_size_is_inflated(self, connect):
        peer = connect(deflate=Codec(), max_size=None)
        payload = Codec().compress(bytes(1 << 21))
        assert peer.says(BINARY, payload, rsv=RSV1) == [bytes(1 << 21)]

    def test_a_compressed_message_needs_a_codec(self, role):
        with pytest.raises(StateError, match="compressed message, but no codec"):
            Connection(role).handle(CompressedMessage(Opcode.TEXT, b""), 1.0)


def test_an_echo_between_two_connections_that_compress(reading):
    client = Connection(Role.CLIENT, deflate=Codec())
    server = Connection(Role.SERVER, deflate=Codec())
    texts = list(TEXTS.values())
    for text in texts:
        client.send(text)
    reading(server, client.data_to_send(), 1.0, server.send)
    events = []
    reading(client, server.data_to_send(), 2.0, events.append)
    assert events == texts


class TestRealCodecs:
    @pytest.fixture(
        params=[
            {},
            {"server_no_context_takeover": True, "client_no_context_takeover": True},
            {"server_max_window_bits": 9, "client_max_window_bits": 9, "threshold": 0},
        ],
        ids=["default", "no takeover", "small windows"],
    )
    def ends(self, request):
        """A client and a server, by their roles."""
        parameters = negotiated(**request.param)
        return {
            role: Connection(role, deflate=parameters.codec(role), ping_interval=20)
            for role in Role
        }

    def test_messages_of_all_kinds(self, ends, role, reading):
        sender, receiver = ends[other(role)], ends[role]
        messages = [*TEXTS.values(), bytes(100_000), b"", *TEXTS.values()]
        for message in messages:
            sender.send(message)
        sender.send_fragment("in ", last=False)
        sender.send_fragment("pieces " * 100, last=False)
        sender.send_fragment("", last=True)
        events = []
        reading(receiver, sender.data_to_send(), 1.0, events.append)
        assert events == [*messages, "in " + "pieces " * 100]

    def test_messages_after_a_long_silence(self, ends, role, reading):
        sender, receiver = ends[other(role)], ends[role]
        events = []
        for now in range(20, 200, 20):
            for connection in ends.values():
                connection.heard = True
                connection.tick(float(now))  # most find it idle: the codecs give up memory
                connection.data_to_send()
            if now % 60 == 0:
                sender.send("the same again and again " * 10)
                reading(receiver, sender.data_to_send(), float(now), events.append)
        assert events == ["the same again and again " * 10] * 3

    def test_a_bomb_is_not_inflated(self, ends, role, reading):
        sender, receiver = ends[other(role)], ends[role]
        sender.send(bytes((1 << 20) + 1))
        wire = sender.data_to_send()
        assert len(wire) < 1 << 16
        events = []
        reading(receiver, wire, 1.0, events.append)
        assert events == []
        assert receiver.failure.reason == "message_too_big"
        assert receiver.state is State.CLOSING


@pytest.mark.parametrize("takeover", [True, False])
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(st.one_of(texts, binaries), max_size=8), cut=st.integers(1, 5000))
def test_any_messages_survive(role, reading, takeover, messages, cut):
    parameters = negotiated(
        server_no_context_takeover=not takeover, client_no_context_takeover=not takeover
    )
    sender = Connection(other(role), deflate=parameters.codec(other(role)))
    receiver = Connection(role, deflate=parameters.codec(role))
    for message in messages:
        sender.send(message)
    wire, events = sender.data_to_send(), []
    for start in range(0, len(wire), cut):
        reading(receiver, wire[start : start + cut], 1.0, events.append)
    assert events == messages
