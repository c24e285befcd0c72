# What the other compiled modules take from utf8_c: text out of UTF-8 and back, by pointer.

from libc.stdint cimport uint8_t

# The text of n bytes at src, or None if they are not UTF-8.
cdef object decode(const uint8_t* src, size_t n)

# The same when a scan has already said that they are, and how many characters of which width.
cdef object decode_scanned(const uint8_t* src, size_t n, size_t chars, int width)

# Bytes that the text takes in UTF-8; UnicodeEncodeError if it holds a surrogate.
cdef Py_ssize_t utf8_size(object text) except -1

# Write the text to dst as UTF-8: `size` bytes, which is what utf8_size returned.
cdef void write_utf8(uint8_t* dst, size_t size, object text) noexcept
