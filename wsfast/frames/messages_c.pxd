# What the compiled asyncio stream takes from messages_c: a decoder fed by pointer, and messages
# written to where it wants them.

from libc.stdint cimport uint8_t

# MessageDecoder.feed for n bytes at p that nothing writes to meanwhile.
cdef list feed_memory(object decoder, const uint8_t* p, Py_ssize_t n)

# Bytes that a str or bytes takes as a payload.
cdef Py_ssize_t payload_size(object message) except -1

# encode_message, for whichever role.
cdef bytes encode(object message, bint masks, Py_ssize_t fragment_size)
