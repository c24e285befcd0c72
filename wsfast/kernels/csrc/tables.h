/* tables.h: what the kernel files share: which instruction sets this compiler can make, the words
 * for compiling a function for one of them, and the prototypes that fill the tables. */
#ifndef WSF_TABLES_H
#define WSF_TABLES_H

#include "kernels.h"

#if (defined(__x86_64__) || defined(_M_X64)) && !defined(WSF_SCALAR_ONLY)
#define WSF_X86 1
#else
#define WSF_X86 0
#endif
#if ((defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64)) && !defined(WSF_SCALAR_ONLY)
#define WSF_ARM 1
#else
#define WSF_ARM 0
#endif

/* A function compiled for more than the baseline. MSVC needs no word for it. */
#if defined(__GNUC__) || defined(__clang__)
#define WSF_TARGET(features) __attribute__((target(features)))
#else
#define WSF_TARGET(features)
#endif

/* Hides from the compiler that a register holds a constant: gcc would rather make the constant
 * anew, each time round a loop, than keep it. */
#if WSF_X86 && (defined(__GNUC__) || defined(__clang__))
#define WSF_KEEP(reg) __asm__("" : "+v"(reg))
#elif WSF_ARM && (defined(__GNUC__) || defined(__clang__))
#define WSF_KEEP(reg) __asm__("" : "+w"(reg))
#else
#define WSF_KEEP(reg) (void)(reg)
#endif

/* For what is written once and must become part of each caller, with the caller's constants. */
#if defined(_MSC_VER)
#define WSF_INLINE static __forceinline
#else
#define WSF_INLINE static inline __attribute__((always_inline))
#endif

/* The name of a function in the instruction set SET that a file has chosen. */
#define WSF_JOIN_(name, set) name##_##set
#define WSF_JOIN(name, set) WSF_JOIN_(name, set)
#define WSF_OF_SET(name) WSF_JOIN(name, SET)

#define WSF_MASK_KERNELS(set) \
    void wsf_mask_##set(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key); \
    bool wsf_mask_ascii_##set(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key);

#define WSF_UTF8_CHECKS(set) \
    bool wsf_utf8_valid_##set(const uint8_t *src, size_t n); \
    bool wsf_utf8_scan_##set(const uint8_t *src, size_t n, wsf_text *text);

#define WSF_UTF8_DECODERS(set) \
    void wsf_utf8_to_ucs1_##set(uint8_t *dst, size_t chars, const uint8_t *src, size_t n); \
    void wsf_utf8_to_ucs2_##set(uint16_t *dst, size_t chars, const uint8_t *src, size_t n); \
    void wsf_utf8_to_ucs4_##set(uint32_t *dst, size_t chars, const uint8_t *src, size_t n);

#define WSF_UTF8_LENGTHS(set) \
    size_t wsf_ucs1_utf8_length_##set(const uint8_t *src, size_t n); \
    size_t wsf_ucs2_utf8_length_##set(const uint16_t *src, size_t n); \
    size_t wsf_ucs4_utf8_length_##set(const uint32_t *src, size_t n);

#define WSF_UTF8_ENCODERS(set) \
    void wsf_ucs1_to_utf8_##set(uint8_t *dst, size_t size, const uint8_t *src, size_t n); \
    void wsf_ucs2_to_utf8_##set(uint8_t *dst, size_t size, const uint16_t *src, size_t n); \
    void wsf_ucs4_to_utf8_##set(uint8_t *dst, size_t size, const uint32_t *src, size_t n);

WSF_MASK_KERNELS(scalar)
WSF_MASK_KERNELS(sse2)
WSF_MASK_KERNELS(avx2)
WSF_MASK_KERNELS(avx512)
WSF_MASK_KERNELS(neon)
WSF_UTF8_CHECKS(scalar)
WSF_UTF8_CHECKS(ssse3)
WSF_UTF8_CHECKS(avx2)
WSF_UTF8_CHECKS(avx512)
WSF_UTF8_CHECKS(neon)
WSF_UTF8_DECODERS(scalar)
WSF_UTF8_DECODERS(ssse3)
WSF_UTF8_DECODERS(avx512vbmi2)
WSF_UTF8_DECODERS(neon)
WSF_UTF8_LENGTHS(scalar)
WSF_UTF8_LENGTHS(ssse3)
WSF_UTF8_LENGTHS(avx2)
WSF_UTF8_LENGTHS(avx512)
WSF_UTF8_LENGTHS(neon)
WSF_UTF8_ENCODERS(scalar)
WSF_UTF8_ENCODERS(ssse3)
WSF_UTF8_ENCODERS(avx512vbmi2)
WSF_UTF8_ENCODERS(neon)

#endif
