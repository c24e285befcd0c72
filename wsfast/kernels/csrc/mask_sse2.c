/* mask_sse2.c: masking 16 bytes at a time, on every x86-64. */
#include "tables.h"

#if WSF_X86
#include <emmintrin.h>

#define SET sse2
#define SET_TARGET
#define WIDTH 16
#define mask_short wsf_mask_ascii_scalar

typedef __m128i vec;

WSF_INLINE vec v_load(const void *src) { return _mm_loadu_si128(src); }
WSF_INLINE void v_store(void *dst, vec v) { _mm_storeu_si128(dst, v); }
WSF_INLINE vec v_xor(vec a, vec b) { return _mm_xor_si128(a, b); }
WSF_INLINE vec v_or(vec a, vec b) { return _mm_or_si128(a, b); }
WSF_INLINE vec v_keys(uint32_t key) { return _mm_set1_epi32((int)key); }
WSF_INLINE bool v_is_ascii(vec v) { return _mm_movemask_epi8(v) == 0; }

#include "mask_vector.h"
#endif
