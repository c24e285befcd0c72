"""Messages and control frames over an open connection, in both roles."""

import doctest
import sys
import tracemalloc
from array import array

import pytest
from connections import Codec, ConnectionPair, Peer, in_one_call
from wires import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, TEXTS

from wsfast.exceptions import ConnectionClosed, StateError
from wsfast.frames import Ping, Pong
from wsfast.protocol import connection as module
from wsfast.protocol.connection import Connection, State
from wsfast.rfc6455 import Opcode, Role

NOT_UTF8 = b"caf\xe9"


def test_the_example_of_the_docstring():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


class TestBeginning:
    def test_it_begins_open_and_silent(self, connection):
        assert connection.state is State.OPEN
        assert connection.data_to_send() == b""
        assert not connection.must_disconnect
        assert not connection.lingers
        assert connection.failure is None
        assert connection.latency is None

    def test_a_role_is_a_role(self):
        with pytest.raises(TypeError, match=r"role must be Role.CLIENT or Role.SERVER"):
            Connection("server")

    @pytest.mark.parametrize(
        "name", ["ping_interval", "ping_timeout", "close_timeout", "idle_timeout"]
    )
    @pytest.mark.parametrize("value", [0, -1.0, float("nan")])
    def test_a_time_is_above_0(self, role, name, value):
        with pytest.raises(ValueError, match=f"{name} must be above 0 seconds, or None"):
            Connection(role, **{name: value})

    def test_an_idle_connection_is_small(self, role):
        Connection(role)
        tracemalloc.start()
        connections = [Connection(role, now=float(i)) for i in range(500)]
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 1500 * len(connections)

    def test_it_is_as_small_after_it_was_busy(self, role):
        connection = Connection(role)
        for _ in range(1000):
            connection.send("x" * 1000)
            connection.ping()
        connection.data_to_send()
        connection.handle(Pong([*connection.pings][-1]), 1.0)
        assert sys.getsizeof(connection.pings) == sys.getsizeof({})
        assert connection.data_to_send() == b""

    def test_it_has_no_dict(self, role):
        with pytest.raises(AttributeError):
            Connection(role).anything = 1


class TestReceiving:
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_a_text_message_is_a_str(self, peer, text):
        assert peer.says(TEXT, text.encode()) == [text]

    def test_a_binary_message_is_bytes(self, peer):
        assert peer.says(BINARY, NOT_UTF8) == [NOT_UTF8]

    def test_text_is_bytes_where_that_is_asked_for(self, connect):
        peer = connect(decode=False)
        assert peer.says(TEXT, b"caf\xc3\xa9") == [b"caf\xc3\xa9"]

    def test_a_message_in_fragments_with_a_ping_between(self, peer):
        assert peer.says(TEXT, b"Hel", fin=False) == []
        assert peer.says(PING, b"?") == [Ping(b"?")]
        assert peer.says(CONTINUATION, b"lo") == ["Hello"]
        assert peer.hears() == [(PONG, b"?")]

    def test_all_of_a_read_comes_in_order(self, peer):
        assert peer.sends(
            peer.frame(TEXT, b"one"),
            peer.frame(PING, b"!"),
            peer.frame(BINARY, b"two"),
            peer.frame(PONG, b"?"),
            peer.frame(TEXT, b"three"),
        ) == ["one", Ping(b"!"), b"two", Pong(b"?"), "three"]

    def test_bytes_of_every_kind_are_read(self, role):
        connection = Connection(role)
        wire = Peer(connection, in_one_call).frame(TEXT, b"Hello")
        for data in (wire, bytearray(wire), memoryview(wire), array("B", wire)):
            assert connection.receive_data(data, 1.0) == ["Hello"]

    def test_what_is_not_bytes_is_refused_and_changes_nothing(self, connection, peer):
        with pytest.raises(TypeError, match="data must be a bytes-like object, not str"):
            connection.receive_data("Hello", 1.0)
        assert peer.says(TEXT, b"Hello") == ["Hello"]

    def test_it_marks_what_was_heard(self, connection, peer):
        assert not connection.heard
        peer.sends(peer.frame(TEXT, b"Hello")[:1])
        assert connection.heard
        assert not connection.active

    def test_it_marks_a_message(self, connection, peer):
        peer.says(PING)
        assert not connection.active
        peer.says(TEXT, b"Hello")
        assert connection.active


class TestPings:
    def test_a_ping_is_answered_by_a_pong_of_the_same_payload(self, peer):
        assert peer.says(PING, b"x" * 125) == [Ping(b"x" * 125)]
        assert peer.hears() == [(PONG, b"x" * 125)]

    def test_ten_pings_are_answered_in_order(self, peer):
        payloads = [b"payload-%d" % i for i in range(10)]
        peer.sends(*(peer.frame(PING, payload) for payload in payloads))
        assert peer.pongs_heard() == payloads

    def test_of_a_flood_of_pings_the_first_and_the_latest_are_answered(self, peer):
        payloads = [b"%d" % i for i in range(10_000)]
        events = peer.sends(*(peer.frame(PING, payload) for payload in payloads))
        assert len(events) == 10_000
        assert peer.pongs_heard() == [*payloads[:63], payloads[-1]]

    def test_after_a_flood_pings_are_answered_as_ever(self, peer):
        peer.sends(*[peer.frame(PING, b"flood")] * 100)
        peer.hears()
        peer.sends(*[peer.frame(PING, b"%d" % i) for i in range(10)])
        assert peer.pongs_heard() == [b"%d" % i for i in range(10)]

    def test_a_flood_does_not_touch_the_messages_between(self, connection, peer):
        connection.send("before")
        peer.sends(*[peer.frame(PING, b"flood")] * 64)
        connection.send("after")
        peer.says(PING, b"latest")
        heard = peer.hears()
        assert [item for item in heard if item[0] == TEXT] == [(TEXT, b"before"), (TEXT, b"after")]
        assert (PONG, b"latest") in heard

    def test_a_ping_has_a_payload_of_its_own_unless_one_is_given(self, connection, peer):
        payloads = [connection.ping(), connection.ping(), connection.ping(b"mine")]
        assert peer.pings_heard() == payloads
        assert len(set(payloads)) == 3
        assert payloads[2] == b"mine"

    def test_a_ping_waits_for_its_pong(self, connection, peer):
        connection.ping(b"?", now=2.0)
        assert connection.pings == {b"?": 2.0}
        assert peer.says(PONG, b"?") == [Pong(b"?")]
        assert connection.pings == {}

    def test_its_pong_tells_the_latency(self, connection, peer):
        connection.ping(b"?", now=2.0)
        peer.now = 2.25
        peer.says(PONG, b"?")
        assert connection.latency == 0.25

    def test_without_the_time_there_is_no_latency(self, connection, peer):
        connection.ping(b"?")
        peer.says(PONG, b"?")
        assert connection.latency is None
        assert connection.pings == {}

    def test_a_pong_answers_the_pings_before_it_too(self, connection, peer):
        # Section 5.5.3: an endpoint may answer only the most recent ping.
        for now, payload in enumerate([b"1", b"2", b"3"]):
            connection.ping(payload, now=float(now))
        peer.now = 5.0
        peer.says(PONG, b"2")
        assert connection.pings == {b"3": 2.0}
        assert connection.latency == 4.0

    def test_an_unsolicited_pong_means_nothing(self, connection, peer):
        connection.ping(b"?", now=1.0)
        assert peer.says(PONG, b"!") == [Pong(b"!")]
        assert connection.pings == {b"?": 1.0}
        assert connection.latency is None
        peer.hears()
        assert peer.says(TEXT, b"Hello") == ["Hello"]
        assert peer.hears() == []

    def test_the_same_ping_twice_is_answered_once(self, connection, peer):
        connection.ping(b"same", now=1.0)
        connection.ping(b"other", now=2.0)
        connection.ping(b"same", now=3.0)
        peer.now = 4.0
        peer.says(PONG, b"same")
        assert connection.pings == {b"other": 2.0}
        assert connection.latency == 3.0

    def test_an_unsolicited_pong_may_be_sent(self, connection, peer):
        connection.pong()
        connection.pong(bytearray(b"I live"))
        assert peer.pongs_heard() == [b"", b"I live"]

    @pytest.mark.parametrize("name", ["ping", "pong"])
    def test_a_payload_of_more_than_125_bytes_is_refused(self, connection, peer, name):
        with pytest.raises(ValueError, match="126 bytes, and at most 125 are allowed"):
            getattr(connection, name)(b"x" * 126)
        assert peer.hears() == []
        assert connection.pings == {}

    @pytest.mark.parametrize("name", ["ping", "pong"])
    def test_a_payload_that_is_not_bytes_is_refused(self, connection, name):
        with pytest.raises(TypeError, match="payload must be a bytes-like object, not str"):
            getattr(connection, name)("text")


class TestSending:
    @pytest.mark.parametrize(
        ("message", "text", "heard"),
        [
            ("é", None, (TEXT, b"\xc3\xa9")),
            ("é", True, (TEXT, b"\xc3\xa9")),
            ("é", False, (BINARY, b"\xc3\xa9")),
            (b"\xc3\xa9", None, (BINARY, b"\xc3\xa9")),
            (b"\xc3\xa9", False, (BINARY, b"\xc3\xa9")),
            (b"\xc3\xa9", True, (TEXT, b"\xc3\xa9")),
            (bytearray(b"ab"), None, (BINARY, b"ab")),
            (memoryview(b"ab"), True, (TEXT, b"ab")),
            ("", None, (TEXT, b"")),
            (b"", None, (BINARY, b"")),
        ],
    )
    @pytest.mark.parametrize("codec", [None, Codec], ids=["plain", "deflate"])
    def test_a_message_is_text_or_binary(self, connect, codec, message, text, heard):
        peer = connect(deflate=codec and codec())
        connection = peer.connection
        connection.send(message, text=text)
        assert peer.hears() == [heard]

    def test_what_waits_is_handed_out_once_and_in_order(self, connection, peer):
        connection.send("one")
        connection.ping(b"two")
        connection.send(b"three")
        connection.pong(b"four")
        assert peer.hears() == [(TEXT, b"one"), (PING, b"two"), (BINARY, b"three"), (PONG, b"four")]
        assert connection.data_to_send() == b""

    def test_a_client_masks_with_a_new_key_each_time(self, role):
        connection = Connection(role)
        wires = set()
        for _ in range(10):
            connection.send("Hello")
            wires.add(connection.data_to_send())
        assert len(wires) == (10 if role is Role.CLIENT else 1)

    def test_it_marks_a_message(self, connection):
        connection.ping()
        assert not connection.active
        connection.send("Hello")
        assert connection.active

    @pytest.mark.parametrize("text", [None, False, True])
    def test_what_is_no_message_is_refused(self, connection, peer, text):
        with pytest.raises(TypeError, match="message must be a bytes-like object, not int"):
            connection.send(1, text=text)
        assert peer.hears() == []

    @pytest.mark.parametrize("text", [None, False, True])
    def test_text_with_a_surrogate_is_refused(self, connection, peer, text):
        with pytest.raises(UnicodeEncodeError):
            connection.send("\ud800", text=text)
        assert peer.hears() == []

    @pytest.mark.parametrize("codec", [None, Codec], ids=["plain", "deflate"])
    def test_bytes_that_are_not_utf8_are_refused_as_text(self, connect, codec):
        peer = connect(deflate=codec and codec())
        connection = peer.connection
        with pytest.raises(ValueError, match="to be sent as text are not UTF-8"):
            connection.send(NOT_UTF8, text=True)
        assert peer.hears() == []
        connection.send(NOT_UTF8)
        assert peer.hears() == [(BINARY, NOT_UTF8)]


class TestFragments:
    def test_a_message_in_pieces(self, connection, peer):
        connection.send_fragment("Hel", last=False)
        connection.send_fragment("lo", last=False)
        connection.send_fragment("", last=True)
        assert peer.hears_frames() == [
            (TEXT, b"Hel"),
            (CONTINUATION, b"lo"),
            (FIN | CONTINUATION, b""),
        ]

    def test_a_message_of_one_piece_is_a_message(self, connection, peer):
        connection.send_fragment(b"all", last=True)
        connection.send_fragment("all", last=True)
        assert peer.hears_frames() == [(FIN | BINARY, b"all"), (FIN | TEXT, b"all")]

    def test_the_first_piece_names_the_type(self, connection, peer):
        assert connection.fragmenting is None
        connection.send_fragment(b"a", last=False)
        assert connection.fragmenting is Opcode.BINARY
        with pytest.raises(TypeError, match="its fragments must be alike"):
            connection.send_fragment("b", last=False)
        connection.send_fragment(b"c", last=True)
        assert connection.fragmenting is None
        assert peer.hears() == [(BINARY, b"a"), (CONTINUATION, b"c")]

    def test_text_may_be_sent_as_binary_and_bytes_as_text(self, connection, peer):
        connection.send_fragment("a", last=False, text=False)
        connection.send_fragment("b", last=True, text=False)
        connection.send_fragment(b"a", last=False, text=True)
        connection.send_fragment("b", last=True, text=True)
        assert peer.hears() == [
            (BINARY, b"a"),
            (CONTINUATION, b"b"),
            (TEXT, b"a"),
            (CONTINUATION, b"b"),
        ]

    def test_bytes_of_a_text_may_be_cut_inside_a_character(self, connection, peer):
        for _ in range(2):
            connection.send_fragment(b"\xe2\x82", last=False, text=True)
            connection.send_fragment(b"\xac", last=True, text=True)
            assert peer.hears() == [(TEXT, b"\xe2\x82"), (CONTINUATION, b"\xac")]

    def test_bytes_may_follow_text(self, connection, peer):
        connection.send_fragment("a", last=False)
        connection.send_fragment(b"b", last=True, text=True)
        assert peer.hears() == [(TEXT, b"a"), (CONTINUATION, b"b")]

    @pytest.mark.parametrize(
        "pieces",
        [[b"\xe2\x82", b"a"], [b"\xe2\x82", "a"], [b"a", b"\xff"]],
        ids=["cut short", "cut short by text", "bad byte"],
    )
    def test_bytes_that_are_not_utf8_are_refused_as_text(self, connection, peer, pieces):
        first, second = pieces
        connection.send_fragment(first, last=False, text=True)
        with pytest.raises(ValueError, match="to be sent as text are not UTF-8"):
            connection.send_fragment(second, last=False, text=True)
        assert peer.hears() == [(TEXT, first)]

    def test_a_text_must_not_end_inside_a_character(self, connection, peer):
        connection.send_fragment(b"a", last=False, text=True)
        with pytest.raises(ValueError, match="to be sent as text are not UTF-8"):
            connection.send_fragment(b"\xe2\x82", last=True, text=True)
        assert peer.hears() == [(TEXT, b"a")]

    @pytest.mark.parametrize("piece", [b"\xac", b"a", "a", b""])
    def test_a_text_that_was_spoiled_cannot_be_mended(self, connection, peer, piece):
        connection.send_fragment(b"a", last=False, text=True)
        with pytest.raises(ValueError, match="are not UTF-8"):
            connection.send_fragment(b"\xe2\x82", last=True, text=True)
        with pytest.raises(ValueError, match="are not UTF-8"):
            connection.send_fragment(piece, last=True, text=True)
        connection.close(1011)
        assert peer.hears() == [(TEXT, b"a"), (CLOSE, b"\x03\xf3")]

    def test_a_first_piece_that_is_refused_was_never_there(self, connection, peer):
        with pytest.raises(ValueError, match="are not UTF-8"):
            connection.send_fragment(b"\xff", last=False, text=True)
        connection.send("Hello")
        connection.send_fragment(b"a", last=False, text=True)
        assert peer.hears() == [(TEXT, b"Hello"), (TEXT, b"a")]

    def test_control_frames_may_come_between(self, connection, peer):
        connection.send_fragment("a", last=False)
        connection.ping(b"?")
        peer.says(PING, b"!")
        connection.send_fragment("b", last=True)
        assert peer.hears() == [(TEXT, b"a"), (PING, b"?"), (PONG, b"!"), (CONTINUATION, b"b")]

    def test_another_message_may_not(self, connection, peer):
        connection.send_fragment("a", last=False)
        with pytest.raises(StateError, match="a message is being sent in fragments"):
            connection.send("another")
        connection.send_fragment("b", last=True)
        connection.send("another")
        assert peer.hears() == [(TEXT, b"a"), (CONTINUATION, b"b"), (TEXT, b"another")]

    def test_a_close_frame_may_cut_it_off(self, connection, peer):
        connection.send_fragment("a", last=False)
        connection.close()
        with pytest.raises(ConnectionClosed):
            connection.send_fragment("b", last=True)
        assert peer.hears() == [(TEXT, b"a"), (CLOSE, b"\x03\xe8")]

    def test_it_marks_a_message(self, connection):
        connection.send_fragment("a", last=False)
        assert connection.active


def test_two_connections_talk(pair):
    pair.client.send("question")
    pair.client.ping(b"?", now=0.0)
    pair.now = 0.5
    pair.settle()
    assert pair.events[pair.server] == ["question", Ping(b"?")]
    assert pair.events[pair.client] == [Pong(b"?")]
    assert pair.client.latency == 0.5
    pair.server.send(b"answer")
    pair.settle()
    assert pair.events[pair.client] == [Pong(b"?"), b"answer"]


def test_a_pair_ends_together():
    pair = ConnectionPair(in_one_call)
    pair.end()
    assert pair.is_closed
