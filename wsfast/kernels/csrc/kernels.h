/* kernels.h: the contract of the kernels. Bytes to bytes; plain C11, no Python.
 *
 * What every kernel may count on, and must keep:
 *   - It reads exactly [src, src + n) and writes exactly what its comment says: not one byte
 *     before or behind, however wide its registers. A masked vector access that suppresses
 *     the lanes outside counts as not touching them.
 *   - Pointers may have any alignment. n may be 0, and then the pointers may be anything.
 *   - src and dst do not overlap, save where "dst may be src" is written.
 *   - A kernel keeps no state and allocates nothing: it is safe in any thread.
 *
 * One table of functions per instruction set. A table takes each function from the widest
 * instruction set at or below its own that has one; the scalar table is the specification.
 */
#ifndef WSF_KERNELS_H
#define WSF_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The narrowest form that CPython keeps a text in: bytes a character, 0 for ASCII. */
enum { WSF_ASCII = 0, WSF_UCS1 = 1, WSF_UCS2 = 2, WSF_UCS4 = 4 };

typedef struct {
    size_t chars; /* code points */
    int width;    /* WSF_ASCII .. WSF_UCS4: the narrowest that holds every one of them */
} wsf_text;

/* What the length kernels return when the text holds a surrogate, which UTF-8 cannot carry. */
#define WSF_NOT_ENCODABLE SIZE_MAX

typedef struct {
    const char *name;

    /* Masking, RFC 6455 section 5.3. dst[i] = src[i] ^ ((uint8_t *)&key)[i % 4] for i < n:
     * the key is the four bytes as they lie in memory. dst may be src. */
    void (*mask)(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key);
    /* The same; true if every byte written is ASCII (below 0x80). */
    bool (*mask_ascii)(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key);

    /* True if src is UTF-8 as a whole (RFC 3629: no overlong form, no surrogate, nothing above
     * U+10FFFF, no character unfinished at the end). */
    bool (*utf8_valid)(const uint8_t *src, size_t n);
    /* The same; when true, *text says how many characters and how wide. */
    bool (*utf8_scan)(const uint8_t *src, size_t n, wsf_text *text);

    /* UTF-8 to the characters of a str. src is valid UTF-8 of `chars` characters, none wider
     * than the destination's; exactly `chars` elements of dst are written. */
    void (*utf8_to_ucs1)(uint8_t *dst, size_t chars, const uint8_t *src, size_t n);
    void (*utf8_to_ucs2)(uint16_t *dst, size_t chars, const uint8_t *src, size_t n);
    void (*utf8_to_ucs4)(uint32_t *dst, size_t chars, const uint8_t *src, size_t n);

    /* Bytes that n characters take in UTF-8, or WSF_NOT_ENCODABLE. */
    size_t (*ucs1_utf8_length)(const uint8_t *src, size_t n);
    size_t (*ucs2_utf8_length)(const uint16_t *src, size_t n);
    size_t (*ucs4_utf8_length)(const uint32_t *src, size_t n);

    /* Characters to UTF-8. `size` is what the length kernel returned; exactly `size` bytes are
     * written. */
    void (*ucs1_to_utf8)(uint8_t *dst, size_t size, const uint8_t *src, size_t n);
    void (*ucs2_to_utf8)(uint8_t *dst, size_t size, const uint16_t *src, size_t n);
    void (*ucs4_to_utf8)(uint8_t *dst, size_t size, const uint32_t *src, size_t n);
} wsf_kernels;

/* The tables that were compiled in and that this CPU can run, narrowest first: index 0 is
 * always "scalar"; NULL behind the last. Names: scalar, sse2, ssse3, avx2, avx512 (F, DQ, BW, VL and BMI2),
 * avx512vbmi2, neon. */
const wsf_kernels *wsf_kernels_at(size_t index);

/* The table of that name, or NULL if it is not among them. */
const wsf_kernels *wsf_kernels_named(const char *name);

/* True if any kernel set of any CPU has this name: tells a typing error from an absent CPU. */
bool wsf_kernels_known(const char *name);

/* Index of the first byte that cannot belong to UTF-8 where it stands: the earliest
 * that RFC 3629 allows to tell, so E0 80 fails at its second byte. n if there is none; an unfinished character at the
 * end is no failure. Scalar: asked for only after a failure, or for a few bytes. */
size_t wsf_utf8_first_error(const uint8_t *src, size_t n);

/* How many bytes (0 to 3) at the end of src look like the start of a character that needs more
 * bytes. Looks at the last three bytes only. */
size_t wsf_utf8_unfinished(const uint8_t *src, size_t n);

/* The key for bytes that begin `offset` bytes into a payload. */
static inline uint32_t wsf_rotate_key(uint32_t key, size_t offset)
{
    unsigned bits = 8 * (unsigned)(offset & 3);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return bits ? (key << bits) | (key >> (32 - bits)) : key;
#else
    return bits ? (key >> bits) | (key << (32 - bits)) : key;
#endif
}

#endif
