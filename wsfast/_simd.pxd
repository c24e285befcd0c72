# The C kernels for Cython, and the table of those in use, which every compiled module shares.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from "kernels.h" nogil:
    ctypedef bint bool_t "bool"

    enum: WSF_ASCII
    enum: WSF_UCS1
    enum: WSF_UCS2
    size_t WSF_NOT_ENCODABLE

    ctypedef struct wsf_text:
        size_t chars
        int width

    ctypedef struct wsf_kernels:
        const char* name
        void (*mask)(uint8_t* dst, const uint8_t* src, size_t n, uint32_t key) noexcept nogil
        bool_t (*mask_ascii)(uint8_t* dst, const uint8_t* src, size_t n, uint32_t key) noexcept nogil
        bool_t (*utf8_valid)(const uint8_t* src, size_t n) noexcept nogil
        bool_t (*utf8_scan)(const uint8_t* src, size_t n, wsf_text* text) noexcept nogil
        void (*utf8_to_ucs1)(uint8_t* dst, size_t chars, const uint8_t* src, size_t n) noexcept nogil
        void (*utf8_to_ucs2)(uint16_t* dst, size_t chars, const uint8_t* src, size_t n) noexcept nogil
        void (*utf8_to_ucs4)(uint32_t* dst, size_t chars, const uint8_t* src, size_t n) noexcept nogil
        size_t (*ucs1_utf8_length)(const uint8_t* src, size_t n) noexcept nogil
        size_t (*ucs2_utf8_length)(const uint16_t* src, size_t n) noexcept nogil
        size_t (*ucs4_utf8_length)(const uint32_t* src, size_t n) noexcept nogil
        void (*ucs1_to_utf8)(uint8_t* dst, size_t size, const uint8_t* src, size_t n) noexcept nogil
        void (*ucs2_to_utf8)(uint8_t* dst, size_t size, const uint16_t* src, size_t n) noexcept nogil
        void (*ucs4_to_utf8)(uint8_t* dst, size_t size, const uint32_t* src, size_t n) noexcept nogil

    const wsf_kernels* wsf_kernels_at(size_t index)
    const wsf_kernels* wsf_kernels_named(const char* name)
    bool_t wsf_kernels_known(const char* name)
    size_t wsf_utf8_first_error(const uint8_t* src, size_t n)
    size_t wsf_utf8_unfinished(const uint8_t* src, size_t n)
    uint32_t wsf_rotate_key(uint32_t key, size_t offset)

cdef const wsf_kernels* kernels

# The functions that only _simd is linked with, for the others to cimport.
cdef size_t utf8_first_error(const uint8_t* src, size_t n) noexcept nogil
cdef size_t utf8_unfinished(const uint8_t* src, size_t n) noexcept nogil
