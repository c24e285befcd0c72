"""Masking: every implementation against RFC 6455 section 5.3 spelled out."""

import ctypes
import mmap
import sys
from array import array
from contextlib import suppress

import pytest
from wires import KEY, naive_mask

DATA = bytes(range(1, 256)) * 2


@pytest.fixture(scope="module")
def mask(implementation):
    return implementation.mask


def test_example_of_section_5_7(mask):
    assert mask.apply_mask(b"Hello", KEY) == bytes.fromhex("7f9f4d5158")


def test_masking_twice_gives_the_data_back(mask):
    assert mask.apply_mask(mask.apply_mask(DATA, KEY), KEY) == DATA


def test_the_result_is_bytes_of_its_own(mask):
    assert type(mask.apply_mask(bytearray(b"Hello"), KEY)) is bytes
    assert mask.apply_mask(b"Hello", bytes(4)) == b"Hello"


@pytest.mark.parametrize("offset", range(4))
def test_every_length(mask, offset):
    for length in range(301):
        expected = naive_mask(DATA[:length], KEY, offset)
        assert mask.apply_mask(DATA[:length], KEY, offset) == expected
        buffer = bytearray(DATA[:length])
        mask.apply_mask_inplace(buffer, KEY, offset)
        assert buffer == expected


@pytest.mark.parametrize("alignment", range(64))
def test_every_alignment(mask, alignment):
    for length in (0, 1, 3, 4, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 191, 257):
        end = alignment + length
        assert mask.apply_mask(memoryview(DATA)[alignment:end], KEY, 1) == naive_mask(
            DATA[alignment:end], KEY, 1
        )


@pytest.mark.parametrize("alignment", range(64))
def test_in_place_touches_nothing_outside(mask, alignment):
    for length in (0, 1, 5, 16, 31, 64, 100, 200):
        end = alignment + length
        buffer = bytearray(DATA)
        mask.apply_mask_inplace(memoryview(buffer)[alignment:end], KEY, 3)
        masked = naive_mask(DATA[alignment:end], KEY, 3)
        assert buffer == DATA[:alignment] + masked + DATA[end:]


@pytest.mark.parametrize("length", [1023, 1024, 1025, 4095, 65535, 65536, (1 << 20) + 3])
def test_big_payloads(mask, length):
    data = (DATA * (length // len(DATA) + 1))[:length]
    expected = naive_mask(data, KEY, 2)
    assert mask.apply_mask(data, KEY, 2) == expected
    buffer = bytearray(data)
    mask.apply_mask_inplace(buffer, KEY, 2)
    assert buffer == expected


@pytest.mark.parametrize("offset", [4, 5, 1 << 31, (1 << 63) + 2, (1 << 70) + 1])
def test_only_the_offset_modulo_4_counts(mask, offset):
    assert mask.apply_mask(DATA, KEY, offset) == naive_mask(DATA, KEY, offset % 4)


def test_pieces_at_their_offsets_make_the_whole(mask):
    for cut in range(len(DATA)):
        head, tail = mask.apply_mask(DATA[:cut], KEY), mask.apply_mask(DATA[cut:], KEY, cut)
        assert head + tail == naive_mask(DATA)


def test_the_data_are_never_changed(mask):
    data = bytearray(DATA)
    mask.apply_mask(data, KEY)
    assert data == DATA


def test_in_place_returns_nothing(mask):
    assert mask.apply_mask_inplace(bytearray(b"Hello"), KEY) is None


def mapped():
    memory = mmap.mmap(-1, 64)
    memory[:] = DATA[:64]
    return memory


BUFFERS = {
    "bytearray": lambda: bytearray(DATA[:64]),
    "memoryview": lambda: memoryview(bytearray(DATA[:64])),
    "matrix": lambda: memoryview(bytearray(DATA[:64])).cast("B", (8, 8)),
    "array of bytes": lambda: array("B", DATA[:64]),
    "array of shorts": lambda: array("h", DATA[:64]),
    "array of doubles": lambda: array("d", DATA[:64]),
    "ctypes array": lambda: (ctypes.c_uint32 * 16).from_buffer_copy(DATA[:64]),
    "mmap": mapped,
}


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
def test_every_kind_of_buffer(mask, make):
    buffer = make()
    assert mask.apply_mask(buffer, KEY, 1) == naive_mask(DATA[:64], KEY, 1)
    mask.apply_mask_inplace(buffer, KEY, 1)
    assert memoryview(buffer).tobytes() == naive_mask(DATA[:64], KEY, 1)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda key: array("I", key)])
def test_every_kind_of_key(mask, kind):
    assert mask.apply_mask(b"Hello", kind(KEY)) == bytes.fromhex("7f9f4d5158")


def test_buffers_are_released(mask):
    data, key = bytearray(DATA), bytearray(KEY)
    mask.apply_mask(data, key)
    mask.apply_mask_inplace(data, key)
    data.append(0)
    key.append(0)


def test_buffers_are_released_after_an_error(mask):
    data, key = bytearray(DATA), bytearray(3)
    for apply in (mask.apply_mask, mask.apply_mask_inplace):
        with pytest.raises(ValueError, match="key must have 4 bytes, not 3"):
            apply(data, key)
    data.append(0)
    key.append(0)


def test_the_key_may_be_the_data(mask):
    key = bytearray(KEY)
    mask.apply_mask_inplace(key, key)
    assert key == bytes(4)


ERRORS = [
    (("Hello", KEY), TypeError, "must be a bytes-like object, not str"),
    ((None, KEY), TypeError, "must be a bytes-like object, not NoneType"),
    ((memoryview(bytearray(DATA))[::2], KEY), ValueError, "must be contiguous"),
    ((bytearray(4), "1234"), TypeError, "key must be a bytes-like object, not str"),
    ((bytearray(4), None), TypeError, "key must be a bytes-like object, not NoneType"),
    ((bytearray(4), b""), ValueError, "key must have 4 bytes, not 0"),
    ((bytearray(4), b"12345"), ValueError, "key must have 4 bytes, not 5"),
    ((bytearray(4), memoryview(b"12345678")[::2]), ValueError, "key must be contiguous"),
    ((bytearray(4), KEY, -1), ValueError, "offset must not be negative: -1"),
    ((bytearray(4), KEY, 1.0), TypeError, "offset must be an int, not float"),
    ((bytearray(4), KEY, None), TypeError, "offset must be an int, not NoneType"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), ERRORS)
@pytest.mark.parametrize("name", ["apply_mask", "apply_mask_inplace"])
def test_misuse(mask, name, arguments, error, text):
    with pytest.raises(error, match=text):
        getattr(mask, name)(*arguments)


@pytest.mark.parametrize("data", [b"Hello", memoryview(b"Hello")])
def test_in_place_wants_a_writable_buffer(mask, data):
    kind = type(data).__name__
    with pytest.raises(TypeError, match=f"buffer must be writable, but this {kind} is read-only"):
        mask.apply_mask_inplace(data, KEY)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in 3.12")
def test_in_place_nothing_read_only_is_written_to_whatever_it_says_next(mask):
    class Changing:
        views = 0

        def __buffer__(self, flags):
            self.views += 1
            return memoryview(original if self.views == 1 else bytearray(b"Hello"))

    original = bytes.fromhex("48656c6c6f")
    with suppress(TypeError):
        mask.apply_mask_inplace(Changing(), KEY)
    assert original == b"Hello"
