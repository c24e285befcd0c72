# What the compiled asyncio stream takes from messages_c: a decoder fed by pointer, and messages
# written to where it wants them.

from libc.stdint cimport uint8_t

from .memory_c cimport memory_of_message

# MessageDecoder.feed for n bytes at p that nothing writes to meanwhile.
cdef list feed_memory(object decoder, const uint8_t* p, Py_ssize_t n)

# MessageDecoder.feed_within for the same; *consumed becomes how many of the bytes it has used.
cdef list feed_memory_within(
    object decoder, const uint8_t* p, Py_ssize_t n, Py_ssize_t budget, Py_ssize_t* consumed
)

# Bytes that a str or bytes takes as a payload.
cdef Py_ssize_t payload_size(object message) except -1

# encode_message, for whichever role.
cdef bytes encode(object message, bint masks, Py_ssize_t fragment_size)
