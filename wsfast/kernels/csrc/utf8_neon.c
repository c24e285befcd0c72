/* utf8_neon.c: UTF-8 sixteen bytes at a time on 64-bit ARM, where every CPU has NEON. Which
 * functions it has is told by the headers at the end; here are their words for it. */
#include "tables.h"
#include "utf8_part.h"

#if WSF_ARM
#include <arm_neon.h>

#define SET neon
#define SET_TARGET
#define WIDTH 16
#define INLINE WSF_INLINE

typedef uint8x16_t vec;

#define U16(v) vreinterpretq_u16_u8(v)
#define U32(v) vreinterpretq_u32_u8(v)
#define OF_U16(v) vreinterpretq_u8_u16(v)
#define OF_U32(v) vreinterpretq_u8_u32(v)

INLINE vec v_load(const void *src) { return vld1q_u8(src); }
INLINE void v_store(void *dst, vec v) { vst1q_u8(dst, v); }
INLINE void v_store_halves(void *low, void *high, vec v)
{
    vst1_u8(low, vget_low_u8(v));
    vst1_u8(high, vget_high_u8(v));
}

INLINE vec v_zero(void) { return vdupq_n_u8(0); }
INLINE vec v_fill(uint8_t byte) { return vdupq_n_u8(byte); }
INLINE vec v_fill16(uint16_t lane) { return OF_U16(vdupq_n_u16(lane)); }
INLINE vec v_fill32(uint32_t lane) { return OF_U32(vdupq_n_u32(lane)); }
INLINE vec v_table(const uint8_t *table) { return v_load(table); }
INLINE vec v_pair(uint64_t low, uint64_t high) { return vcombine_u8(vcreate_u8(low), vcreate_u8(high)); }
INLINE vec v_load_part(const uint8_t *src, size_t n)
{
    return n > 8 ? v_pair(wsf_part_of_8(src, 8), wsf_part_of_8(src + 8, n - 8))
                 : v_pair(wsf_part_of_8(src, n), 0);
}

INLINE vec v_or(vec a, vec b) { return vorrq_u8(a, b); }
INLINE vec v_and(vec a, vec b) { return vandq_u8(a, b); }
INLINE vec v_xor(vec a, vec b) { return veorq_u8(a, b); }
INLINE vec v_choose(vec chosen, vec a, vec b) { return vbslq_u8(chosen, a, b); }
INLINE vec v_max(vec a, vec b) { return vmaxq_u8(a, b); }
INLINE vec v_minus(vec a, vec b) { return vqsubq_u8(a, b); }

INLINE vec v_shuffle(vec v, vec indices) { return vqtbl1q_u8(v, indices); }
INLINE vec v_lookup(vec table, vec indices) { return v_shuffle(table, indices); }
INLINE vec v_zip_low(vec a, vec b) { return vzip1q_u8(a, b); }
INLINE vec v_zip_high(vec a, vec b) { return vzip2q_u8(a, b); }
INLINE vec v_zip16_low(vec a, vec b) { return OF_U16(vzip1q_u16(U16(a), U16(b))); }
INLINE vec v_zip16_high(vec a, vec b) { return OF_U16(vzip2q_u16(U16(a), U16(b))); }
INLINE vec v_narrow(vec a, vec b) { return vuzp1q_u8(a, b); }
#define V_BEFORE(v, previous, k) vextq_u8(previous, v, 16 - (k))

INLINE vec v_shift_4(vec v) { return vshrq_n_u8(v, 4); }
#define V_LEFT(v, bits) vshlq_n_u8(v, bits)
#define V_RIGHT(v, bits) vshrq_n_u8(v, bits)
#define V_RIGHT16(v, bits) OF_U16(vshrq_n_u16(U16(v), bits))

INLINE vec v_negative(vec v) { return vcgeq_u8(v, v_fill(0x80)); }
INLINE vec v_starts(vec v) { return vcgtq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(-65)); } /* BF */
INLINE vec v_at_least(vec v, uint8_t byte) { return vcgeq_u8(v, v_fill(byte)); }
INLINE vec v_same16(vec a, vec b) { return OF_U16(vceqq_u16(U16(a), U16(b))); }
INLINE vec v_same32(vec a, vec b) { return OF_U32(vceqq_u32(U32(a), U32(b))); }

/* NEON has no movemask: each half adds up the bits that its bytes stand for. */
INLINE unsigned v_bits(vec v)
{
    vec bits = v_and(v_negative(v), v_pair(0x8040201008040201, 0x8040201008040201));

    return vaddv_u8(vget_low_u8(bits)) | (unsigned)vaddv_u8(vget_high_u8(bits)) << 8;
}
INLINE size_t count_ones(unsigned bits) { return vaddv_u8(vcnt_u8(vcreate_u8(bits))); }
INLINE size_t v_count(vec v) { return vaddvq_u8(vshrq_n_u8(v, 7)); }
INLINE size_t v_count_starts(vec v) { return v_count(v_starts(v)); }
INLINE bool v_reaches(vec v, uint8_t byte) { return vmaxvq_u8(v) >= byte; }
INLINE bool v_is_ascii(vec v) { return !v_reaches(v, 0x80); }
INLINE bool v_is_zero(vec v) { return vmaxvq_u8(v) == 0; }

#include "utf8_lookup.h"
#include "utf8_length.h"
#include "utf8_shuffle.h"

#endif
