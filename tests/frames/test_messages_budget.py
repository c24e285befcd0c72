"""Decoding up to a budget of memory: where it stops, and what comes of going on."""

from itertools import chain

import pytest
from wires import BINARY, CLOSE, PING, TEXT, fragments, frame

from wsfast.exceptions import ProtocolError
from wsfast.frames.received import Close, Ping

RSV1 = 0x40


@pytest.fixture
def decoder(messages, role):
    return messages.MessageDecoder(role)


@pytest.fixture
def cost(backend):
    """What messages cost together."""
    return lambda items: sum(map(backend.memory.memory_of, items))


def feed_on(decoder, wire, budget):
    """What each call made, feeding what it left until nothing is left."""
    made = []
    while wire:
        received, used = decoder.feed_within(wire, budget)
        assert 0 < used <= len(wire)
        made.append(received)
        wire = wire[used:]
    return made


class TestWhereItStops:
    def test_as_soon_as_the_budget_is_reached(self, decoder, masked, cost):
        texts = [f"message {i}" for i in range(10)]
        frames = [frame(masked, TEXT, text.encode()) for text in texts]
        for count in range(1, 10):
            received, used = decoder.feed_within(b"".join(frames), cost(texts[:count]))
            assert received == texts[:count]
            assert used == len(b"".join(frames[:count]))

    def test_one_byte_more_and_it_goes_on(self, decoder, masked, cost):
        texts = ["one", "two", "three"]
        wire = b"".join(frame(masked, TEXT, text.encode()) for text in texts)
        received, _ = decoder.feed_within(wire, cost(["one"]) + 1)
        assert received == ["one", "two"]

    @pytest.mark.parametrize("budget", [0, 1])
    def test_one_message_comes_in_any_case(self, decoder, masked, budget):
        wire = frame(masked, TEXT, b"a" * 1000)
        assert decoder.feed_within(wire * 2, budget) == (["a" * 1000], len(wire))

    def test_no_message_and_it_uses_all(self, decoder, masked):
        wire = frame(masked, TEXT, b"a" * 1000)[:-1]
        assert decoder.feed_within(wire, 0) == ([], len(wire))
        assert decoder.feed_within(b"", 0) == ([], 0)

    @pytest.mark.parametrize("budget", [None, 1 << 20, 1 << 80])
    def test_below_the_budget_it_uses_all(self, decoder, masked, budget):
        wire = frame(masked, TEXT, b"Hello") * 3 + frame(masked, PING)[:1]
        assert decoder.feed_within(wire, budget) == (["Hello"] * 3, len(wire))

    def test_a_message_in_progress_stays(self, decoder, masked):
        begin, end = fragments(masked, BINARY, [b"Hel", b"lo"])
        wire = begin + frame(masked, PING) + end
        assert decoder.feed_within(wire, 1) == ([Ping()], len(begin + frame(masked, PING)))
        assert decoder.unfinished
        assert decoder.take_partial() == b"Hel"
        assert decoder.feed_within(end, 1) == ([b"lo"], len(end))

    def test_a_header_in_part_is_used(self, decoder, masked):
        one, two = frame(masked, TEXT, b"one"), frame(masked, TEXT, b"two")
        assert decoder.feed_within(one[:1], 1) == ([], 1)
        assert decoder.feed_within(one[1:] + two, 1) == (["one"], len(one) - 1)
        assert decoder.feed_within(two, 1) == (["two"], len(two))

    def test_behind_a_close_all_is_used(self, decoder, masked):
        wire = frame(masked, CLOSE) + frame(masked, TEXT, b"discarded")
        assert decoder.feed_within(wire, 1) == ([Close()], len(wire))
        assert decoder.feed_within(wire, 1) == ([], len(wire))

    def test_what_came_of_the_first_message_before_counts(self, decoder, masked, cost):
        """The end of a long message may be a short read, and a costly one."""
        long = frame(masked, BINARY, bytes(100_000))
        short = frame(masked, BINARY, b"12")
        decoder.feed(long[:-1])
        received, used = decoder.feed_within(long[-1:] + short * 100, cost([bytes(100_000)]))
        assert [len(item) for item in received] == [100_000]
        assert used == 1

    def test_so_does_what_came_of_its_character(self, decoder, masked, cost):
        """One wide character makes every character before it as wide."""
        text = "a" * 10_000 + "𝄞"
        wire = frame(masked, TEXT, text.encode())
        decoder.feed(wire[:-1])
        received, used = decoder.feed_within(wire[-1:] + wire, cost([text]))
        assert (received, used) == ([text], 1)


# Nothing costs more memory a byte of the wire than what is small.
SMALL = {
    **{
        f"{size} of {character}": (TEXT, (character * size).encode(), 0)
        for character in "aé水𝄞"
        for size in range(3)
    },
    **{f"binary of {size}": (BINARY, b"12345678"[:size], 0) for size in range(4)},
    **{f"ping of {size}": (PING, b"12345678"[:size], 0) for size in range(4)},
    **{f"compressed of {size}": (TEXT, b"12345678"[:size], RSV1) for size in range(4)},
}


@pytest.mark.parametrize(("opcode", "payload", "rsv"), SMALL.values(), ids=SMALL)
def test_it_stops_in_time_whatever_the_messages_are(
    messages, role, masked, cost, opcode, payload, rsv
):
    one = frame(masked, opcode, payload, rsv=rsv)
    items = messages.MessageDecoder(role, compression=True).feed(one * 300)
    for count in (1, 2, 10, 100, 299):
        decoder = messages.MessageDecoder(role, compression=True)
        received, used = decoder.feed_within(one * 300, cost(items[:count]))
        assert (received, used) == (items[:count], len(one) * count)


@pytest.mark.parametrize("budget", [1, 500, 3000, 100_000, None])
def test_in_the_end_it_is_what_feed_returns(messages, role, masked, budget, cost):
    sent = ["", b"", "one", b"two", "drei €", b"\xff" * 200, "f" * 2000, "last"] * 20
    wire = b"".join(
        frame(masked, TEXT, item.encode()) if type(item) is str else frame(masked, BINARY, item)
        for item in sent
    )
    made = feed_on(messages.MessageDecoder(role), wire, budget)
    assert list(chain.from_iterable(made)) == sent
    if budget is None:
        assert len(made) == 1
    else:
        assert all(cost(received) >= budget for received in made[:-1])
        assert all(cost(received[:-1]) < budget for received in made)


class TestErrors:
    def test_an_error_comes_when_it_is_reached(self, decoder, masked):
        good, bad = frame(masked, TEXT, b"good"), frame(masked, 3)
        assert decoder.feed_within(good + good + bad, 1) == (["good"], len(good))
        with pytest.raises(ProtocolError) as info:
            decoder.feed_within(good + bad, 1 << 20)
        assert info.value.completed == ["good"]
        with pytest.raises(ProtocolError):
            decoder.feed_within(good, 1)
        with pytest.raises(ProtocolError):
            decoder.feed(good)

    def test_feed_goes_on_where_it_stopped(self, decoder, masked):
        wire = frame(masked, TEXT, b"one") + frame(masked, TEXT, b"two")
        received, used = decoder.feed_within(wire, 1)
        assert received + decoder.feed(wire[used:]) == ["one", "two"]

    @pytest.mark.parametrize(
        ("budget", "error", "text"),
        [
            (-1, ValueError, "budget must not be negative: -1"),
            ("1", TypeError, "budget must be an int or None, not str"),
            (1.0, TypeError, "budget must be an int or None, not float"),
        ],
    )
    def test_a_refused_budget_changes_nothing(self, decoder, masked, budget, error, text):
        begin, end = fragments(masked, TEXT, [b"Hel", b"lo"])
        decoder.feed(begin)
        with pytest.raises(error) as info:
            decoder.feed_within(end, budget)
        assert str(info.value) == text
        assert decoder.feed(end) == ["Hello"]

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_reads_of_every_kind(self, decoder, masked, kind):
        wire = frame(masked, TEXT, "Grüße".encode()) * 2
        assert decoder.feed_within(kind(wire), 1) == (["Grüße"], len(wire) // 2)
