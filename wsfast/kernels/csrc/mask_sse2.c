/* mask_sse2.c: masking 16 bytes at a time, on every x86-64.
 *
 * The first and the last 16 bytes are vectors of their own, computed before and stored after all
 * others. What lies between can then be stored at aligned addresses, no tail is left, and where
 * vectors overlap none reads a byte that is masked already, so that dst may be src. */
#include "tables.h"

#if WSF_X86
#include <emmintrin.h>

enum { WIDTH = sizeof(__m128i) };

static inline __m128i masked(const uint8_t *src, __m128i keys)
{
    return _mm_xor_si128(_mm_loadu_si128((const __m128i *)src), keys);
}

static inline void store(uint8_t *dst, __m128i bytes)
{
    _mm_storeu_si128((__m128i *)dst, bytes);
}

static inline __m128i keys_at(uint32_t key, size_t offset)
{
    return _mm_set1_epi32((int)wsf_key_at(key, offset));
}

void wsf_mask_sse2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_sse2(dst, src, n, key);
}

bool wsf_mask_ascii_sse2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    __m128i first, last, seen;

    if (n < WIDTH)
        return wsf_mask_ascii_scalar(dst, src, n, key);

    first = masked(src, keys_at(key, 0));
    last = masked(src + n - WIDTH, keys_at(key, n - WIDTH));
    seen = _mm_or_si128(first, last);
    if (n > 2 * WIDTH) {
        size_t i = WIDTH - (uintptr_t)dst % WIDTH;
        const __m128i keys = keys_at(key, i);

        for (; n - i > 4 * WIDTH; i += 4 * WIDTH) {
            __m128i a = masked(src + i, keys);
            __m128i b = masked(src + i + WIDTH, keys);
            __m128i c = masked(src + i + 2 * WIDTH, keys);
            __m128i d = masked(src + i + 3 * WIDTH, keys);

            store(dst + i, a);
            store(dst + i + WIDTH, b);
            store(dst + i + 2 * WIDTH, c);
            store(dst + i + 3 * WIDTH, d);
            seen = _mm_or_si128(seen, _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
        }
        for (; n - i > WIDTH; i += WIDTH) {
            __m128i a = masked(src + i, keys);

            store(dst + i, a);
            seen = _mm_or_si128(seen, a);
        }
    }
    store(dst, first);
    store(dst + n - WIDTH, last);
    return _mm_movemask_epi8(seen) == 0;
}
#endif
