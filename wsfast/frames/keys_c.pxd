# Masking keys for the compiled modules that mask.

from libc.stdint cimport uint32_t

# Draw a key, as it lies in memory.
cdef uint32_t next_key() except? 0
