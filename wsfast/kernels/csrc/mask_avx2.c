/* mask_avx2.c: masking 32 bytes at a time.
 *
 * The last 32 bytes are computed first, as in mask_sse2.c; what is shorter goes there. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)

WSF_TARGET("avx2")
void wsf_mask_avx2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_avx2(dst, src, n, key);
}

WSF_TARGET("avx2")
bool wsf_mask_ascii_avx2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    __m256i keys, last, seen;
    size_t i = 0;

    if (n < 32)
        return wsf_mask_ascii_sse2(dst, src, n, key);
    keys = _mm256_set1_epi32((int)key);
    last = _mm256_xor_si256(LOAD(src + n - 32), _mm256_set1_epi32((int)wsf_key_at(key, n)));
    seen = last;
    for (; n - i >= 128; i += 128) {
        __m256i a = _mm256_xor_si256(LOAD(src + i), keys);
        __m256i b = _mm256_xor_si256(LOAD(src + i + 32), keys);
        __m256i c = _mm256_xor_si256(LOAD(src + i + 64), keys);
        __m256i d = _mm256_xor_si256(LOAD(src + i + 96), keys);
        STORE(dst + i, a);
        STORE(dst + i + 32, b);
        STORE(dst + i + 64, c);
        STORE(dst + i + 96, d);
        seen = _mm256_or_si256(seen, _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d)));
    }
    for (; n - i > 32; i += 32) {
        __m256i a = _mm256_xor_si256(LOAD(src + i), keys);
        STORE(dst + i, a);
        seen = _mm256_or_si256(seen, a);
    }
    STORE(dst + n - 32, last);
    return _mm256_movemask_epi8(seen) == 0;
}
#endif
