/* mask_avx512.c: masking 64 bytes at a time.
 *
 * A load and a store touch only the bytes named by a bit mask, so a payload of up to 64 bytes
 * takes one step, and so do the bytes left over behind whole vectors. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define TARGET WSF_TARGET("avx512f,avx512bw")

TARGET
void wsf_mask_avx512(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_avx512(dst, src, n, key);
}

TARGET
bool wsf_mask_ascii_avx512(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    const __m512i keys = _mm512_set1_epi32((int)key);
    __m512i seen = _mm512_setzero_si512(), a;
    __mmask64 lanes;
    size_t i = 0;

    for (; n - i > 64; i += 64) {
        a = _mm512_xor_si512(_mm512_loadu_si512(src + i), keys);
        _mm512_storeu_si512(dst + i, a);
        seen = _mm512_or_si512(seen, a);
    }
    if (i == n)
        return true;
    lanes = ~(__mmask64)0 >> (64 - (n - i));
    a = _mm512_xor_si512(_mm512_maskz_loadu_epi8(lanes, src + i), keys);
    _mm512_mask_storeu_epi8(dst + i, lanes, a);
    return (_mm512_movepi8_mask(seen) | (_mm512_movepi8_mask(a) & lanes)) == 0;
}
#endif
