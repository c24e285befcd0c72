"""UTF-8: every implementation against CPython's own codec."""

import sys

import pytest

# What surrounds the sequence under test, and how many bytes a step of its takes: vector code sees
# runs of one kind, blocks of 16 to 64 bytes, and the seams between them.
SURROUNDINGS = {"ascii": "a", "latin": "é", "bmp": "水", "astral": "𝄞"}

# Real sentences, one for each mixture of widths.
TEXTS = {
    "english": "The protocol has two parts: a handshake and the data transfer. " * 3,
    "german": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 3,
    "greek": "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία. " * 3,
    "russian": "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 3,
    "hindi": "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले। " * 2,
    "japanese": "いろはにほへと ちりぬるを わかよたれそ つねならむ。" * 3,
    "emoji": "👩‍👩‍👧‍👦 says 🖖🏽 and 🇪🇺; 𓀀𓁐𓂀𓃰 𝄞♫ ok. " * 3,
}

# The first and the last of each length, and of each range that is cut out.
BOUNDARIES = [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF]

# By the byte (counted from 0) that spoils them.
MALFORMED = {
    "80": 0,
    "bf": 0,
    "c0": 0,
    "c0 80": 0,
    "c1": 0,
    "c1 bf": 0,
    "f5": 0,
    "f8 88 80 80 80": 0,
    "fe": 0,
    "ff": 0,
    "c2 7f": 1,
    "c2 c0": 1,
    "df 00": 1,
    "e0 80": 1,
    "e0 9f bf": 1,
    "e1 7f": 1,
    "ed a0": 1,
    "ed a0 80": 1,
    "ed bf bf": 1,
    "f0 80": 1,
    "f0 8f bf bf": 1,
    "f4 90": 1,
    "f4 90 80 80": 1,
    "f4 bf": 1,
    "e1 80 7f": 2,
    "e1 80 c0": 2,
    "ef bf 61": 2,
    "f0 90 41": 2,
    "f1 80 ff": 2,
    "f4 8f bf 7f": 3,
    "f4 8f bf f4": 3,
}

UNFINISHED = ["c2", "e0 a0", "e1", "e1 80", "ed 9f", "f0", "f0 90", "f0 90 80", "f4 8f bf"]


@pytest.fixture(scope="module")
def utf8(implementation):
    return implementation.utf8


def error_of(call, argument):
    with pytest.raises(UnicodeError) as info:
        call(argument)
    return type(info.value), info.value.args


def agrees_with_python(utf8, data):
    """The verdict, the text or the very error, exactly as CPython gives them."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        assert not utf8.is_valid_utf8(data)
        assert error_of(utf8.decode_utf8, data) == error_of(bytes.decode, data)
        return False
    assert utf8.is_valid_utf8(data)
    decoded = utf8.decode_utf8(data)
    assert decoded == text
    assert sys.getsizeof(decoded) == sys.getsizeof(data.decode())
    assert hash(decoded) == hash(text)
    assert utf8.encode_utf8(text) == data
    return True


def at_every_position(sequence):
    """The bytes behind and before runs of every kind, at every phase of a vector."""
    for filler in map(str.encode, SURROUNDINGS.values()):
        for position in range(131 // len(filler)):
            yield position * len(filler), filler * position + sequence + filler * 3
            yield position * len(filler), filler * position + sequence


def test_every_sequence_of_one_byte(utf8):
    for byte in range(256):
        assert agrees_with_python(utf8, bytes([byte])) == (byte < 0x80)


def test_every_sequence_of_two_bytes(utf8):
    valid = sum(
        utf8.is_valid_utf8(bytes(pair)) for pair in ((a, b) for a in range(256) for b in range(256))
    )
    assert valid == 128 * 128 + 30 * 64
    for first in range(0x80, 0x100):
        for second in range(0, 0x100, 0x0F):
            agrees_with_python(utf8, bytes([first, second]))


def test_every_two_bytes_amid_ascii(utf8):
    for first in range(0x80, 0x100):
        for second in range(0, 0x100, 0x10):
            agrees_with_python(utf8, b"a" * 40 + bytes([first, second]) + b"a" * 40)


@pytest.mark.parametrize("last", [b"", b"\x80", b"\xbf", b"a"])
def test_every_start_of_three_bytes(utf8, last):
    for first in range(0xE0, 0xF0):
        for second in range(0x70, 0xD0):
            agrees_with_python(utf8, bytes([first, second]) + last)


@pytest.mark.parametrize("last", [b"", b"\x80", b"\x80\x80", b"\xbf\xbf", b"a\x80", b"\x80\xc0"])
def test_every_start_of_four_bytes(utf8, last):
    for first in range(0xF0, 0x100):
        for second in range(0x70, 0xD0):
            agrees_with_python(utf8, bytes([first, second]) + last)


@pytest.mark.parametrize("code", BOUNDARIES, ids=hex)
def test_a_boundary_at_every_position(utf8, code):
    for _, data in at_every_position(chr(code).encode()):
        assert agrees_with_python(utf8, data)


@pytest.mark.parametrize("sequence", MALFORMED)
def test_a_malformed_sequence_at_every_position(utf8, sequence):
    for _, data in at_every_position(bytes.fromhex(sequence)):
        assert not agrees_with_python(utf8, data)


@pytest.mark.parametrize("sequence", UNFINISHED)
def test_an_unfinished_sequence_at_every_position(utf8, sequence):
    for _, data in at_every_position(bytes.fromhex(sequence)):
        assert not agrees_with_python(utf8, data)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_of_many_languages(utf8, text):
    for start in range(0, len(text), 7):
        for end in range(start, len(text), 11):
            assert agrees_with_python(utf8, text[start:end].encode())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_one_corrupted_byte(utf8, text):
    data = bytearray(text.encode())
    for index in range(len(data)):
        for flip in (0x80, 0x40, 0x20, 0x10):
            data[index] ^= flip
            agrees_with_python(utf8, bytes(data))
            data[index] ^= flip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_cut_off_anywhere(utf8, text):
    data = text.encode()
    for end in range(len(data)):
        agrees_with_python(utf8, data[:end])


@pytest.mark.parametrize("character", ["a", "é", "水", "𝄞"])
@pytest.mark.parametrize("size", [65535, 65536, 100_000])
def test_long_text(utf8, character, size):
    text = character * size
    assert agrees_with_python(utf8, text.encode())
    assert not utf8.is_valid_utf8(text.encode() + b"\xff")


@pytest.mark.parametrize("widest", ["a", "é", "水", "𝄞"])
def test_decoded_text_is_as_narrow_as_can_be(utf8, widest):
    # CPython compares strings of different width as unequal: one that is too wide equals nothing.
    for position in range(80):
        text = "a" * position + widest + "a" * 20
        assert agrees_with_python(utf8, text.encode())
        assert {text: True}[utf8.decode_utf8(text.encode())]


def test_empty(utf8):
    assert utf8.is_valid_utf8(b"")
    assert utf8.decode_utf8(b"") == ""
    assert utf8.encode_utf8("") == b""


@pytest.mark.parametrize("data", [bytearray("水é".encode()), memoryview("水é".encode())])
def test_bytes_like_objects(utf8, data):
    assert utf8.is_valid_utf8(data)
    assert utf8.decode_utf8(data) == "水é"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_errors_carry_the_bytes_as_python_does(utf8, kind):
    data = b"Hello \xff"
    expected = error_of(lambda argument: str(argument, "utf-8"), kind(data))
    assert error_of(utf8.decode_utf8, kind(data)) == expected


def test_buffers_are_released(utf8):
    data, bad = bytearray(b"Hello"), bytearray(b"\xff")
    utf8.is_valid_utf8(data)
    utf8.decode_utf8(data)
    utf8.Utf8Validator().validate(data)
    utf8.Utf8Validator().validate(bad)
    error_of(utf8.decode_utf8, bad)
    data.append(0)
    bad.append(0)


@pytest.mark.parametrize("surrogate", [0xD800, 0xDBFF, 0xDC00, 0xDFFF], ids=hex)
@pytest.mark.parametrize("around", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_surrogates_are_not_encodable(utf8, surrogate, around):
    for position in range(70):
        text = around * position + chr(surrogate) + around
        assert error_of(utf8.encode_utf8, text) == error_of(str.encode, text)


def test_a_subclass_of_str_is_encoded_as_its_text(utf8):
    class Shouting(str):
        def encode(self, *args):
            return b"LOUD"

    assert utf8.encode_utf8(Shouting("quiet")) == b"quiet"


@pytest.mark.parametrize("data", ["text", None, 3, [1]])
def test_only_bytes_are_decoded(utf8, data):
    text = f"data must be a bytes-like object, not {type(data).__name__}"
    for call in (utf8.is_valid_utf8, utf8.decode_utf8, utf8.Utf8Validator().validate):
        with pytest.raises(TypeError, match=text):
            call(data)


def test_only_contiguous_bytes_are_decoded(utf8):
    for call in (utf8.is_valid_utf8, utf8.decode_utf8, utf8.Utf8Validator().validate):
        with pytest.raises(ValueError, match="data must be contiguous"):
            call(memoryview(b"abcdef")[::2])


@pytest.mark.parametrize("text", [b"bytes", None, 3])
def test_only_text_is_encoded(utf8, text):
    with pytest.raises(TypeError, match=f"text must be a str, not {type(text).__name__}"):
        utf8.encode_utf8(text)


class TestUtf8Validator:
    def test_results(self, utf8):
        validator = utf8.Utf8Validator()
        assert validator.validate(b"abc") == (True, True, 3, 3)
        assert validator.validate(b"") == (True, True, 0, 3)
        assert validator.validate(b"\xe2\x82") == (True, False, 2, 5)
        assert validator.validate(b"") == (True, False, 0, 5)
        assert validator.validate(b"\xac!") == (True, True, 2, 7)

    def test_results_are_plain_bools_and_ints(self, utf8):
        result = utf8.Utf8Validator().validate(b"abc")
        assert type(result) is tuple
        assert [type(item) for item in result] == [bool, bool, int, int]

    def test_after_a_failure_every_piece_fails_at_once(self, utf8):
        validator = utf8.Utf8Validator()
        validator.validate(b"abc")
        assert validator.validate(b"de\xff") == (False, False, 2, 5)
        assert validator.validate(b"fine") == (False, False, 0, 5)
        assert validator.validate(b"") == (False, False, 0, 5)

    @pytest.mark.parametrize("before", [b"abc", b"\xe2\x82", b"\xff"])
    def test_reset_begins_a_new_text(self, utf8, before):
        validator = utf8.Utf8Validator()
        validator.validate(before)
        assert validator.reset() is None
        assert validator.validate(b"abc") == (True, True, 3, 3)

    def test_a_refused_piece_leaves_the_text_as_it_was(self, utf8):
        validator = utf8.Utf8Validator()
        validator.validate(b"\xe2")
        with pytest.raises(TypeError):
            validator.validate("text")
        assert validator.validate(b"\x82\xac") == (True, True, 2, 3)

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_valid_text_split_anywhere(self, utf8, text):
        data = text.encode()
        for split in range(len(data) + 1):
            validator = utf8.Utf8Validator()
            on_character = split == len(data) or not 0x80 <= data[split] < 0xC0
            assert validator.validate(data[:split]) == (True, on_character, split, split)
            rest = len(data) - split
            assert validator.validate(data[split:]) == (True, True, rest, len(data))

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    @pytest.mark.parametrize("step", [1, 2, 3, 5, 16, 63, 64, 65])
    def test_valid_text_in_small_pieces(self, utf8, text, step):
        validator = utf8.Utf8Validator()
        data = text.encode()
        for start in range(0, len(data), step):
            assert validator.validate(data[start : start + step])[0]
        assert validator.validate(b"") == (True, True, 0, len(data))

    @pytest.mark.parametrize(("sequence", "bad"), MALFORMED.items())
    def test_the_first_bad_byte_is_found_wherever_the_text_is_split(self, utf8, sequence, bad):
        for position, data in at_every_position(bytes.fromhex(sequence)):
            index = position + bad
            for split in range(max(0, position - 1), min(len(data), index + 2)):
                validator = utf8.Utf8Validator()
                first = validator.validate(data[:split])
                second = validator.validate(data[split:])
                if split > index:
                    assert first == (False, False, index, index)
                    assert second == (False, False, 0, index)
                else:
                    assert (first[0], *first[2:]) == (True, split, split)
                    assert second == (False, False, index - split, index)

    @pytest.mark.parametrize(("sequence", "bad"), MALFORMED.items())
    def test_failure_comes_with_the_first_bad_byte(self, utf8, sequence, bad):
        """Autobahn's cases 6.4: do not wait for the rest of the character."""
        validator = utf8.Utf8Validator()
        data = b"\xce\xba" + bytes.fromhex(sequence)
        valid = [validator.validate(data[i : i + 1])[0] for i in range(len(data))]
        assert valid == [index < 2 + bad for index in range(len(data))]

    @pytest.mark.parametrize("sequence", UNFINISHED)
    def test_an_unfinished_character_may_still_be_valid(self, utf8, sequence):
        for position, data in at_every_position(bytes.fromhex(sequence)):
            if data.endswith(bytes.fromhex(sequence)):
                validator = utf8.Utf8Validator()
                assert validator.validate(data) == (True, False, len(data), len(data)), position
