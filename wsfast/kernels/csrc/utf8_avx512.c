/* utf8_avx512.c: UTF-8 checked and measured 64 bytes at a time, with AVX-512 BW and VL. What is
 * left at the end is one masked step, so a short text never sees a loop. */
#include "tables.h"

#if WSF_X86
#include <immintrin.h>

#define SET avx512
#define SET_TARGET WSF_TARGET("avx512f,avx512bw,avx512vl,avx512dq,bmi2,popcnt")
#define WIDTH 64
#define INLINE WSF_INLINE SET_TARGET

typedef __m512i vec;

INLINE uint64_t first_lanes(size_t count)
{
    return _bzhi_u64(~0ull, count < 64 ? (unsigned)count : 64);
}
INLINE size_t count_ones(uint64_t mask) { return (size_t)_mm_popcnt_u64(mask); }

INLINE vec v_load(const uint8_t *src) { return _mm512_loadu_si512(src); }
INLINE vec v_load_part(const uint8_t *src, size_t n)
{
    return _mm512_maskz_loadu_epi8(first_lanes(n), src);
}
INLINE vec v_table(const uint8_t *table)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table));
}
INLINE vec v_zero(void) { return _mm512_setzero_si512(); }
INLINE vec v_fill(uint8_t byte) { return _mm512_set1_epi8((char)byte); }
INLINE vec v_or(vec a, vec b) { return _mm512_or_si512(a, b); }
INLINE vec v_and(vec a, vec b) { return _mm512_and_si512(a, b); }
INLINE vec v_xor(vec a, vec b) { return _mm512_xor_si512(a, b); }
INLINE vec v_max(vec a, vec b) { return _mm512_max_epu8(a, b); }
INLINE vec v_minus(vec a, vec b) { return _mm512_subs_epu8(a, b); }
INLINE vec v_shift_4(vec v) { return _mm512_srli_epi16(v, 4); }
INLINE vec v_lookup(vec table, vec nibbles) { return _mm512_shuffle_epi8(table, nibbles); }
/* alignr works in lanes of 16 bytes: each wants the lane before it. */
#define V_BEFORE(v, previous, k) \
    _mm512_alignr_epi8(v, _mm512_alignr_epi64(v, previous, 6), 16 - (k))
INLINE bool v_is_ascii(vec v) { return _mm512_movepi8_mask(v) == 0; }
INLINE bool v_is_zero(vec v) { return _mm512_test_epi8_mask(v, v) == 0; }
INLINE size_t v_count_starts(vec v)
{
    return count_ones(_mm512_cmpgt_epi8_mask(v, v_fill(0xBF)));
}
INLINE bool v_reaches(vec v, uint8_t byte) { return _mm512_cmpge_epu8_mask(v, v_fill(byte)) != 0; }

#include "utf8_lookup.h"

/* Every character above U+007F takes a second byte, above U+07FF a third, above U+FFFF a fourth. */

SET_TARGET size_t wsf_ucs1_utf8_length_avx512(const uint8_t *src, size_t n)
{
    size_t i, size = n;

    for (i = 0; n - i >= 64; i += 64)
        size += count_ones(_mm512_movepi8_mask(v_load(src + i)));
    return size + count_ones(_mm512_movepi8_mask(v_load_part(src + i, n - i)));
}

SET_TARGET size_t wsf_ucs2_utf8_length_avx512(const uint16_t *src, size_t n)
{
    const vec upper = _mm512_set1_epi16((short)0xF800), surrogate = _mm512_set1_epi16((short)0xD800);
    size_t i, size = n;
    __mmask32 surrogates = 0;

    for (i = 0; i < n; i += 32) {
        vec v = _mm512_maskz_loadu_epi16((__mmask32)first_lanes(n - i), src + i);
        size += count_ones(_mm512_cmpgt_epu16_mask(v, _mm512_set1_epi16(0x7F)));
        size += count_ones(_mm512_cmpgt_epu16_mask(v, _mm512_set1_epi16(0x7FF)));
        surrogates |= _mm512_cmpeq_epi16_mask(v_and(v, upper), surrogate);
    }
    return surrogates ? WSF_NOT_ENCODABLE : size;
}

SET_TARGET size_t wsf_ucs4_utf8_length_avx512(const uint32_t *src, size_t n)
{
    const vec upper = _mm512_set1_epi32((int)0xFFFFF800), surrogate = _mm512_set1_epi32(0xD800);
    size_t i, size = n;
    __mmask16 surrogates = 0;

    for (i = 0; i < n; i += 16) {
        vec v = _mm512_maskz_loadu_epi32((__mmask16)first_lanes(n - i), src + i);
        size += count_ones(_mm512_cmpgt_epu32_mask(v, _mm512_set1_epi32(0x7F)));
        size += count_ones(_mm512_cmpgt_epu32_mask(v, _mm512_set1_epi32(0x7FF)));
        size += count_ones(_mm512_cmpgt_epu32_mask(v, _mm512_set1_epi32(0xFFFF)));
        surrogates |= _mm512_cmpeq_epi32_mask(v_and(v, upper), surrogate);
    }
    return surrogates ? WSF_NOT_ENCODABLE : size;
}

#endif
