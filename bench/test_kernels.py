"""Masking and UTF-8 against the fastest that a Python program could use instead."""

import pytest
from autobahn.nvx import Utf8Validator as NvxValidator
from texts import NOT_ASCII, text_of
from websockets.speedups import apply_mask as websockets_mask
from wsaccel.utf8validator import Utf8Validator as WsaccelValidator

from wsfast import apply_mask, apply_mask_inplace, decode_utf8, encode_utf8, is_valid_utf8

KEY = b"\x37\xfa\x21\x3d"


@pytest.mark.parametrize("size", [8, 16, 125, 126, 1024, 16384, 65536, 1 << 20])
def test_apply_mask(row, size):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    row(
        f"apply_mask, {size} B",
        lambda: apply_mask(data, KEY),
        {"websockets (C)": (lambda: websockets_mask(data, KEY), 1.0)},
    )


def test_apply_mask_inplace(row):
    buffer = bytearray(65536)
    row(
        "apply_mask_inplace, 64 KiB",
        lambda: apply_mask_inplace(buffer, KEY),
        {"bytes(bytearray)": (lambda: bytes(buffer) and None, 1.0)},
    )


@pytest.mark.parametrize("size", [1024, 65536, 1 << 20])
@pytest.mark.parametrize("name", NOT_ASCII)
def test_is_valid_utf8(row, name, size):
    data = text_of(name, size).encode()

    def by_decoding():
        data.decode()
        return True

    row(
        f"is_valid_utf8, {name}, {size} B",
        lambda: is_valid_utf8(data),
        {
            "bytes.decode": (by_decoding, 6),
            "wsaccel": (lambda: WsaccelValidator().validate(data)[0], 25),
            "autobahn nvx": (lambda: NvxValidator().validate(data)[0], 25),
        },
    )


@pytest.mark.parametrize("size", [0, 1, 4, 16, 64, 125, 1024, 65536, 1 << 20])
@pytest.mark.parametrize("name", ["ascii", *NOT_ASCII])
def test_decode_utf8(row, name, size):
    data = text_of(name, size).encode()
    row(
        f"decode_utf8, {name}, {size} B",
        lambda: decode_utf8(data),
        {"bytes.decode": (lambda: data.decode(), 2.5 if size >= 1024 and name != "ascii" else 1)},
    )


@pytest.mark.parametrize("size", [16, 125, 1024, 65536])
@pytest.mark.parametrize("name", ["ascii", *NOT_ASCII])
def test_encode_utf8(row, name, size):
    text = text_of(name, size)
    row(
        f"encode_utf8, {name}, {size} B",
        lambda: encode_utf8(text),
        {"str.encode": (lambda: text.encode(), None)},
    )
