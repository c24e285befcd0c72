# What the compiled asyncio stream takes from messages_c: a decoder fed by pointer, and messages
# written to where it wants them.

from libc.stdint cimport uint8_t

# MessageDecoder.feed for n bytes at p that nothing writes to meanwhile.
cdef list feed_memory(object decoder, const uint8_t* p, Py_ssize_t n)

# Bytes that a str or bytes takes as a payload, and that a payload of this size takes on the wire.
cdef Py_ssize_t payload_size(object message) except -1
cdef Py_ssize_t wire_size(Py_ssize_t size, bint masks, Py_ssize_t fragment_size) except -1

# Write the frames of a str or bytes whose payload_size is `size`, and answer where they end.
cdef uint8_t* write_message(
    uint8_t* dst, object message, Py_ssize_t size, bint masks, Py_ssize_t fragment_size
) except NULL

# encode_message, for whichever role.
cdef bytes encode(object message, bint masks, Py_ssize_t fragment_size)
