"""What is echoed is what was sent, to the last byte: the suite looks at the length."""

import random

import pytest
from rawpeer import wire_of
from wires import BINARY, SIZES, TEXT, TEXTS

KIB, MIB = 1 << 10, 1 << 20

# Where a header grows, and where buffers of common sizes end, with and without a header in them.
BORDERS = sorted(
    {*SIZES}
    | {
        border + distance
        for border in (4 * KIB, 16 * KIB, 64 * KIB, 128 * KIB, 256 * KIB)
        for distance in (-15, -14, -10, -8, -6, -4, -1, 0, 1)
    }
)

KINDS = ["binary", "ascii", "latin", "bmp", "astral"]


def message(kind, size):
    """The opcode and a payload of just this size, no two stretches of which are alike."""
    if kind == "binary":
        return BINARY, random.Random(size).randbytes(size)
    stretch = f"{{:08}}: {TEXTS[kind]}"
    count = size // len(stretch.encode()) + 1
    text = "".join(map(stretch.format, range(count))).encode()
    whole_characters = text[:size].decode(errors="ignore").encode()
    return TEXT, whole_characters.ljust(size, b".")


def chopped(wire, size):
    return [wire[start : start + size] for start in range(0, len(wire), size)]


def assert_same(received, sent):
    """Equal, without megabytes in the report."""
    assert [(opcode, len(payload)) for opcode, payload in received] == [
        (opcode, len(payload)) for opcode, payload in sent
    ]
    for number, ((_, got), (_, wanted)) in enumerate(zip(received, sent, strict=True)):
        if got != wanted:
            place = next(i for i in range(len(got)) if got[i] != wanted[i])
            around = slice(max(place - 8, 0), place + 8)
            pytest.fail(f"message {number} at {place}: {got[around]}, sent {wanted[around]}")


@pytest.fixture
def assert_echoed(converse):
    """Send the chunks; just the messages come back."""

    def check(chunks, messages):
        assert_same(converse(chunks, lambda received: len(received) == len(messages)), messages)

    return check


@pytest.mark.parametrize("kind", KINDS)
class TestEchoes:
    def test_of_every_size_around_a_border(self, assert_echoed, masked, kind):
        messages = [message(kind, size) for size in BORDERS]
        assert_echoed([wire_of(masked, *each) for each in messages], messages)

    @pytest.mark.parametrize("size", [MIB, 4 * MIB + 1])
    def test_of_a_large_message(self, assert_echoed, masked, kind, size):
        sent = message(kind, size)
        assert_echoed([wire_of(masked, *sent)], [sent])

    @pytest.mark.parametrize("fragment_size", [61, 997, 64 * KIB + 1])
    def test_of_a_message_in_fragments(self, assert_echoed, masked, kind, fragment_size):
        sent = message(kind, MIB)
        assert_echoed([wire_of(masked, *sent, fragment_size)], [sent])

    @pytest.mark.parametrize(("size", "chop"), [(4 * KIB, 1), (MIB, 997), (MIB, 2048)])
    def test_of_a_message_that_comes_in_chops(self, assert_echoed, masked, kind, size, chop):
        sent = message(kind, size)
        assert_echoed(chopped(wire_of(masked, *sent), chop), [sent])

    @pytest.mark.parametrize(("fragment_size", "chop"), [(61, 1009), (1021, 64), (16381, 65521)])
    def test_of_fragments_in_chops(self, assert_echoed, masked, kind, fragment_size, chop):
        sent = message(kind, 256 * KIB)
        assert_echoed(chopped(wire_of(masked, *sent, fragment_size), chop), [sent])


@pytest.mark.parametrize("kind", ["binary", "astral"])
@pytest.mark.parametrize(
    ("size", "fragment_size"), [(4 * MIB, 64), (16 * MIB, MIB), (16 * MIB, 16 * MIB)]
)
def test_the_largest_echoes_of_the_suite(assert_echoed, masked, kind, size, fragment_size):
    sent = message(kind, size)
    assert_echoed([wire_of(masked, *sent, fragment_size)], [sent])


@pytest.mark.parametrize("chop", [7, 1021, 1 << 20])
def test_many_small_echoes_stay_in_order(assert_echoed, masked, chop):
    messages = [message(KINDS[number % len(KINDS)], number % 131) for number in range(1000)]
    assert_echoed(chopped(b"".join(wire_of(masked, *each) for each in messages), chop), messages)
