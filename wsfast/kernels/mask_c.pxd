# What the other compiled modules take from mask_c: the buffers that callers hand in.

cdef int acquire(object data, Py_buffer* view, str name) except -1
