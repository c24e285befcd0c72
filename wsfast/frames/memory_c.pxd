# What a message costs while it waits, for the compiled modules that count it.

from cpython.bytes cimport PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_GET_LENGTH

# The heads of CPython's objects differ between its versions.
cdef extern from *:
    """
    #include <stddef.h>
    #define WSF_BYTES_HEAD ((Py_ssize_t)offsetof(PyBytesObject, ob_sval) + 1)
    #define WSF_ASCII_HEAD ((Py_ssize_t)sizeof(PyASCIIObject) + 1)
    """
    const Py_ssize_t WSF_BYTES_HEAD
    const Py_ssize_t WSF_ASCII_HEAD

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    LIST_SLOT = 8  # a pointer
    ALLOCATOR_UNIT = 16  # every block of CPython's allocator is a multiple of it

# The same for whatever is neither ASCII nor bytes.
cdef Py_ssize_t memory_of_other(object message) except -1


cdef inline Py_ssize_t rounded(Py_ssize_t size) noexcept:
    return (size + ALLOCATOR_UNIT - 1) & -ALLOCATOR_UNIT


cdef inline Py_ssize_t memory_of_message(object message) except -1:
    """memory_of for C, without a call for most messages."""
    cdef Py_ssize_t size
    if PyUnicode_CheckExact(message) and PyUnicode_IS_ASCII(message):
        size = PyUnicode_GET_LENGTH(message)
        return LIST_SLOT + (rounded(WSF_ASCII_HEAD + size) if size else 0)
    if PyBytes_CheckExact(message):
        size = PyBytes_GET_SIZE(message)
        return LIST_SLOT + (rounded(WSF_BYTES_HEAD + size) if size else 0)
    return memory_of_other(message)
