/* mask_avx2.c: masking 32 bytes at a time.
 *
 * The order is that of mask_sse2.c, where the reasons are; what is shorter goes there. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define TARGET WSF_TARGET("avx2")

enum { WIDTH = sizeof(__m256i) };

TARGET static inline __m256i masked(const uint8_t *src, __m256i keys)
{
    return _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)src), keys);
}

TARGET static inline void store(uint8_t *dst, __m256i bytes)
{
    _mm256_storeu_si256((__m256i *)dst, bytes);
}

TARGET static inline __m256i keys_at(uint32_t key, size_t offset)
{
    return _mm256_set1_epi32((int)wsf_key_at(key, offset));
}

TARGET
void wsf_mask_avx2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_avx2(dst, src, n, key);
}

TARGET
bool wsf_mask_ascii_avx2(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    __m256i first, last, seen;

    if (n < WIDTH)
        return wsf_mask_ascii_sse2(dst, src, n, key);

    first = masked(src, keys_at(key, 0));
    last = masked(src + n - WIDTH, keys_at(key, n - WIDTH));
    seen = _mm256_or_si256(first, last);
    if (n > 2 * WIDTH) {
        size_t i = WIDTH - (uintptr_t)dst % WIDTH;
        const __m256i keys = keys_at(key, i);

        for (; n - i > 4 * WIDTH; i += 4 * WIDTH) {
            __m256i a = masked(src + i, keys);
            __m256i b = masked(src + i + WIDTH, keys);
            __m256i c = masked(src + i + 2 * WIDTH, keys);
            __m256i d = masked(src + i + 3 * WIDTH, keys);

            store(dst + i, a);
            store(dst + i + WIDTH, b);
            store(dst + i + 2 * WIDTH, c);
            store(dst + i + 3 * WIDTH, d);
            seen = _mm256_or_si256(seen, _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d)));
        }
        for (; n - i > WIDTH; i += WIDTH) {
            __m256i a = masked(src + i, keys);

            store(dst + i, a);
            seen = _mm256_or_si256(seen, a);
        }
    }
    store(dst, first);
    store(dst + n - WIDTH, last);
    return _mm256_movemask_epi8(seen) == 0;
}
#endif
