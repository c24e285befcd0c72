"""What a message costs while it waits, in C: the twin of ``memory_py``.

A limit on what may wait bounds memory only if it counts memory: a text of one character takes 3
bytes of the wire and 60 or 70 of memory. Knows how CPython lays out its objects; no idea who waits.
"""

from cpython.bytes cimport PyBytes_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_GET_LENGTH, PyUnicode_KIND

from sys import getsizeof

from .arguments import not_received
from .received import OBJECT_SIZE, Close, CompressedMessage, Ping, Pong, Received

cdef extern from *:
    """
    #define WSF_WIDE_HEAD ((Py_ssize_t)sizeof(PyCompactUnicodeObject))
    /* The UTF-8 that Python may keep with a text that is not ASCII. */
    static inline Py_ssize_t wsf_kept_utf8(PyObject* text) {
        PyCompactUnicodeObject* wide = (PyCompactUnicodeObject*)text;
        return wide->utf8 == NULL ? 0 : wide->utf8_length + 1;
    }
    """
    const Py_ssize_t WSF_WIDE_HEAD
    Py_ssize_t wsf_kept_utf8(object text)

__all__ = ["memory_of"]

# As C variables: a look-up in the module's dictionary costs as much as all the rest.
cdef Py_ssize_t object_size = OBJECT_SIZE
cdef object compressed_type = CompressedMessage
cdef object ping_type = Ping
cdef object pong_type = Pong
cdef object close_type = Close


def memory_of(message: Received) -> int:
    """Count the memory that a message costs while it waits in a list.

    It is what CPython allocates on 64 bits: each object, rounded up as its allocator does, and the
    place in the list. An empty ``str`` or ``bytes`` exists once for all and costs only the place.

    Args:
        message: what a ``MessageDecoder`` returns.

    Returns:
        The number of bytes.

    Raises:
        TypeError: ``message`` is nothing that a decoder returns.

    >>> memory_of(b"")
    8
    >>> memory_of(bytes(1000))
    1048
    """
    return memory_of_message(message)


cdef Py_ssize_t memory_of_other(object message) except -1:
    cdef object kind = type(message), content
    if PyUnicode_CheckExact(message):
        return LIST_SLOT + rounded(
            WSF_WIDE_HEAD
            + (PyUnicode_GET_LENGTH(message) + 1) * PyUnicode_KIND(message)
            + wsf_kept_utf8(message)
        )
    if kind is compressed_type or kind is ping_type or kind is pong_type:
        content = message.payload
    elif kind is close_type:
        content = message.reason
    else:
        raise not_received(message)
    if PyUnicode_CheckExact(content) or PyBytes_CheckExact(content):
        return object_size + memory_of_message(content)
    # Made by hand, and of the wrong type.
    return object_size + LIST_SLOT + (rounded(getsizeof(content)) if content else 0)
