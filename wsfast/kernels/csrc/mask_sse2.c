/* mask_sse2.c: masking 16 bytes at a time, on every x86-64.
 *
 * No tail loop: the last 16 bytes are one vector that may overlap the one before it. It is
 * computed first, from bytes that nothing has masked yet, so that dst may be src. */
#include "tables.h"

#if WSF_X86
#include <emmintrin.h>

#define LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE(p, v) _mm_storeu_si128((__m128i *)(p), v)

void wsf_mask_sse2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_sse2(dst, src, n, key);
}

bool wsf_mask_ascii_sse2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    const __m128i keys = _mm_set1_epi32((int)key);
    __m128i last, seen;
    size_t i = 0;

    if (n < 16)
        return wsf_mask_ascii_scalar(dst, src, n, key);
    last = _mm_xor_si128(LOAD(src + n - 16), _mm_set1_epi32((int)wsf_key_at(key, n)));
    seen = last;
    for (; n - i >= 64; i += 64) {
        __m128i a = _mm_xor_si128(LOAD(src + i), keys);
        __m128i b = _mm_xor_si128(LOAD(src + i + 16), keys);
        __m128i c = _mm_xor_si128(LOAD(src + i + 32), keys);
        __m128i d = _mm_xor_si128(LOAD(src + i + 48), keys);
        STORE(dst + i, a);
        STORE(dst + i + 16, b);
        STORE(dst + i + 32, c);
        STORE(dst + i + 48, d);
        seen = _mm_or_si128(seen, _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
    }
    for (; n - i > 16; i += 16) {
        __m128i a = _mm_xor_si128(LOAD(src + i), keys);
        STORE(dst + i, a);
        seen = _mm_or_si128(seen, a);
    }
    STORE(dst + n - 16, last);
    return _mm_movemask_epi8(seen) == 0;
}
#endif
