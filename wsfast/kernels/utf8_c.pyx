"""UTF-8 in C: the twin of ``utf8_py``.

Bytes to text and back; no idea what a frame is. UTF-8 is RFC 3629's: no overlong form, no
surrogate, nothing above U+10FFFF.
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from .._simd cimport (
    WSF_ASCII,
    WSF_NOT_ENCODABLE,
    WSF_UCS1,
    WSF_UCS2,
    kernels,
    utf8_first_error,
    utf8_unfinished,
    wsf_text,
)
from .mask_c cimport acquire

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_DATA(object text)
    int PyUnicode_KIND(object text)
    bint PyUnicode_IS_ASCII(object text)
    bint PyUnicode_CheckExact(object text)
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    object PyUnicode_DecodeUTF8(const char* src, Py_ssize_t n, const char* errors)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int __Pyx_PyUnicode_READY(object text) except -1  # before Python 3.12 a str may not be ready

from typing import NoReturn

from .buffers import Buffer, bytes_of, not_copied

# Up to 12 bytes Python's own decoder is the fastest (4 bytes: 44 ns against 50); up to 128, words
# tell ASCII sooner than a kernel does (64 bytes: 44 ns against 52). is_ascii needs 8 bytes at least.
cdef enum:
    FEW_BYTES = 12
    SHORT = 128

__all__ = ["Utf8Validator", "decode_utf8", "encode_utf8", "is_valid_utf8"]


def is_valid_utf8(data: Buffer) -> bool:
    """Tell if the bytes are UTF-8 as a whole (RFC 3629).

    Args:
        data: bytes-like and contiguous, of any length.

    Raises:
        TypeError: ``data`` is not bytes-like.
        ValueError: ``data`` is not contiguous.
    """
    cdef Py_buffer view
    if PyBytes_CheckExact(data):
        return kernels.utf8_valid(<uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    acquire(data, &view, "data")
    try:
        return kernels.utf8_valid(<uint8_t*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


def decode_utf8(data: Buffer) -> str:
    """Decode UTF-8 to text: the results and the errors of ``bytes.decode``.

    Args:
        data: bytes-like and contiguous, of any length.

    Raises:
        UnicodeDecodeError: ``data`` is not UTF-8; the same error that ``bytes.decode`` raises.
        TypeError: ``data`` is not bytes-like.
        ValueError: ``data`` is not contiguous.
    """
    if PyBytes_CheckExact(data):
        return decode_as_python(<uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    # Text is read twice, to measure it and to decode it: what another thread or process may write
    # to meanwhile has to be copied.
    return decode_utf8(bytes_of(data, "data"))


def encode_utf8(text: str) -> bytes:
    """Encode text to UTF-8: the results and the errors of ``str.encode``.

    Args:
        text: a str, of any length.

    Raises:
        UnicodeEncodeError: ``text`` holds a surrogate; the same error that ``str.encode`` raises.
        TypeError: ``text`` is not a str.
    """
    cdef Py_ssize_t size
    cdef bytes encoded
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    if PyUnicode_CheckExact(text) and PyUnicode_IS_COMPACT_ASCII(text):
        return PyBytes_FromStringAndSize(<char*>PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))
    size = utf8_size(text)
    encoded = PyBytes_FromStringAndSize(NULL, size)
    write_utf8(<uint8_t*>PyBytes_AS_STRING(encoded), size, text)
    return encoded


# How far a text has been validated.
cdef struct TextReader:
    uint8_t pending[4]  # the bytes of the unfinished character at the end
    size_t pending_size
    size_t total
    bint failed


cdef class Utf8Validator:
    """Validate UTF-8 that arrives in pieces, cut anywhere (RFC 6455 section 8.1).

    It fails at the first byte that no valid text could have there, without waiting for the end of
    the character. The interface is the one that wsaccel, autobahn and ws4py share. A validator
    belongs to one text and one thread at a time.

    >>> validator = Utf8Validator()
    >>> validator.validate(bytes.fromhex("61 e2 82"))
    (True, False, 3, 3)
    >>> validator.validate(bytes.fromhex("ac ff"))
    (False, False, 1, 4)
    """

    cdef TextReader reader

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again, with the first byte of a new text."""
        self.reader.pending_size = self.reader.total = 0
        self.reader.failed = False

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def validate(self, data: Buffer) -> tuple[bool, bool, int, int]:
        """Take the next piece of the text.

        Args:
            data: bytes-like and contiguous, of any length.

        Returns:
            Whether the text can still be valid; whether it ends on a whole character; the index
            behind the last good byte in this piece; and the same in the whole text. After a
            failure these are the indexes of the first bad byte, and every further piece
            fails at its index 0.

        Raises:
            TypeError: ``data`` is not bytes-like.
            ValueError: ``data`` is not contiguous.
        """
        cdef Py_buffer view
        cdef TextReader reader
        cdef size_t good = 0
        acquire(data, &view, "data")
        try:
            reader = self.reader
            if not reader.failed:
                good = advance(&reader, <uint8_t*>view.buf, view.len)
            result = (
                not reader.failed, not (reader.failed or reader.pending_size), good, reader.total
            )
            # Nothing can fail from here on: a piece is taken whole or not at all.
            self.reader = reader
        finally:
            PyBuffer_Release(&view)
        return result


cdef size_t advance(TextReader* reader, const uint8_t* src, size_t n) noexcept:
    """Validate the next n bytes. Returns how many of them can belong to valid UTF-8."""
    cdef size_t good = validate_pending(reader, src, n)
    if good < n and reader.pending_size == 0:
        good += validate_rest(reader, src + good, n - good)
    reader.failed = good < n
    reader.total += good
    return good


cdef size_t validate_pending(TextReader* reader, const uint8_t* src, size_t n) noexcept:
    """Go on with the unfinished character, to its end or its first bad byte."""
    cdef size_t taken = 0
    while reader.pending_size and taken < n:
        reader.pending[reader.pending_size] = src[taken]
        if utf8_first_error(reader.pending, reader.pending_size + 1) == reader.pending_size:
            return taken
        reader.pending_size += 1
        taken += 1
        if utf8_unfinished(reader.pending, reader.pending_size) == 0:
            reader.pending_size = 0
    return taken


cdef size_t validate_rest(TextReader* reader, const uint8_t* src, size_t n) noexcept:
    """Validate from the start of a character on, and keep the last one if it is unfinished."""
    # It is looked at where it is kept: another process may be writing to src.
    cdef size_t last = min(n, <size_t>3), unfinished
    memcpy(reader.pending, src + n - last, last)
    unfinished = utf8_unfinished(reader.pending, last)
    memmove(reader.pending, reader.pending + last - unfinished, unfinished)
    if (
        kernels.utf8_valid(src, n - unfinished)
        and utf8_first_error(reader.pending, unfinished) == unfinished
    ):
        reader.pending_size = unfinished
        return n
    return utf8_first_error(src, n)


cdef inline object decode_as_python(const uint8_t* src, size_t n):
    # Python's own decoder raises its own errors; and it is as fast as anything for a few bytes.
    if n == 0:
        return ""
    if n > FEW_BYTES:
        if n <= SHORT and is_ascii(src, n):
            return decode_scanned(src, n, n, WSF_ASCII)
        text = decode(src, n)
        if text is not None:
            return text
    return PyUnicode_DecodeUTF8(<const char*>src, n, NULL)


cdef inline bint is_ascii(const uint8_t* src, size_t n) noexcept:
    """Whether 8 bytes or more are ASCII: for a short text sooner told here than by a kernel."""
    cdef uint64_t word, seen
    cdef size_t i
    memcpy(&seen, src + n - 8, 8)
    for i in range(0, n - 8, 8):
        memcpy(&word, src + i, 8)
        seen |= word
    return seen & 0x8080808080808080u == 0


cdef object decode(const uint8_t* src, size_t n):
    cdef wsf_text text
    if not kernels.utf8_scan(src, n, &text):
        return None
    return decode_scanned(src, n, text.chars, text.width)


cdef object decode_scanned(const uint8_t* src, size_t n, size_t chars, int width):
    # PyUnicode_New must get the narrowest class that holds the text: strings of another width
    # than that are not canonical, and would not equal their like.
    if width == WSF_ASCII:
        text = PyUnicode_New(chars, 0x7F)
        if chars:
            memcpy(PyUnicode_DATA(text), src, n)
    elif width == WSF_UCS1:
        text = PyUnicode_New(chars, 0xFF)
        kernels.utf8_to_ucs1(<uint8_t*>PyUnicode_DATA(text), chars, src, n)
    elif width == WSF_UCS2:
        text = PyUnicode_New(chars, 0xFFFF)
        kernels.utf8_to_ucs2(<uint16_t*>PyUnicode_DATA(text), chars, src, n)
    else:
        text = PyUnicode_New(chars, 0x10FFFF)
        kernels.utf8_to_ucs4(<uint32_t*>PyUnicode_DATA(text), chars, src, n)
    return text


cdef Py_ssize_t utf8_size(object text) except -1:
    cdef size_t size
    cdef Py_ssize_t length
    __Pyx_PyUnicode_READY(text)
    length = PyUnicode_GET_LENGTH(text)
    if PyUnicode_IS_ASCII(text):
        return length
    if PyUnicode_KIND(text) == 1:
        size = kernels.ucs1_utf8_length(<uint8_t*>PyUnicode_DATA(text), length)
    elif PyUnicode_KIND(text) == 2:
        size = kernels.ucs2_utf8_length(<uint16_t*>PyUnicode_DATA(text), length)
    else:
        size = kernels.ucs4_utf8_length(<uint32_t*>PyUnicode_DATA(text), length)
    if size == WSF_NOT_ENCODABLE:
        str.encode(text)  # raises the very error of Python
    if size > <size_t>PY_SSIZE_T_MAX:
        raise MemoryError
    return size


cdef void write_utf8(uint8_t* dst, size_t size, object text) noexcept:
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(text)
    if PyUnicode_IS_ASCII(text):
        memcpy(dst, PyUnicode_DATA(text), size)
    elif PyUnicode_KIND(text) == 1:
        kernels.ucs1_to_utf8(dst, size, <uint8_t*>PyUnicode_DATA(text), length)
    elif PyUnicode_KIND(text) == 2:
        kernels.ucs2_to_utf8(dst, size, <uint16_t*>PyUnicode_DATA(text), length)
    else:
        kernels.ucs4_to_utf8(dst, size, <uint32_t*>PyUnicode_DATA(text), length)
