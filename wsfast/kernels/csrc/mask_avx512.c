/* mask_avx512.c: masking 64 bytes at a time.
 *
 * A payload of up to 64 bytes is one step; a longer one goes in the order of mask_sse2.c, where
 * the reasons are. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define TARGET WSF_TARGET("avx512f,avx512bw")

enum { WIDTH = sizeof(__m512i) };

TARGET static inline __m512i masked(const uint8_t *src, __m512i keys)
{
    return _mm512_xor_si512(_mm512_loadu_si512(src), keys);
}

TARGET static inline void store(uint8_t *dst, __m512i bytes)
{
    _mm512_storeu_si512(dst, bytes);
}

TARGET static inline __m512i keys_at(uint32_t key, size_t offset)
{
    return _mm512_set1_epi32((int)wsf_key_at(key, offset));
}

/* One load and one store, of the lanes that the payload has. */
TARGET static inline bool mask_up_to_64(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    __mmask64 lanes;
    __m512i bytes;

    if (n == 0)
        return true;
    lanes = ~(__mmask64)0 >> (WIDTH - n);
    bytes = _mm512_xor_si512(_mm512_maskz_loadu_epi8(lanes, src), keys_at(key, 0));
    _mm512_mask_storeu_epi8(dst, lanes, bytes);
    return (_mm512_movepi8_mask(bytes) & lanes) == 0;
}

TARGET
void wsf_mask_avx512(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_avx512(dst, src, n, key);
}

TARGET
bool wsf_mask_ascii_avx512(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    __m512i first, last, seen;

    if (n <= WIDTH)
        return mask_up_to_64(dst, src, n, key);

    first = masked(src, keys_at(key, 0));
    last = masked(src + n - WIDTH, keys_at(key, n - WIDTH));
    seen = _mm512_or_si512(first, last);
    if (n > 2 * WIDTH) {
        size_t i = WIDTH - (uintptr_t)dst % WIDTH;
        const __m512i keys = keys_at(key, i);

        for (; n - i > 4 * WIDTH; i += 4 * WIDTH) {
            __m512i a = masked(src + i, keys);
            __m512i b = masked(src + i + WIDTH, keys);
            __m512i c = masked(src + i + 2 * WIDTH, keys);
            __m512i d = masked(src + i + 3 * WIDTH, keys);

            store(dst + i, a);
            store(dst + i + WIDTH, b);
            store(dst + i + 2 * WIDTH, c);
            store(dst + i + 3 * WIDTH, d);
            seen = _mm512_or_si512(seen, _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d)));
        }
        for (; n - i > WIDTH; i += WIDTH) {
            __m512i a = masked(src + i, keys);

            store(dst + i, a);
            seen = _mm512_or_si512(seen, a);
        }
    }
    store(dst, first);
    store(dst + n - WIDTH, last);
    return _mm512_movepi8_mask(seen) == 0;
}
#endif
