/* mask_avx512.c: masking 64 bytes at a time. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define SET avx512
#define SET_TARGET WSF_TARGET("avx512f,avx512bw")
#define WIDTH 64
#define INLINE WSF_INLINE SET_TARGET

typedef __m512i vec;

INLINE vec v_load(const void *src) { return _mm512_loadu_si512(src); }
INLINE void v_store(void *dst, vec v) { _mm512_storeu_si512(dst, v); }
INLINE vec v_xor(vec a, vec b) { return _mm512_xor_si512(a, b); }
INLINE vec v_or(vec a, vec b) { return _mm512_or_si512(a, b); }
INLINE vec v_keys(uint32_t key) { return _mm512_set1_epi32((int)key); }
INLINE bool v_is_ascii(vec v) { return _mm512_movepi8_mask(v) == 0; }

/* One load and one store, of the lanes that the payload has. */
INLINE bool mask_short(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    __mmask64 lanes;
    vec bytes;

    if (n == 0)
        return true;
    lanes = ~(__mmask64)0 >> (WIDTH - n);
    bytes = v_xor(_mm512_maskz_loadu_epi8(lanes, src), v_keys(key));
    _mm512_mask_storeu_epi8(dst, lanes, bytes);
    return (_mm512_movepi8_mask(bytes) & lanes) == 0;
}

#include "mask_vector.h"
#endif
