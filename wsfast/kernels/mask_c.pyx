"""Masking in C: the twin of ``mask_py``.

Bytes to bytes; no idea what a frame is.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyObject_CheckBuffer, PyObject_GetBuffer, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from .._simd cimport kernels, wsf_rotate_key

from .buffers import Buffer, not_bytes_like, not_contiguous, read_only

__all__ = ["apply_mask", "apply_mask_inplace"]


def apply_mask(data: Buffer, key: Buffer, offset: int = 0) -> bytes:
    """Mask or unmask a payload (RFC 6455 section 5.3).

    Args:
        data: bytes-like and contiguous, of any length; never changed.
        key: the masking key, bytes-like, 4 bytes.
        offset: how many bytes of the payload came before ``data``, 0 or more: byte ``i`` of
            ``data`` meets byte ``(offset + i) % 4`` of the key.

    Returns:
        As many bytes as ``data`` has.

    Raises:
        TypeError: ``data`` or ``key`` is not bytes-like, or ``offset`` is not an integer.
        ValueError: ``key`` is not of 4 bytes, ``offset`` is negative, or a buffer is not
            contiguous.

    >>> apply_mask(b"Hello", bytes.fromhex("37fa213d")).hex()
    '7f9f4d5158'
    """
    cdef Py_buffer view
    if PyBytes_CheckExact(data):
        return masked(<uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), key, offset)
    acquire(data, &view, "data")
    try:
        return masked(<uint8_t*>view.buf, view.len, key, offset)
    finally:
        PyBuffer_Release(&view)


def apply_mask_inplace(buffer: Buffer, key: Buffer, offset: int = 0) -> None:
    """Mask or unmask a payload where it lies (RFC 6455 section 5.3).

    Args:
        buffer: bytes-like, contiguous and writable: a bytearray, say.
        key: the masking key, bytes-like, 4 bytes.
        offset: how many bytes of the payload came before ``buffer``, 0 or more.

    Raises:
        TypeError: ``buffer`` is not bytes-like or not writable, ``key`` is not bytes-like, or
            ``offset`` is not an integer.
        ValueError: ``key`` is not of 4 bytes, ``offset`` is negative, or a buffer is not
            contiguous.
    """
    cdef Py_buffer view
    acquire(buffer, &view, "buffer")
    try:
        if view.readonly:
            raise read_only(buffer, "buffer")
        kernels.mask(<uint8_t*>view.buf, <uint8_t*>view.buf, view.len, key_at(key, offset))
    finally:
        PyBuffer_Release(&view)


cdef inline bytes masked(const uint8_t* src, Py_ssize_t size, object key, object offset):
    cdef uint32_t word = key_at(key, offset)
    cdef bytes result = PyBytes_FromStringAndSize(NULL, size)
    kernels.mask(<uint8_t*>PyBytes_AS_STRING(result), src, size, word)
    return result


cdef int acquire(object data, Py_buffer* view, str name) except -1:
    if not PyObject_CheckBuffer(data):
        raise not_bytes_like(data, name)
    try:
        PyObject_GetBuffer(data, view, PyBUF_SIMPLE)
    except BufferError:
        raise not_contiguous(name) from None
    return 0


cdef uint32_t key_at(object key, object offset) except? 0:
    cdef uint32_t word
    cdef Py_ssize_t size
    cdef Py_buffer view
    if PyBytes_CheckExact(key):
        size = PyBytes_GET_SIZE(key)
        if size == 4:
            memcpy(&word, PyBytes_AS_STRING(key), 4)
    else:
        acquire(key, &view, "key")
        size = view.len
        if size == 4:
            memcpy(&word, view.buf, 4)
        PyBuffer_Release(&view)
    if size != 4:
        raise ValueError(f"key must have 4 bytes, not {size}")
    if not isinstance(offset, int):
        raise TypeError(f"offset must be an int, not {type(offset).__name__}")
    if offset < 0:
        raise ValueError(f"offset must not be negative: {offset}")
    return wsf_rotate_key(word, offset & 3)
