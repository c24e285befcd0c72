"""Masking and UTF-8, done and refused."""

from growth import load, main, refused

mask, utf8 = load("kernels.mask"), load("kernels.utf8")

KEY = bytearray(b"1234")
TEXTS = ["ascii" * 50, "é" * 100, "水" * 100, "𝄞" * 100]
BAD = "水" * 50 + "\ud800"


def masking():
    buffer = bytearray(b"Hello" * 100)
    mask.apply_mask(memoryview(buffer), KEY, 1 << 70)
    mask.apply_mask_inplace(buffer, KEY)


def masking_refused():
    refused(ValueError, mask.apply_mask, bytearray(10), b"123")
    refused(ValueError, mask.apply_mask_inplace, bytearray(10), KEY, -1)
    refused(ValueError, mask.apply_mask, memoryview(bytes(10))[::2], KEY)
    refused(TypeError, mask.apply_mask_inplace, b"read-only", KEY)
    refused(TypeError, mask.apply_mask, "text", KEY)


def transcoding():
    for text in TEXTS:
        data = bytearray(utf8.encode_utf8(text))
        utf8.is_valid_utf8(data)
        utf8.decode_utf8(data)


def transcoding_refused():
    refused(UnicodeEncodeError, utf8.encode_utf8, BAD)
    refused(UnicodeDecodeError, utf8.decode_utf8, bytearray(b"a" * 1000 + b"\xff"))
    refused(TypeError, utf8.encode_utf8, b"bytes")
    utf8.is_valid_utf8(bytearray(b"\xff"))


def validating():
    validator = utf8.Utf8Validator()
    for piece in (b"a" * 100, b"\xe2\x82", b"\xac", b"\xff", b"more"):
        validator.validate(bytearray(piece))
    refused(TypeError, validator.validate, None)


main(masking, masking_refused, transcoding, transcoding_refused, validating)
