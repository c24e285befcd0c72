/* mask_neon.c: masking 16 bytes at a time, on every AArch64. */
#include "tables.h"

#if WSF_ARM
#include <arm_neon.h>

#define SET neon
#define SET_TARGET
#define WIDTH 16
#define mask_short wsf_mask_ascii_scalar

typedef uint8x16_t vec;

WSF_INLINE vec v_load(const uint8_t *src) { return vld1q_u8(src); }
WSF_INLINE void v_store(uint8_t *dst, vec v) { vst1q_u8(dst, v); }
WSF_INLINE vec v_xor(vec a, vec b) { return veorq_u8(a, b); }
WSF_INLINE vec v_or(vec a, vec b) { return vorrq_u8(a, b); }
WSF_INLINE vec v_keys(uint32_t key) { return vreinterpretq_u8_u32(vdupq_n_u32(key)); }
WSF_INLINE bool v_is_ascii(vec v) { return vmaxvq_u8(v) < 0x80; }

#include "mask_vector.h"
#endif
