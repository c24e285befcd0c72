/* utf8_ssse3.c: UTF-8 sixteen bytes at a time: SSSE3 is where x86 learns to shuffle bytes. Which
 * functions it has is told by the headers at the end; here are their words for it. */
#include "tables.h"
#include "utf8_part.h"

#if WSF_X86
#include <tmmintrin.h>
#include <nmmintrin.h>

#define SET ssse3
#define SET_TARGET WSF_TARGET("ssse3,popcnt")
#define WIDTH 16
#define INLINE WSF_INLINE SET_TARGET

typedef __m128i vec;

INLINE vec v_load(const void *src) { return _mm_loadu_si128(src); }
INLINE void v_store(void *dst, vec v) { _mm_storeu_si128(dst, v); }
INLINE void v_store_halves(void *low, void *high, vec v)
{
    _mm_storel_epi64(low, v);
    _mm_storel_epi64(high, _mm_unpackhi_epi64(v, v));
}

INLINE vec v_zero(void) { return _mm_setzero_si128(); }
INLINE vec v_fill(uint8_t byte) { return _mm_set1_epi8((char)byte); }
INLINE vec v_fill16(uint16_t lane) { return _mm_set1_epi16((short)lane); }
INLINE vec v_fill32(uint32_t lane) { return _mm_set1_epi32((int)lane); }
INLINE vec v_table(const uint8_t *table) { return v_load(table); }
INLINE vec v_pair(uint64_t low, uint64_t high) { return _mm_set_epi64x((long long)high, (long long)low); }
INLINE vec v_load_part(const uint8_t *src, size_t n)
{
    return n > 8 ? v_pair(wsf_part_of_8(src, 8), wsf_part_of_8(src + 8, n - 8))
                 : v_pair(wsf_part_of_8(src, n), 0);
}

INLINE vec v_or(vec a, vec b) { return _mm_or_si128(a, b); }
INLINE vec v_and(vec a, vec b) { return _mm_and_si128(a, b); }
INLINE vec v_xor(vec a, vec b) { return _mm_xor_si128(a, b); }
INLINE vec v_choose(vec chosen, vec a, vec b)
{
    return v_or(v_and(chosen, a), _mm_andnot_si128(chosen, b));
}
INLINE vec v_max(vec a, vec b) { return _mm_max_epu8(a, b); }
INLINE vec v_minus(vec a, vec b) { return _mm_subs_epu8(a, b); }

INLINE vec v_shuffle(vec v, vec indices) { return _mm_shuffle_epi8(v, indices); }
INLINE vec v_lookup(vec table, vec indices) { return v_shuffle(table, indices); }
INLINE vec v_zip_low(vec a, vec b) { return _mm_unpacklo_epi8(a, b); }
INLINE vec v_zip_high(vec a, vec b) { return _mm_unpackhi_epi8(a, b); }
INLINE vec v_zip16_low(vec a, vec b) { return _mm_unpacklo_epi16(a, b); }
INLINE vec v_zip16_high(vec a, vec b) { return _mm_unpackhi_epi16(a, b); }
INLINE vec v_narrow(vec a, vec b) { return _mm_packus_epi16(a, b); }
#define V_BEFORE(v, previous, k) _mm_alignr_epi8(v, previous, 16 - (k))

INLINE vec v_shift_4(vec v) { return _mm_srli_epi16(v, 4); }
#define V_LEFT(v, bits) _mm_slli_epi16(v, bits)
#define V_RIGHT(v, bits) _mm_srli_epi16(v, bits)
#define V_RIGHT16(v, bits) _mm_srli_epi16(v, bits)

INLINE vec v_negative(vec v) { return _mm_cmpgt_epi8(v_zero(), v); }
INLINE vec v_starts(vec v) { return _mm_cmpgt_epi8(v, v_fill(0xBF)); }
INLINE vec v_at_least(vec v, uint8_t byte) { return _mm_cmpeq_epi8(v_max(v, v_fill(byte)), v); }
INLINE vec v_same16(vec a, vec b) { return _mm_cmpeq_epi16(a, b); }
INLINE vec v_same32(vec a, vec b) { return _mm_cmpeq_epi32(a, b); }

INLINE unsigned v_bits(vec v) { return (unsigned)_mm_movemask_epi8(v); }
INLINE size_t count_ones(unsigned bits) { return (size_t)_mm_popcnt_u32(bits); }
INLINE size_t v_count(vec v) { return count_ones(v_bits(v)); }
INLINE size_t v_count_starts(vec v) { return v_count(v_starts(v)); }
INLINE bool v_reaches(vec v, uint8_t byte) { return v_bits(v_at_least(v, byte)) != 0; }
INLINE bool v_is_ascii(vec v) { return v_bits(v) == 0; }
INLINE bool v_is_zero(vec v) { return v_bits(_mm_cmpeq_epi8(v, v_zero())) == 0xFFFF; }

#include "utf8_lookup.h"
#include "utf8_length.h"
#include "utf8_shuffle.h"

#endif
