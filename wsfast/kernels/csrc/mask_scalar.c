/* mask_scalar.c: masking on any CPU, eight bytes at a time. What the other kernels must equal.
 *
 * A payload ends with one word that may overlap the word before it. It is computed first, from
 * bytes that nothing has masked yet, so that dst may be src. Bytes one by one are left only to
 * payloads below four: the vector kernels send their shortest here. */
#include "tables.h"

#define HIGH_BITS 0x8080808080808080u

static inline uint64_t keys_at(uint32_t key, size_t offset)
{
    return wsf_rotate_key(key, offset) * UINT64_C(0x100000001);
}

void wsf_mask_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_scalar(dst, src, n, key);
}

static bool mask_below_4(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    uint8_t seen = 0;

    for (size_t i = 0; i < n; i++) {
        dst[i] = src[i] ^ ((const uint8_t *)&key)[i];
        seen |= dst[i];
    }
    return seen < 0x80;
}

static bool mask_4_to_7(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    uint32_t first, last;

    memcpy(&first, src, 4);
    memcpy(&last, src + n - 4, 4);
    first ^= key;
    last ^= wsf_rotate_key(key, n - 4);
    memcpy(dst, &first, 4);
    memcpy(dst + n - 4, &last, 4);
    return ((first | last) & (uint32_t)HIGH_BITS) == 0;
}

bool wsf_mask_ascii_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    const uint64_t keys = keys_at(key, 0);
    uint64_t word, last, seen;

    if (n < 4)
        return mask_below_4(dst, src, n, key);
    if (n < 8)
        return mask_4_to_7(dst, src, n, key);

    memcpy(&last, src + n - 8, 8);
    last ^= keys_at(key, n - 8);
    seen = last;
    for (size_t i = 0; n - i > 8; i += 8) {
        memcpy(&word, src + i, 8);
        word ^= keys;
        memcpy(dst + i, &word, 8);
        seen |= word;
    }
    memcpy(dst + n - 8, &last, 8);
    return (seen & HIGH_BITS) == 0;
}
