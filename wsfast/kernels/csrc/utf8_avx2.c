/* utf8_avx2.c: UTF-8 checked and measured 32 bytes at a time. Which functions that are is told by
 * the headers at the end; here are their words for it. */
#include "tables.h"
#include "utf8_part.h"

#if WSF_X86
#include <immintrin.h>

#define SET avx2
#define SET_TARGET WSF_TARGET("avx2,popcnt")
#define WIDTH 32
#define INLINE WSF_INLINE SET_TARGET

typedef __m256i vec;

INLINE vec v_load(const void *src) { return _mm256_loadu_si256(src); }
INLINE __m128i load_part_of_16(const uint8_t *src, size_t n)
{
    uint64_t low = wsf_part_of_8(src, n < 8 ? n : 8);
    uint64_t high = n > 8 ? wsf_part_of_8(src + 8, n - 8) : 0;

    return _mm_set_epi64x((long long)high, (long long)low);
}
INLINE vec v_load_part(const uint8_t *src, size_t n)
{
    if (n < 16)
        return _mm256_zextsi128_si256(load_part_of_16(src, n));
    return _mm256_set_m128i(load_part_of_16(src + 16, n - 16), _mm_loadu_si128((const void *)src));
}

INLINE vec v_zero(void) { return _mm256_setzero_si256(); }
INLINE vec v_fill(uint8_t byte) { return _mm256_set1_epi8((char)byte); }
INLINE vec v_fill16(uint16_t lane) { return _mm256_set1_epi16((short)lane); }
INLINE vec v_fill32(uint32_t lane) { return _mm256_set1_epi32((int)lane); }
INLINE vec v_table(const uint8_t *table)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));
}

INLINE vec v_or(vec a, vec b) { return _mm256_or_si256(a, b); }
INLINE vec v_and(vec a, vec b) { return _mm256_and_si256(a, b); }
INLINE vec v_xor(vec a, vec b) { return _mm256_xor_si256(a, b); }
INLINE vec v_max(vec a, vec b) { return _mm256_max_epu8(a, b); }
INLINE vec v_minus(vec a, vec b) { return _mm256_subs_epu8(a, b); }

INLINE vec v_shift_4(vec v) { return _mm256_srli_epi16(v, 4); }
INLINE vec v_lookup(vec table, vec indices) { return _mm256_shuffle_epi8(table, indices); }
/* alignr works in halves: each wants the half before it. */
#define V_BEFORE(v, previous, k) \
    _mm256_alignr_epi8(v, _mm256_permute2x128_si256(previous, v, 0x21), 16 - (k))

INLINE vec v_same16(vec a, vec b) { return _mm256_cmpeq_epi16(a, b); }
INLINE vec v_same32(vec a, vec b) { return _mm256_cmpeq_epi32(a, b); }

INLINE unsigned v_bits(vec v) { return (unsigned)_mm256_movemask_epi8(v); }
INLINE size_t v_count(vec v) { return (size_t)_mm_popcnt_u32(v_bits(v)); }
INLINE size_t v_count_starts(vec v) { return v_count(_mm256_cmpgt_epi8(v, v_fill(0xBF))); }
INLINE bool v_is_ascii(vec v) { return v_bits(v) == 0; }
INLINE bool v_is_zero(vec v) { return _mm256_testz_si256(v, v) != 0; }
INLINE bool v_reaches(vec v, uint8_t byte)
{
    return v_bits(_mm256_cmpeq_epi8(v_max(v, v_fill(byte)), v)) != 0;
}

#include "utf8_lookup.h"
#include "utf8_length.h"

#endif
