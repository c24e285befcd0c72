"""Messages off the wire: fragments, UTF-8, limits, and what an application is handed."""

import sys
import tracemalloc
from array import array

import pytest
from wires import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    KEY,
    PING,
    PONG,
    SIZES,
    TEXT,
    TEXTS,
    byte_by_byte,
    feed_all,
    fragments,
    frame,
    header,
    naive_mask,
)

from wsfast.exceptions import InvalidUtf8, MessageTooBig, ProtocolError
from wsfast.frames.received import Close, CompressedMessage, Ping, Pong
from wsfast.rfc6455 import CloseCode, Opcode, Role

RSV1 = 0x40

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def decoder(messages, role):
    return messages.MessageDecoder(role)


def head_of(masked, opcode, length, *, fin=True):
    """A whole header, without the payload it declares."""
    return header((FIN if fin else 0) | opcode, length, masked) + (KEY if masked else b"")


def unlimited(messages, role):
    return messages.MessageDecoder(role, max_size=None, max_fragments=None)


def failure(decoder, pieces):
    """All that was received, and the error that it ended in."""
    received = []
    with pytest.raises(ProtocolError) as info:
        received.extend(item for piece in pieces for item in decoder.feed(piece))
    return received + info.value.completed, info.value


class TestDecoding:
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_a_text_message_is_a_str(self, decoder, masked, way, text):
        received = feed_all(decoder, way(frame(masked, TEXT, text.encode())))
        assert received == [text]
        assert type(received[0]) is str

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_the_str_is_as_python_would_have_made_it(self, decoder, masked, way, text):
        [received] = feed_all(decoder, way(frame(masked, TEXT, text.encode())))
        assert sys.getsizeof(received) == sys.getsizeof(text.encode().decode())
        assert hash(received) == hash(text)

    @pytest.mark.parametrize("size", SIZES)
    def test_a_binary_message_is_bytes(self, decoder, masked, way, size):
        payload = bytes(i % 251 for i in range(size))
        received = feed_all(decoder, way(frame(masked, BINARY, payload)))
        assert received == [payload]
        assert type(received[0]) is bytes

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("last", ["a", "é", "水", "𝄞"])
    def test_text_of_every_size(self, decoder, masked, size, last):
        text = "a" * size + last
        assert decoder.feed(frame(masked, TEXT, text.encode())) == [text]

    def test_texts_of_one_kind_after_texts_of_another(self, decoder, masked):
        texts = [
            character * (size // len(character.encode()))
            for size in SIZES
            for character in ("a", "é", "水", "a", "𝄞", "é")
        ]
        wire = b"".join(frame(masked, TEXT, text.encode()) for text in texts)
        assert decoder.feed(wire) == texts

    def test_control_frames(self, decoder, masked, way):
        wire = (
            frame(masked, PING)
            + frame(masked, PING, b"x" * 125)
            + frame(masked, PONG, b"\xff")
            + frame(masked, CLOSE, b"\x03\xe9" + "bye €".encode())
        )
        assert feed_all(decoder, way(wire)) == [
            Ping(b""),
            Ping(b"x" * 125),
            Pong(b"\xff"),
            Close(1001, "bye €"),
        ]

    def test_a_close_without_a_code(self, decoder, masked, way):
        assert feed_all(decoder, way(frame(masked, CLOSE))) == [Close(1005, "")]

    def test_many_messages_come_in_order(self, decoder, masked, way):
        sent = ["", b"", "one", b"two", "drei €", b"\xff" * 200, "f" * 200, Ping(b"!"), "last"]
        wire = b""
        for item in sent:
            if isinstance(item, str):
                wire += frame(masked, TEXT, item.encode())
            elif isinstance(item, bytes):
                wire += frame(masked, BINARY, item)
            else:
                wire += frame(masked, PING, item.payload)
        assert feed_all(decoder, way(wire)) == sent

    def test_a_message_comes_with_its_last_byte(self, decoder, masked):
        wire = frame(masked, TEXT, "Hello, Zürich".encode())
        counts = [len(decoder.feed(piece)) for piece in byte_by_byte(wire)]
        assert counts == [0] * (len(wire) - 1) + [1]

    def test_nothing_comes_of_nothing(self, decoder):
        assert decoder.feed(b"") == []

    def test_reads_cut_anywhere(self, messages, role, masked):
        wire = frame(masked, TEXT, "Grüße €𝄞!".encode()) + frame(masked, BINARY, bytes(range(200)))
        for first in range(len(wire)):
            for second in range(first, len(wire), 5):
                decoder = messages.MessageDecoder(role)
                reads = [wire[:first], wire[first:second], wire[second:]]
                assert feed_all(decoder, reads) == ["Grüße €𝄞!", bytes(range(200))]


class TestFragments:
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_text_cut_anywhere(self, messages, role, masked, text):
        data = text.encode()
        for cut in range(0, len(data) + 1, 3):
            wire = b"".join(fragments(masked, TEXT, [data[:cut], data[cut:]]))
            assert messages.MessageDecoder(role).feed(wire) == [text]
            assert feed_all(messages.MessageDecoder(role), [wire[:-1], wire[-1:]]) == [text]

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_a_fragment_for_every_byte(self, decoder, masked, way, text):
        wire = b"".join(fragments(masked, TEXT, byte_by_byte(text.encode()) or [b""]))
        assert feed_all(decoder, way(wire)) == [text]

    @pytest.mark.parametrize(
        "pieces", [[b"", b""], [b"", b"a"], [b"a", b""], [b"", b"a", b"", b"b"]]
    )
    def test_empty_fragments(self, messages, role, masked, way, pieces):
        whole = b"".join(pieces)
        for opcode, expected in ((TEXT, whole.decode()), (BINARY, whole)):
            wire = b"".join(fragments(masked, opcode, pieces))
            assert feed_all(messages.MessageDecoder(role), way(wire)) == [expected]

    def test_control_frames_in_between_come_first(self, decoder, masked, way):
        parts = fragments(masked, TEXT, [b"Hel", b"", b"lo \xe2\x82", b"\xac"])
        between = [frame(masked, PING, b"1"), frame(masked, PONG, b"2"), frame(masked, PING, b"3")]
        wire = b"".join(a + b for a, b in zip(parts, [*between, b""], strict=True))
        expected = [Ping(b"1"), Pong(b"2"), Ping(b"3"), "Hello €"]
        assert feed_all(decoder, way(wire)) == expected

    def test_a_key_for_every_fragment(self, messages, way):
        data = "Grüße, Jürgen".encode()
        wire = b"".join(
            frame(
                True,
                CONTINUATION if i else TEXT,
                data[i : i + 1],
                fin=i == len(data) - 1,
                key=bytes([i, 99, i * 7, 255 - i]),
            )
            for i in range(len(data))
        )
        assert feed_all(messages.MessageDecoder(Role.SERVER), way(wire)) == ["Grüße, Jürgen"]

    def test_the_next_message_begins_afresh(self, decoder, masked, way):
        wire = b"".join(
            fragments(masked, TEXT, ["水".encode(), b"a"])
            + fragments(masked, BINARY, [b"\xff", b"\xfe"])
            + fragments(masked, TEXT, [b"a", b"b"])
            + [frame(masked, TEXT, "é".encode())]
        )
        assert feed_all(decoder, way(wire)) == ["水a", b"\xff\xfe", "ab", "é"]

    def test_a_close_in_between_ends_everything(self, decoder, masked, way):
        wire = frame(masked, TEXT, b"Hel", fin=False) + frame(masked, CLOSE)
        assert feed_all(decoder, way(wire)) == [Close()]


class TestAfterClose:
    """Section 1.4: "After receiving a control frame indicating the connection should be closed, a
    peer discards any further data received"."""

    @pytest.mark.parametrize("more", [b"\xff" * 20, b"\x81", b"\x81\x00", b""])
    def test_everything_is_discarded(self, decoder, masked, more):
        close = frame(masked, CLOSE, b"\x03\xe8")
        assert decoder.feed(frame(masked, TEXT, b"a") + close + more) == ["a", Close(1000)]
        assert decoder.feed(more) == []
        assert decoder.feed(frame(masked, TEXT, b"b")) == []


# What breaks a rule, up to the byte with which that is certain. Those that show in a header are
# test_codec's; here is one of each.
VIOLATIONS = {
    "reserved_bits": lambda masked: bytes([FIN | RSV1 | TEXT]),
    "reserved_opcode": lambda masked: bytes([FIN | 3]),
    "fragmented_control_frame": lambda masked: bytes([PING]),
    "unexpected_continuation": lambda masked: bytes([FIN | CONTINUATION]),
    "expected_continuation": lambda masked: frame(masked, TEXT, b"a", fin=False) + b"\x81",
    "control_frame_too_long": lambda masked: head_of(masked, PING, 126)[:2],
    "close_payload_too_short": lambda masked: head_of(masked, CLOSE, 1)[:2],
    "length_not_minimal": lambda masked: head_of(masked, TEXT, 126)[:2] + b"\x00\x7d",
    "length_top_bit": lambda masked: head_of(masked, TEXT, 1 << 63)[:10],
    "close_code": lambda masked: frame(masked, CLOSE, b"\x03\xed"),
    "invalid_utf8": lambda masked: frame(masked, CLOSE, b"\x03\xe8\xff"),
}


class TestViolations:
    @pytest.mark.parametrize("reason", VIOLATIONS)
    def test_the_byte_that_shows_it_fails(self, messages, role, masked, way, reason):
        wire = VIOLATIONS[reason](masked)
        decoder = messages.MessageDecoder(role)
        assert decoder.feed(wire[:-1]) == []
        _, error = failure(decoder, way(wire[-1:]))
        assert error.reason == reason
        _, error = failure(messages.MessageDecoder(role), way(wire))
        assert error.reason == reason

    def test_a_server_wants_masks(self, messages, way):
        _, error = failure(messages.MessageDecoder(Role.SERVER), way(b"\x81\x00"))
        assert error.reason == "unmasked_frame"

    def test_a_client_wants_none(self, messages, way):
        _, error = failure(messages.MessageDecoder(Role.CLIENT), way(b"\x81\x80"))
        assert error.reason == "masked_frame"

    @pytest.mark.parametrize("reason", VIOLATIONS)
    def test_what_came_before_is_in_completed(self, decoder, masked, way, reason):
        good = frame(masked, TEXT, b"a") + frame(masked, BINARY, b"b") + frame(masked, PING)
        received, _ = failure(decoder, way(good + VIOLATIONS[reason](masked)))
        assert received == ["a", b"b", Ping()]

    def test_what_came_earlier_is_not(self, decoder, masked):
        decoder.feed(frame(masked, TEXT, b"a"))
        with pytest.raises(ProtocolError) as info:
            decoder.feed(b"\xff")
        assert info.value.completed == []

    @pytest.mark.parametrize("more", [b"", b"\x81\x00", b"\xff"])
    def test_a_failed_decoder_stays_failed(self, decoder, masked, more):
        _, first = failure(decoder, [frame(masked, PING) + b"\xc1"])
        for _ in range(2):
            with pytest.raises(type(first)) as again:
                decoder.feed(more)
            assert again.value.args == first.args
            assert again.value.completed == []
            assert again.value is not first

    @pytest.mark.parametrize("bad", ["text", None, memoryview(b"abcd")[::2]])
    def test_a_refused_read_is_no_failure(self, decoder, masked, bad):
        wire = frame(masked, TEXT, b"Hello")
        decoder.feed(wire[:-1])
        with pytest.raises((TypeError, ValueError), match="data must be"):
            decoder.feed(bad)
        assert decoder.feed(wire[-1:]) == ["Hello"]


# By the index of the byte that spoils them; the length where they only break off.
BAD_TEXTS = [
    (b"\xff", 0),
    (b"Hello \x80", 6),
    ("κόσμε".encode() + b"\xed\xa0\x80edited", 11),
    ("κόσμε".encode() + b"\xf4\x90\x80\x80edited", 11),
    (b"a" * 300 + b"\xc0\xaf", 300),
    (b"a" * 3000 + b"\xe0\x80" + b"a" * 10, 3001),
    ("é".encode() * 100 + b"\xf8", 200),
    ("水".encode() * 700 + b"\xe6\xb0" + b"a", 2102),
    ("𝄞".encode() * 20 + b"\xf0\x9d\x84" + "𝄞".encode(), 83),
]
UNFINISHED_TEXTS = [b"\xe2\x82", b"Hello \xc3", b"a" * 300 + b"\xf0\x9d\x84", b"\xf4"]


class TestUtf8:
    @pytest.mark.parametrize(("data", "index"), BAD_TEXTS)
    def test_the_first_bad_byte_is_named(self, decoder, masked, way, data, index):
        _, error = failure(decoder, way(frame(masked, TEXT, data)))
        assert type(error) is InvalidUtf8
        assert error.reason == "invalid_utf8"
        assert error.close_code is CloseCode.INVALID_PAYLOAD
        assert str(error) == f"text message is not UTF-8: bad byte at index {index}"

    @pytest.mark.parametrize(("data", "index"), BAD_TEXTS)
    def test_the_first_bad_byte_fails_amid_a_frame(self, messages, role, masked, data, index):
        wire = frame(masked, TEXT, data)
        bad = len(wire) - len(data) + index
        decoder = messages.MessageDecoder(role)
        assert feed_all(decoder, byte_by_byte(wire[:bad])) == []
        with pytest.raises(InvalidUtf8):
            decoder.feed(wire[bad : bad + 1])
        decoder = messages.MessageDecoder(role)
        assert decoder.feed(wire[:bad]) == []
        with pytest.raises(InvalidUtf8):
            decoder.feed(wire[bad : bad + 1])

    @pytest.mark.parametrize(("data", "index"), BAD_TEXTS)
    def test_the_first_bad_byte_fails_amid_fragments(self, messages, role, masked, data, index):
        for cut in {0, 1, index - 2, index - 1, index, index + 1, len(data)}:
            if 0 <= cut <= len(data):
                parts = [data[:cut], b"", data[cut:]]
                wire = b"".join(fragments(masked, TEXT, parts))
                _, error = failure(messages.MessageDecoder(role), [wire])
                assert str(error) == f"text message is not UTF-8: bad byte at index {index}"

    @pytest.mark.parametrize("data", UNFINISHED_TEXTS)
    def test_a_message_must_not_end_inside_a_character(self, messages, role, masked, way, data):
        text = f"text message ends inside a UTF-8 character, after {len(data)} bytes"
        for parts in ([data], [data[:-1], data[-1:]], [data, b""]):
            wire = b"".join(fragments(masked, TEXT, parts))
            _, error = failure(messages.MessageDecoder(role), way(wire))
            assert type(error) is InvalidUtf8
            assert str(error) == text

    def test_binary_messages_are_not_validated(self, decoder, masked, way):
        wire = frame(masked, BINARY, b"\xff") + b"".join(
            fragments(masked, BINARY, [b"\xc0", b"\x80"])
        )
        assert feed_all(decoder, way(wire)) == [b"\xff", b"\xc0\x80"]


class TestCompression:
    """RFC 7692 section 6.2, as far as it shows in frames."""

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    @pytest.mark.parametrize(
        "pieces", [[b"\xff\x00"], [b"\xff", b"\x00"], [b"", b""], [b"\xff" * 3000]]
    )
    def test_compressed_messages(self, messages, role, masked, way, opcode, pieces):
        decoder = messages.MessageDecoder(role, compression=True)
        wire = b"".join(fragments(masked, opcode, pieces, rsv=RSV1))
        received = feed_all(decoder, way(wire))
        assert received == [CompressedMessage(Opcode(opcode), b"".join(pieces))]
        assert type(received[0].opcode) is Opcode
        assert type(received[0].payload) is bytes

    def test_plain_messages_in_between(self, messages, role, masked, way):
        wire = b"".join(
            [
                frame(masked, TEXT, b"plain"),
                *fragments(masked, TEXT, [b"\xff", b"\xfe"], rsv=RSV1),
                *fragments(masked, TEXT, ["é".encode(), b"!"]),
                frame(masked, BINARY, b"\xff"),
            ]
        )
        received = feed_all(messages.MessageDecoder(role, compression=True), way(wire))
        assert received == ["plain", CompressedMessage(Opcode.TEXT, b"\xff\xfe"), "é!", b"\xff"]

    @pytest.mark.parametrize(
        "first",
        [
            FIN | RSV1 | PING,
            FIN | RSV1 | CLOSE,
            FIN | RSV1 | CONTINUATION,
            FIN | 0x20 | BINARY,
            FIN | 0x10 | BINARY,
            FIN | 0x70 | BINARY,
        ],
    )
    def test_no_other_bit_and_no_other_frame(self, messages, role, masked, first):
        decoder = messages.MessageDecoder(role, compression=True)
        if first & 0xF == CONTINUATION:
            decoder.feed(frame(masked, TEXT, b"\xff", fin=False, rsv=RSV1))
        _, error = failure(decoder, [bytes([first])])
        assert error.reason == "reserved_bits"


class TestLimits:
    @pytest.mark.parametrize("limit", [0, 1, 125, 126, 65535, 65536])
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_max_size_of_one_frame(self, messages, role, masked, limit, opcode):
        decoder = messages.MessageDecoder(role, max_size=limit)
        assert len(decoder.feed(frame(masked, opcode, b"a" * limit))) == 1
        _, error = failure(decoder, [head_of(masked, opcode, limit + 1)])
        assert type(error) is MessageTooBig
        assert error.reason == "message_too_big"
        assert error.close_code is CloseCode.MESSAGE_TOO_BIG
        assert str(error) == (
            f"message of at least {limit + 1} bytes passes max_size, which is {limit} bytes"
        )

    def test_max_size_of_fragments_together(self, messages, role, masked, way):
        sizes = [40, 0, 50, 10]
        parts = fragments(masked, BINARY, [b"x" * size for size in sizes])
        decoder = messages.MessageDecoder(role, max_size=100)
        assert feed_all(decoder, way(b"".join(parts) * 2)) == [b"x" * 100] * 2
        decoder = messages.MessageDecoder(role, max_size=99)
        wire = b"".join(parts[:3]) + head_of(masked, CONTINUATION, 10)
        decoder.feed(wire[:-1])
        _, error = failure(decoder, [wire[-1:]])
        assert error.reason == "message_too_big"

    def test_max_size_counts_bytes_and_not_characters(self, messages, role, masked):
        decoder = messages.MessageDecoder(role, max_size=8)
        assert decoder.feed(frame(masked, TEXT, "𝄞𝄞".encode())) == ["𝄞𝄞"]
        _, error = failure(decoder, [frame(masked, TEXT, "𝄞𝄞!".encode())])
        assert error.reason == "message_too_big"

    def test_max_frame_size(self, messages, role, masked, way):
        decoder = messages.MessageDecoder(role, max_frame_size=10)
        wire = b"".join(fragments(masked, BINARY, [b"x" * 10] * 5))
        assert feed_all(decoder, way(wire)) == [b"x" * 50]
        decoder = messages.MessageDecoder(role, max_frame_size=10)
        _, error = failure(
            decoder, way(frame(masked, BINARY, b"x" * 10) + head_of(masked, TEXT, 11))
        )
        assert type(error) is MessageTooBig
        assert error.reason == "frame_too_big"

    def test_max_fragments(self, messages, role, masked, way):
        decoder = messages.MessageDecoder(role, max_fragments=3)
        wire = b"".join(fragments(masked, BINARY, [b"x"] * 3)) * 2
        assert feed_all(decoder, way(wire)) == [b"xxx"] * 2
        parts = fragments(masked, BINARY, [b"x"] * 4)
        decoder = messages.MessageDecoder(role, max_fragments=3)
        wire = b"".join(parts[:3]) + head_of(masked, CONTINUATION, 1)
        _, error = failure(decoder, way(wire))
        assert type(error) is MessageTooBig
        assert error.reason == "too_many_fragments"

    def test_control_frames_do_not_count(self, messages, role, masked, way):
        decoder = messages.MessageDecoder(role, max_size=1, max_frame_size=1, max_fragments=1)
        wire = frame(masked, PING, b"x" * 125) * 3 + frame(masked, TEXT, b"a")
        assert feed_all(decoder, way(wire)) == [Ping(b"x" * 125)] * 3 + ["a"]

    def test_the_limits_are_1_mib_and_131072_fragments_unless_said_otherwise(
        self, messages, role, masked
    ):
        decoder = messages.MessageDecoder(role)
        assert decoder.feed(head_of(masked, BINARY, MIB)) == []
        _, error = failure(messages.MessageDecoder(role), [head_of(masked, BINARY, MIB + 1)])
        assert error.reason == "message_too_big"
        many = frame(masked, CONTINUATION, fin=False) * ((1 << 17) - 1)
        decoder = messages.MessageDecoder(role)
        assert decoder.feed(frame(masked, BINARY, fin=False) + many) == []
        _, error = failure(decoder, [head_of(masked, CONTINUATION, 0)])
        assert error.reason == "too_many_fragments"

    @pytest.mark.parametrize("length", [1 << 31, (1 << 31) + 1, 1 << 32, 1 << 62, (1 << 63) - 1])
    def test_the_header_alone_fails(self, messages, role, masked, way, length):
        _, error = failure(messages.MessageDecoder(role), way(head_of(masked, BINARY, length)))
        assert error.args[1].startswith(f"message of at least {length} bytes")

    def test_sizes_are_added_up_without_overflow(self, messages, role, masked):
        decoder = messages.MessageDecoder(role, max_size=(1 << 63) - 1)
        decoder.feed(frame(masked, BINARY, b"xx", fin=False))
        _, error = failure(decoder, [head_of(masked, CONTINUATION, (1 << 63) - 1)])
        assert error.args[1].startswith(f"message of at least {(1 << 63) + 1} bytes")

    @pytest.mark.parametrize("limit", [None, 1 << 63, 1 << 70])
    def test_no_limit(self, messages, role, masked, limit):
        decoder = messages.MessageDecoder(
            role, max_size=limit, max_frame_size=limit, max_fragments=limit
        )
        assert decoder.feed(head_of(masked, BINARY, (1 << 63) - 1)) == []

    def test_what_came_before_is_in_completed(self, messages, role, masked, way):
        decoder = messages.MessageDecoder(role, max_size=5)
        received, _ = failure(
            decoder, way(frame(masked, TEXT, b"Hello") + head_of(masked, TEXT, 6))
        )
        assert received == ["Hello"]


class TestMisuse:
    @pytest.mark.parametrize("role", ["server", None, 1])
    def test_the_role_is_a_role(self, messages, role):
        with pytest.raises(TypeError, match=r"role must be Role\.CLIENT or Role\.SERVER, not "):
            messages.MessageDecoder(role)

    @pytest.mark.parametrize("name", ["max_size", "max_frame_size", "max_fragments"])
    def test_limits(self, messages, name):
        with pytest.raises(ValueError, match=f"{name} must not be negative: -1"):
            messages.MessageDecoder(Role.SERVER, **{name: -1})
        with pytest.raises(TypeError, match=f"{name} must be an int or None, not float"):
            messages.MessageDecoder(Role.SERVER, **{name: 1.0})


def peak_of(run):
    """The most memory that was in use at once while ``run`` ran, beyond what was before."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestMemory:
    """Memory follows the bytes that have arrived, never a length that a header declares."""

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_a_header_allocates_nothing(self, messages, role, masked, opcode):
        decoder = unlimited(messages, role)
        head = head_of(masked, opcode, 1 << 62)
        assert peak_of(lambda: decoder.feed(head)) < 4 * KIB

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    @pytest.mark.parametrize("fin", [True, False])
    def test_a_payload_that_dribbles_in_allocates_in_proportion(
        self, messages, role, masked, opcode, fin
    ):
        decoder = unlimited(messages, role)
        read = naive_mask(b"a" * KIB) if masked else b"a" * KIB

        def feed():
            decoder.feed(head_of(masked, opcode, 1 << 62, fin=fin))
            for _ in range(256):
                decoder.feed(read)

        assert peak_of(feed) < 5 * 256 * KIB

    def test_fragments_allocate_in_proportion(self, messages, role, masked):
        decoder = unlimited(messages, role)
        read = frame(masked, CONTINUATION, b"a" * KIB, fin=False)

        def feed():
            decoder.feed(frame(masked, TEXT, fin=False))
            for _ in range(256):
                decoder.feed(read)

        assert peak_of(feed) < 5 * 256 * KIB

    def test_empty_fragments_allocate_nothing(self, messages, role, masked):
        decoder = unlimited(messages, role)
        read = frame(masked, CONTINUATION, fin=False) * 1000
        decoder.feed(frame(masked, TEXT, fin=False))
        assert peak_of(lambda: [decoder.feed(read) for _ in range(20)]) < 64 * KIB

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_a_message_that_was_handed_out_is_not_kept(self, messages, role, masked, opcode):
        decoder = messages.MessageDecoder(role)
        parts = fragments(masked, opcode, [b"a" * 128 * KIB, b"a" * 128 * KIB])
        tracemalloc.start()
        try:
            for part in parts:
                decoder.feed(part)
            left = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert left < 32 * KIB

    def test_a_message_takes_no_more_than_its_own_size(self, messages, role, masked):
        data = b"a" * 100_000
        wire = frame(masked, BINARY, data)
        [message] = feed_all(messages.MessageDecoder(role), [wire[:50_000], wire[50_000:]])
        assert sys.getsizeof(message) == sys.getsizeof(data)


class TestLargeMessages:
    TEXT_BLOCK = ("0123456789abcdef" * 3 + "Привет €𝄞 ").encode().ljust(96, b".")

    @pytest.mark.parametrize("read", [KIB, 64 * KIB])
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    @pytest.mark.parametrize("parts", [1, 16])
    def test_16_mib_in_reads_of_this_size(self, messages, role, masked, read, opcode, parts):
        self.receive(messages, role, masked, opcode, 16 * MIB, read, parts)

    def test_byte_by_byte(self, backend):
        # The Python twin takes some 5 microseconds a byte, and 16 MiB more than a minute.
        size = 16 * MIB if backend.name == "c" else MIB
        self.receive(backend.messages, Role.SERVER, True, TEXT, size, 1, 1)

    def receive(self, messages, role, masked, opcode, size, read, parts):
        repeats = size // parts // len(self.TEXT_BLOCK)
        part = self.TEXT_BLOCK * repeats
        masked_part = naive_mask(self.TEXT_BLOCK) * repeats if masked else part
        wire = b"".join(
            head_of(masked, CONTINUATION if i else opcode, len(part), fin=i == parts - 1)
            + masked_part
            for i in range(parts)
        )
        decoder = unlimited(messages, role)
        reads = (wire[start : start + read] for start in range(0, len(wire), read))
        [message] = feed_all(decoder, reads)
        assert message == (part.decode() if opcode == TEXT else part) * parts


class TestReads:
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array("B", data)])
    def test_every_kind_of_buffer(self, decoder, masked, kind):
        wire = frame(masked, TEXT, b"Hello") + frame(masked, BINARY, b"x" * 200)
        assert decoder.feed(kind(wire)) == ["Hello", b"x" * 200]

    @pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
    def test_a_read_may_change_once_it_was_fed(self, messages, role, masked, opcode):
        payload = b"Hello, this is a read" * 5
        wire = frame(masked, opcode, payload)
        expected = messages.MessageDecoder(role).feed(wire)
        for cut in range(len(wire) + 1):
            decoder = messages.MessageDecoder(role)
            received = []
            for piece in (wire[:cut], wire[cut:]):
                read = bytearray(piece)
                received += decoder.feed(memoryview(read))
                read[:] = b"\xff" * len(read)
            assert received == expected

    def test_a_read_is_not_held(self, decoder, masked):
        read = bytearray(frame(masked, BINARY, b"Hello") + frame(masked, TEXT, b"unfinished")[:-1])
        decoder.feed(read)
        read.clear()

    def test_a_failed_read_is_not_held(self, decoder, masked):
        read = bytearray(frame(masked, TEXT, b"a" * 3000 + b"\xff"))
        failure(decoder, [read])
        failure(decoder, [read])
        read.clear()
