"""The closing handshake, and failing a connection (RFC 6455 sections 5.5.1 and 7)."""

import pytest
from connections import RSV1, Codec, ConnectionPair, close_payload, in_one_call
from wires import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

from wsfast.exceptions import ConnectionClosed, InvalidUtf8, MessageTooBig, ProtocolError
from wsfast.frames import Close, Ping
from wsfast.protocol.connection import Connection, State
from wsfast.rfc6455 import CloseCode, Role

MAY_BE_SENT = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
MUST_NOT_BE_SENT = [0, 999, 1004, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535, 65536, -1]


def closed_code(payload):
    return int.from_bytes(payload[:2], "big"), payload[2:].decode()


class TestClosingFirst:
    def test_it_sends_a_close_frame_and_waits_for_the_answer(self, connection, peer):
        connection.close()
        assert connection.state is State.CLOSING
        assert peer.hears() == [(CLOSE, close_payload(1000))]
        assert connection.close_sent == Close(1000)
        assert connection.close_received is None
        assert connection.received_first is False
        assert not connection.must_disconnect

    def test_with_a_code_and_a_reason(self, connection, peer):
        connection.close(4321, "bye €")
        assert peer.hears() == [(CLOSE, close_payload(4321, "bye €"))]
        assert connection.close_sent == Close(4321, "bye €")

    @pytest.mark.parametrize("code", MAY_BE_SENT)
    def test_with_every_code_that_may_be_sent(self, connection, peer, code):
        connection.close(code)
        assert peer.hears() == [(CLOSE, close_payload(code))]

    def test_a_code_of_the_enum_is_a_plain_number_then(self, connection):
        connection.close(CloseCode.GOING_AWAY)
        assert type(connection.close_sent.code) is int

    def test_without_a_code(self, connection, peer):
        connection.close(1005)
        assert peer.hears() == [(CLOSE, b"")]
        assert connection.close_sent == Close(1005)

    def test_behind_what_was_sent_before(self, connection, peer):
        connection.send("last words")
        connection.close()
        assert peer.hears() == [(TEXT, b"last words"), (CLOSE, close_payload(1000))]

    def test_twice_is_once(self, connection, peer):
        connection.close(1001)
        connection.close(1002, "again")
        assert peer.hears() == [(CLOSE, close_payload(1001))]
        connection.close(1003)
        assert peer.hears() == []
        assert connection.close_sent == Close(1001)

    def test_after_the_end_it_is_harmless(self, connection, peer):
        connection.receive_eof()
        connection.close()
        assert peer.hears() == []
        assert connection.state is State.CLOSED

    @pytest.mark.parametrize("code", MUST_NOT_BE_SENT)
    def test_a_code_that_must_not_be_sent_is_refused(self, connection, peer, code):
        with pytest.raises(ValueError, match=f"code {code} must not be sent in a close frame"):
            connection.close(code)
        assert connection.state is State.OPEN
        assert peer.hears() == []

    def test_a_reason_of_123_bytes_is_the_longest(self, connection, peer):
        with pytest.raises(ValueError, match="takes 124 bytes, and there is room for 123"):
            connection.close(1000, "€" * 41 + "x")
        assert connection.state is State.OPEN
        connection.close(1000, "€" * 41)
        assert peer.hears() == [(CLOSE, close_payload(1000, "€" * 41))]

    def test_a_reason_needs_a_code(self, connection):
        with pytest.raises(ValueError, match="code 1005 must not be sent"):
            connection.close(1005, "because")

    def test_a_reason_with_a_surrogate_is_refused(self, connection):
        with pytest.raises(UnicodeEncodeError):
            connection.close(1000, "\ud800")
        assert connection.state is State.OPEN

    @pytest.mark.parametrize(("code", "reason"), [("1000", ""), (1000.0, ""), (1000, b"bye")])
    def test_wrong_types_are_refused(self, connection, code, reason):
        with pytest.raises(TypeError):
            connection.close(code, reason)
        assert connection.state is State.OPEN

    def test_wrong_arguments_are_refused_even_when_it_is_late(self, connection):
        connection.close()
        with pytest.raises(ValueError, match="code 1006 must not be sent"):
            connection.close(1006)

    def test_nothing_can_be_sent_then(self, connection, peer):
        connection.close(1001, "away")
        for late in (
            lambda: connection.send("late"),
            lambda: connection.send_fragment("late", last=True),
            lambda: connection.send_fragment("late", last=False),
            lambda: connection.ping(),
            lambda: connection.pong(),
        ):
            with pytest.raises(ConnectionClosed, match=r"^sent 1001 away$"):
                late()
        assert peer.hears() == [(CLOSE, close_payload(1001, "away"))]

    def test_messages_that_are_still_coming_are_not_lost(self, connection, peer):
        connection.close()
        assert peer.says(TEXT, b"still") == ["still"]
        assert peer.says(BINARY, b"coming", fin=False) == []
        assert peer.says(CONTINUATION, b"!") == [b"coming!"]
        assert peer.closes(1000) == [Close(1000)]

    def test_a_ping_needs_no_pong_then(self, connection, peer):
        connection.close()
        assert peer.says(PING, b"?") == [Ping(b"?")]
        assert peer.hears() == [(CLOSE, close_payload(1000))]

    def test_the_answer_needs_no_answer(self, connection, peer):
        connection.close()
        peer.hears()
        assert peer.closes(1000, "bye") == [Close(1000, "bye")]
        assert peer.hears() == []
        assert connection.received_first is False
        assert connection.close_received == Close(1000, "bye")

    def test_a_peer_that_breaks_a_rule_meanwhile_is_told_nothing_more(self, connection, peer):
        connection.close()
        peer.hears()
        assert peer.says(0x3) == []
        assert connection.failure.reason == "reserved_opcode"
        assert peer.hears() == []
        assert connection.close_sent == Close(1000)


class TestClosingSecond:
    @pytest.mark.parametrize("code", MAY_BE_SENT)
    def test_the_answer_has_the_same_code(self, connection, peer, code):
        assert peer.closes(code, "bye") == [Close(code, "bye")]
        assert peer.hears() == [(CLOSE, close_payload(code))]
        assert connection.close_received == Close(code, "bye")
        assert connection.close_sent == Close(code)
        assert connection.received_first is True

    def test_no_code_is_answered_by_no_code(self, peer):
        assert peer.closes() == [Close(1005)]
        assert peer.hears() == [(CLOSE, b"")]

    def test_it_is_closing_at_once(self, connection, peer):
        peer.closes()
        assert connection.state is State.CLOSING

    def test_whatever_follows_is_discarded(self, connection, peer):
        assert peer.sends(
            peer.frame(CLOSE), peer.frame(TEXT, b"late"), peer.frame(PING), peer.frame(0x3)
        ) == [Close(1005)]
        assert peer.says(TEXT, b"later") == []
        assert peer.closes(1000) == []
        assert peer.hears() == [(CLOSE, b"")]
        assert connection.failure is None

    def test_messages_of_the_same_read_can_be_answered_before(self, role, reading):
        # Autobahn 7.1.2 and its like; section 5.5.1 lets an endpoint finish first.
        connection = Connection(role)
        pair = ConnectionPair(in_one_call)
        sender = pair.client if role is Role.SERVER else pair.server
        sender.send("one")
        sender.send("two")
        sender.close(4000)

        def echo(event):
            if isinstance(event, str):
                connection.send(event)

        reading(connection, sender.data_to_send(), 1.0, echo)
        assert sender.receive_data(connection.data_to_send(), 2.0) == ["one", "two", Close(4000)]

    def test_it_may_be_answered_by_messages_until_our_close_frame_is_handed_out(
        self, connection, peer
    ):
        peer.closes(1000)
        connection.send("wait")
        connection.ping(b"?")
        assert connection.close_sent is None
        assert peer.hears() == [(TEXT, b"wait"), (PING, b"?"), (CLOSE, close_payload(1000))]
        with pytest.raises(ConnectionClosed, match=r"^received 1000; then sent 1000$"):
            connection.send("too late")

    def test_to_close_then_changes_nothing(self, connection, peer):
        peer.closes(4000)
        connection.close(4001)
        assert peer.hears() == [(CLOSE, close_payload(4000))]

    def test_the_answer_goes_out_even_if_tcp_has_ended_meanwhile(self, connection, peer):
        # The peer may have ended its direction only.
        peer.closes(1000)
        connection.receive_eof()
        assert peer.hears() == [(CLOSE, close_payload(1000))]
        assert connection.closed().clean
        assert connection.state is State.CLOSED

    def test_pings_before_it_are_answered(self, peer):
        peer.sends(peer.frame(PING, b"?"), peer.frame(CLOSE))
        assert peer.hears() == [(PONG, b"?"), (CLOSE, b"")]


class TestDisconnecting:
    def test_a_server_disconnects_when_it_has_answered(self, pair):
        pair.client.close()
        pair.carry(pair.client)
        assert not pair.server.must_disconnect
        pair.carry(pair.server)
        assert pair.server.must_disconnect
        assert not pair.server.lingers

    def test_a_server_disconnects_when_it_is_answered(self, pair):
        pair.server.close()
        pair.carry(pair.server)
        assert not pair.server.must_disconnect
        pair.carry(pair.client)
        assert pair.server.must_disconnect

    def test_a_client_leaves_that_to_the_server(self, pair):
        pair.client.close()
        pair.carry(pair.client)
        pair.carry(pair.server)
        assert pair.client.state is State.CLOSING
        assert not pair.client.must_disconnect

    def test_the_end_of_tcp_is_the_end(self, connection):
        connection.receive_eof()
        assert connection.state is State.CLOSED
        assert connection.must_disconnect
        assert not connection.lingers

    def test_nothing_is_received_after_the_end(self, connection, peer):
        connection.receive_eof()
        assert connection.receive_data(peer.frame(TEXT, b"late"), 1.0) == []

    def test_nothing_can_be_sent_after_the_end(self, connection):
        connection.receive_eof()
        with pytest.raises(ConnectionClosed, match="no close frame was received or sent"):
            connection.send("late")

    def test_a_close_frame_that_is_handled_after_the_end_is_still_known(self, role):
        # An adapter may hold back what came behind messages that nobody has asked for yet.
        connection = Connection(role)
        connection.receive_eof()
        connection.handle(Close(4000, "bye"), 1.0)
        assert connection.state is State.CLOSED
        assert connection.closed().code == 4000
        assert connection.received_first is True
        assert connection.data_to_send() == b""

    def test_a_ping_that_is_handled_after_the_end_is_not_answered(self, role):
        connection = Connection(role)
        connection.receive_eof()
        connection.handle(Ping(b"?"), 1.0)
        assert connection.data_to_send() == b""


class TestHowItEnded:
    def test_by_the_peer(self, connection, peer):
        peer.closes(4000, "bye")
        peer.hears()
        connection.receive_eof()
        error = connection.closed()
        assert (error.code, error.reason, error.clean) == (4000, "bye", True)
        assert error.received_first is True
        assert str(error) == "received 4000 bye; then sent 4000"

    def test_by_us(self, connection, peer):
        connection.close(4001, "enough")
        peer.closes(4001)
        connection.receive_eof()
        error = connection.closed()
        assert (error.code, error.clean, error.received_first) == (4001, True, False)
        assert str(error) == "sent 4001 enough; then received 4001"

    def test_by_both_at_once(self, pair):
        pair.client.close(4000)
        pair.server.close(4001)
        pair.settle()
        assert pair.is_closed
        for connection, sent, received in (
            (pair.client, 4000, 4001),
            (pair.server, 4001, 4000),
        ):
            assert connection.close_sent == Close(sent)
            assert connection.close_received == Close(received)
            assert connection.received_first is False

    def test_by_nobody(self, connection):
        # Section 7.1.5: without a close frame it is 1006.
        connection.receive_eof()
        error = connection.closed()
        assert (error.code, error.reason, error.clean) == (1006, "", False)

    def test_by_us_without_an_answer(self, connection, peer):
        connection.close()
        connection.receive_eof()
        error = connection.closed()
        assert (error.code, error.clean, error.sent) == (1006, False, Close(1000))


# What each side may do, by the opcode, payload and options of one frame of the peer.
VIOLATIONS = {
    "reserved opcode": ((0x3,), {}, 1002, "reserved_opcode"),
    "reserved bits": ((TEXT, b"x"), {"rsv": 0x20}, 1002, "reserved_bits"),
    "stray continuation": ((CONTINUATION, b"x"), {}, 1002, "unexpected_continuation"),
    "close code": ((CLOSE, close_payload(1006)), {}, 1002, "close_code"),
    "close of one byte": ((CLOSE, b"\x03"), {}, 1002, "close_payload_too_short"),
    "close reason": ((CLOSE, b"\x03\xe8\xff"), {}, 1007, "invalid_utf8"),
    "text": ((TEXT, b"\xff"), {}, 1007, "invalid_utf8"),
    "size": ((BINARY, bytes(1001)), {}, 1009, "message_too_big"),
}


class TestFailing:
    @pytest.fixture(params=VIOLATIONS.values(), ids=VIOLATIONS)
    def violation(self, request):
        return request.param

    def test_the_peer_is_told_why(self, connect, violation):
        arguments, options, code, rule = violation
        peer = connect(max_size=1000)
        connection = peer.connection
        assert peer.says(*arguments, **options) == []
        assert connection.state is State.CLOSING
        assert connection.failure.reason == rule
        [(opcode, payload)] = peer.hears()
        assert opcode == CLOSE
        assert closed_code(payload) == (code, str(connection.failure))
        assert connection.close_sent == Close(code, str(connection.failure))
        assert connection.received_first is False

    def test_messages_of_the_same_read_can_be_answered_before(self, reading, connection, peer):
        # Autobahn 3.4, 4.1.5 and 4.2.5.
        wire = peer.frame(TEXT, b"one") + peer.frame(PING, b"?") + peer.frame(0x3)

        def echo(event):
            if isinstance(event, str):
                connection.send(event)

        reading(connection, wire, 1.0, echo)
        opcodes = [opcode for opcode, _ in peer.hears()]
        assert sorted(opcodes[:2]) == [TEXT, PONG]
        assert opcodes[2:] == [CLOSE]

    def test_nothing_can_be_sent_once_our_close_frame_is_handed_out(self, connection, peer):
        peer.says(0x3)
        peer.hears()
        with pytest.raises(ConnectionClosed, match=r"^sent 1002 opcode 0x3 is reserved$"):
            connection.send("late")

    def test_whatever_follows_is_discarded(self, connection, peer):
        # Section 7.1.7: not even the peer's close frame is processed.
        peer.says(0x3)
        assert peer.says(TEXT, b"late") == []
        assert peer.closes(1000) == []
        assert connection.close_received is None
        assert len(peer.hears()) == 1

    def test_a_server_disconnects_when_it_has_said_so(self, pair):
        pair.server.fail(ProtocolError("test", "no good"))
        assert not pair.server.must_disconnect
        pair.carry(pair.server)
        assert pair.server.must_disconnect

    def test_a_server_disconnects_at_once_if_its_close_frame_was_sent_before(self, pair):
        pair.server.close()
        pair.server.data_to_send()
        pair.server.fail(ProtocolError("test", "no good"))
        assert pair.server.must_disconnect

    def test_a_client_waits_for_the_server(self, pair):
        pair.client.fail(ProtocolError("test", "no good"))
        pair.carry(pair.client)
        assert not pair.client.must_disconnect
        pair.client.receive_eof()
        assert pair.client.must_disconnect

    def test_it_lingers_since_the_peer_may_still_be_sending(self, connection, peer):
        peer.says(0x3)
        peer.hears()
        assert connection.lingers
        connection.receive_eof()
        assert not connection.lingers

    def test_the_first_failure_counts(self, connection, peer):
        connection.fail(MessageTooBig("first", "too much"))
        connection.fail(InvalidUtf8("second", "and not text"))
        assert connection.failure.reason == "first"
        assert peer.hears() == [(CLOSE, close_payload(1009, "too much"))]

    def test_a_failure_keeps_nothing_alive_that_was_read(self, connection, peer):
        peer.says(0x3)
        assert connection.failure.__traceback__ is None

    def test_after_the_end_there_is_nothing_to_fail(self, connection, peer):
        connection.receive_eof()
        connection.fail(ProtocolError("late", "late"))
        assert connection.failure is None
        assert peer.hears() == []

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("x" * 123, "x" * 123),
            ("x" * 124, "x" * 123),
            ("€" * 42, "€" * 41),
            ("x" + "€" * 41, "x" + "€" * 40),
            ("𝄞" * 31, "𝄞" * 30),
            ("\ud800", "?"),
        ],
    )
    def test_a_long_text_is_cut_between_characters(self, connection, peer, text, kept):
        connection.fail(ProtocolError("test", text))
        assert peer.hears() == [(CLOSE, close_payload(1002, kept))]

    @pytest.mark.parametrize(
        ("payload", "code", "rule"),
        [
            (b"\xff\xff", 1002, "bad_deflate"),
            (Codec().compress(b"caf\xe9"), 1007, "invalid_utf8"),
            (Codec().compress(bytes(1001)), 1009, "message_too_big"),
        ],
        ids=["not deflate", "not UTF-8", "a bomb"],
    )
    @pytest.mark.parametrize("decode", [True, False], ids=["str", "bytes"])
    def test_a_compressed_message_that_is_not_good(self, connect, payload, code, rule, decode):
        peer = connect(deflate=Codec(), max_size=1000, decode=decode)
        connection = peer.connection
        before = peer.frame(TEXT, b"before")
        assert peer.sends(
            before, peer.frame(TEXT, payload, rsv=RSV1), peer.frame(TEXT, b"behind")
        ) == ["before" if decode else b"before"]
        assert connection.failure.reason == rule
        [(_, told)] = peer.hears()
        assert closed_code(told)[0] == code
        assert peer.says(TEXT, b"late") == []

    def test_the_bad_byte_of_a_compressed_text_is_named(self, connect):
        peer = connect(deflate=Codec())
        connection = peer.connection
        peer.says(TEXT, Codec().compress(b"caf\xe9!"), rsv=RSV1)
        assert str(connection.failure) == "text message is not UTF-8: bad byte at index 4"

    def test_what_comes_first_fails_first(self, connect):
        peer = connect(deflate=Codec())
        connection = peer.connection
        assert peer.sends(peer.frame(TEXT, b"\xff\xff", rsv=RSV1), peer.frame(0x3)) == []
        assert connection.failure.reason == "bad_deflate"

    def test_without_the_extension_a_compressed_message_is_an_error(self, connection, peer):
        peer.says(TEXT, b"x", rsv=RSV1)
        assert connection.failure.reason == "reserved_bits"


def test_one_closes_and_both_end(pair):
    pair.client.send("bye")
    pair.client.close(4000, "done")
    pair.settle()
    assert pair.is_closed
    assert pair.events[pair.server] == ["bye", Close(4000, "done")]
    assert pair.events[pair.client] == [Close(4000)]


def test_one_fails_and_both_end(pair):
    pair.server.fail(ProtocolError("test", "no good"))
    pair.settle()
    assert pair.is_closed
    assert pair.events[pair.client] == [Close(1002, "no good")]
    assert pair.client.received_first is True
