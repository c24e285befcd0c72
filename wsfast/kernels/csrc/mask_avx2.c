/* mask_avx2.c: masking 32 bytes at a time. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define SET avx2
#define SET_TARGET WSF_TARGET("avx2")
#define WIDTH 32
#define INLINE WSF_INLINE SET_TARGET
#define mask_short wsf_mask_ascii_sse2

typedef __m256i vec;

INLINE vec v_load(const void *src) { return _mm256_loadu_si256(src); }
INLINE void v_store(void *dst, vec v) { _mm256_storeu_si256(dst, v); }
INLINE vec v_xor(vec a, vec b) { return _mm256_xor_si256(a, b); }
INLINE vec v_or(vec a, vec b) { return _mm256_or_si256(a, b); }
INLINE vec v_keys(uint32_t key) { return _mm256_set1_epi32((int)key); }
INLINE bool v_is_ascii(vec v) { return _mm256_movemask_epi8(v) == 0; }

#include "mask_vector.h"
#endif
