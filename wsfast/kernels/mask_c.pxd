# What the other compiled modules take from mask_c: what callers hand in, checked.

from libc.stdint cimport uint32_t

# Hold the bytes of data, an argument of this name, until PyBuffer_Release; a failure leaves
# nothing to release.
cdef int acquire(object data, Py_buffer* view, str name) except -1

# The masking key as a word, rotated so that its first byte meets byte `offset` of a payload.
cdef uint32_t key_at(object key, object offset) except? 0
