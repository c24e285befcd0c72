"""Time as data: keepalive pings, silence, idleness, and how long closing may take."""

import pytest
from connections import Codec, Peer, close_payload, in_one_call
from wires import CLOSE, PING, PONG, TEXT

from wsfast.frames import Close
from wsfast.protocol.connection import Connection, State
from wsfast.rfc6455 import Role


class TestKeepalive:
    def test_the_first_ping_is_due_an_interval_after_the_beginning(self, connect):
        peer = connect(ping_interval=20, now=100.0)
        connection = peer.connection
        assert connection.deadline == 120.0
        connection.tick(119.0)
        assert peer.hears() == []
        assert connection.deadline == 120.0
        connection.tick(120.0)
        assert len(peer.pings_heard()) == 1

    def test_the_next_is_due_an_interval_after_it_was_sent(self, connect):
        peer = connect(ping_interval=20, ping_timeout=None)
        connection = peer.connection
        connection.tick(21.5)
        assert connection.deadline == 41.5

    def test_every_ping_has_a_payload_of_its_own(self, connect):
        peer = connect(ping_interval=20, ping_timeout=None)
        for now in (20.0, 40.0, 60.0):
            peer.connection.tick(now)
        payloads = peer.pings_heard()
        assert len(set(payloads)) == 3
        assert all(len(payload) == 4 for payload in payloads)

    def test_a_peer_that_talks_is_pinged_too(self, connect):
        peer = connect(ping_interval=20)
        peer.says(TEXT, b"Hello")
        peer.connection.tick(20.0)
        assert len(peer.pings_heard()) == 1

    def test_its_pong_tells_the_latency(self, connect):
        peer = connect(ping_interval=20)
        connection = peer.connection
        connection.tick(20.0)
        [payload] = peer.pings_heard()
        peer.now = 20.125
        peer.says(PONG, payload)
        assert connection.latency == 0.125
        assert connection.pings == {}

    def test_its_pong_answers_a_ping_of_the_user_before_it(self, connect):
        peer = connect(ping_interval=20)
        connection = peer.connection
        connection.ping(b"mine")
        connection.tick(20.0)
        _, payload = peer.pings_heard()
        peer.says(PONG, payload)
        assert connection.pings == {}

    def test_without_an_interval_there_is_none(self, connect):
        peer = connect(ping_interval=None)
        assert peer.connection.deadline is None
        peer.connection.tick(1e9)
        assert peer.hears() == []

    def test_a_peer_that_talks_and_never_answers_costs_no_memory(self, connect):
        peer = connect(ping_interval=20, ping_timeout=10)
        connection = peer.connection
        for now in range(20, 2000, 20):
            peer.says(TEXT, b"Hello")
            connection.tick(float(now))
            assert len(connection.pings) == 1
        assert connection.state is State.OPEN

    def test_it_forgets_no_ping_of_the_user(self, connect):
        peer = connect(ping_interval=20, ping_timeout=None)
        connection = peer.connection
        connection.ping(b"")
        connection.tick(20.0)
        connection.ping(b"mine")
        connection.tick(40.0)
        assert list(connection.pings)[:2] == [b"", b"mine"]
        assert len(connection.pings) == 3

    def test_it_ends_with_closing(self, connect):
        peer = connect(ping_interval=20)
        connection = peer.connection
        connection.close()
        peer.hears()
        connection.tick(20.0)
        assert peer.hears() == []


class TestSilence:
    def test_a_peer_of_whom_nothing_comes_after_a_ping_has_failed(self, connect):
        peer = connect(ping_interval=20, ping_timeout=5)
        connection = peer.connection
        connection.tick(20.0)
        peer.hears()
        assert connection.deadline == 25.0
        connection.tick(24.5)
        assert connection.state is State.OPEN
        connection.tick(25.0)
        assert connection.state is State.CLOSING
        assert connection.failure.reason == "pong_timeout"
        text = "nothing came for 5 s after a keepalive ping"
        assert peer.hears() == [(CLOSE, close_payload(1011, text))]
        assert connection.closed().sent == Close(1011, text)

    def test_silence_before_the_ping_does_not_count(self, connect):
        peer = connect(ping_interval=20, ping_timeout=5)
        peer.connection.tick(1000.0)
        assert peer.connection.state is State.OPEN
        assert peer.connection.deadline == 1005.0

    def test_a_pong_keeps_it_alive(self, connect):
        peer = connect(ping_interval=20, ping_timeout=5)
        connection = peer.connection
        connection.tick(20.0)
        peer.says(PONG, *peer.pings_heard())
        connection.tick(25.0)
        assert connection.state is State.OPEN
        assert connection.deadline == 40.0

    def test_so_does_any_byte(self, connect):
        # A pong may stand behind a long message that has just begun to come.
        peer = connect(ping_interval=20, ping_timeout=5)
        connection = peer.connection
        connection.tick(20.0)
        peer.sends(peer.frame(TEXT, b"x" * 100)[:1])
        connection.tick(25.0)
        assert connection.state is State.OPEN

    def test_so_does_an_adapter_that_has_stopped_reading(self, connect):
        peer = connect(ping_interval=20, ping_timeout=5)
        connection = peer.connection
        connection.tick(20.0)
        connection.heard = True
        connection.tick(25.0)
        assert connection.state is State.OPEN

    def test_bytes_from_before_the_ping_do_not(self, connect):
        peer = connect(ping_interval=20, ping_timeout=5)
        connection = peer.connection
        peer.says(TEXT, b"Hello")
        connection.tick(20.0)
        connection.tick(25.0)
        assert connection.state is State.CLOSING

    def test_a_time_out_longer_than_the_interval_counts_from_the_first_ping(self, connect):
        peer = connect(ping_interval=20, ping_timeout=50)
        connection = peer.connection
        for now in (20.0, 40.0, 60.0):
            connection.tick(now)
        assert len(peer.pings_heard()) == 3
        assert connection.deadline == 70.0
        connection.tick(70.0)
        assert connection.state is State.CLOSING

    def test_as_long_as_the_interval_it_comes_first(self, connect):
        peer = connect(ping_interval=20, ping_timeout=20)
        connection = peer.connection
        connection.tick(20.0)
        peer.hears()
        connection.tick(40.0)
        assert peer.pings_heard() == []
        assert connection.state is State.CLOSING

    def test_without_a_time_out_it_may_last_forever(self, connect):
        peer = connect(ping_interval=20, ping_timeout=None)
        for now in range(20, 2000, 20):
            peer.connection.tick(float(now))
        assert peer.connection.state is State.OPEN


class TestIdleness:
    def test_a_connection_without_messages_is_closed(self, connect):
        peer = connect(ping_interval=None, idle_timeout=60, now=100.0)
        connection = peer.connection
        assert connection.deadline == 160.0
        connection.tick(159.0)
        assert connection.state is State.OPEN
        connection.tick(160.0)
        assert connection.state is State.CLOSING
        assert connection.failure is None
        assert peer.hears() == [(CLOSE, close_payload(1001, "no message for 60 s"))]

    @pytest.mark.parametrize("way", ["received", "sent", "sent in fragments"])
    def test_a_message_either_way_counts(self, connect, way):
        peer = connect(ping_interval=None, idle_timeout=60)
        connection = peer.connection
        if way == "received":
            peer.says(TEXT, b"Hello")
        elif way == "sent":
            connection.send("Hello")
        else:
            connection.send_fragment("Hello", last=False)
        connection.tick(60.0)
        assert connection.state is State.OPEN
        assert connection.deadline == 120.0
        connection.tick(120.0)
        assert connection.state is State.CLOSING

    def test_pings_and_pongs_do_not(self, connect):
        peer = connect(ping_interval=20, idle_timeout=60)
        connection = peer.connection
        for now in (20.0, 40.0, 60.0):
            peer.says(PING)
            connection.ping()
            connection.tick(now)
        assert connection.state is State.CLOSING
        assert connection.close_sent.code == 1001

    def test_without_a_time_out_it_may_last_forever(self, connect):
        peer = connect(ping_interval=None)
        peer.connection.tick(1e9)
        assert peer.connection.state is State.OPEN

    def test_what_a_codec_can_do_without_is_given_up(self, role):
        connection = Connection(role, deflate=Codec(), ping_interval=20)
        connection.send("Hello")
        connection.tick(20.0)
        assert connection.deflate.releases == 0
        connection.heard = True
        connection.tick(40.0)
        assert connection.deflate.releases == 1

    def test_but_not_in_the_middle_of_a_message(self, role):
        connection = Connection(role, deflate=Codec(), ping_interval=20, ping_timeout=None)
        connection.send_fragment("Hello", last=False)
        connection.tick(20.0)
        connection.tick(40.0)
        assert connection.deflate.releases == 0


class TestClosingTakesTooLong:
    def test_the_clock_is_started_by_the_next_tick(self, connect):
        # close() is not told the time.
        peer = connect(close_timeout=10, now=5.0)
        connection = peer.connection
        connection.close()
        assert connection.deadline == 5.0
        connection.tick(15.5)
        assert connection.deadline == 25.5
        assert not connection.timed_out

    def test_a_peer_that_does_not_answer_is_cut_off(self, connect):
        peer = connect(close_timeout=10)
        connection = peer.connection
        connection.close()
        connection.tick(1.0)
        connection.tick(10.5)
        assert not connection.must_disconnect
        connection.tick(11.0)
        assert connection.timed_out
        assert connection.must_disconnect
        assert connection.deadline is None
        connection.receive_eof()
        assert connection.closed().code == 1006

    def test_a_server_that_does_not_end_tcp_is_cut_off(self, reading):
        peer = Peer(Connection(Role.CLIENT, close_timeout=10), reading)
        connection = peer.connection
        peer.closes(1000)
        peer.hears()
        connection.tick(1.0)
        assert not connection.must_disconnect
        connection.tick(11.0)
        assert connection.must_disconnect
        connection.receive_eof()
        assert connection.closed().code == 1000

    def test_a_client_that_does_not_let_tcp_end_is_cut_off(self, reading):
        peer = Peer(Connection(Role.SERVER, close_timeout=10), reading)
        connection = peer.connection
        peer.closes(1000)
        peer.hears()
        assert connection.must_disconnect
        connection.tick(1.0)
        assert not connection.timed_out
        connection.tick(11.0)
        assert connection.timed_out

    def test_lingering_ends_with_it(self, connect):
        peer = connect(close_timeout=10)
        connection = peer.connection
        peer.says(0x3)
        peer.hears()
        connection.tick(1.0)
        assert connection.lingers
        connection.tick(11.0)
        assert not connection.lingers
        assert connection.must_disconnect

    def test_what_failed_in_a_tick_has_its_time_from_then_on(self, connect):
        peer = connect(ping_interval=20, ping_timeout=5, close_timeout=10)
        connection = peer.connection
        connection.tick(20.0)
        connection.tick(25.0)
        assert connection.deadline == 35.0

    def test_what_was_closed_in_a_tick_has_its_time_from_then_on(self, connect):
        peer = connect(ping_interval=None, idle_timeout=60, close_timeout=10)
        connection = peer.connection
        connection.tick(60.0)
        assert connection.deadline == 70.0

    def test_without_a_time_out_it_may_last_forever(self, connect):
        peer = connect(close_timeout=None)
        connection = peer.connection
        connection.close()
        connection.tick(1.0)
        assert connection.deadline is None
        connection.tick(1e9)
        assert not connection.must_disconnect

    def test_after_the_end_nothing_is_due(self, connection):
        connection.receive_eof()
        assert connection.deadline is None
        connection.tick(1e9)
        assert not connection.timed_out
        assert connection.data_to_send() == b""


def test_two_connections_keep_each_other_alive(make_pair):
    pair = make_pair(ping_interval=20, ping_timeout=5)
    for now in range(20, 1000, 5):
        pair.now = float(now)
        for connection in pair.both:
            connection.tick(pair.now)
        pair.settle()
    assert pair.states() == (State.OPEN, State.OPEN)
    assert pair.client.latency == 0.0


def test_a_deadline_is_kept_by_whoever_ticks_at_it():
    # An adapter that does nothing but tick at the deadline sees a silent peer end.
    connection = Connection(Role.SERVER, ping_interval=20, ping_timeout=5, close_timeout=10)
    peer = Peer(connection, in_one_call)
    times = []
    while connection.deadline is not None:
        times.append(connection.deadline)
        connection.tick(connection.deadline)
        peer.hears()
    assert times == [20.0, 25.0, 35.0]
    assert connection.must_disconnect
