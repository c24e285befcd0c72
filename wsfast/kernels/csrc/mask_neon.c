/* mask_neon.c: masking 16 bytes at a time, on every AArch64.
 *
 * The last 16 bytes are computed first, as in mask_sse2.c. */
#include "tables.h"

#if WSF_ARM
#include <arm_neon.h>

void wsf_mask_neon(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_neon(dst, src, n, key);
}

bool wsf_mask_ascii_neon(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    const uint8x16_t keys = vreinterpretq_u8_u32(vdupq_n_u32(key));
    uint8x16_t last, seen;
    size_t i = 0;

    if (n < 16)
        return wsf_mask_ascii_scalar(dst, src, n, key);
    last = veorq_u8(vld1q_u8(src + n - 16), vreinterpretq_u8_u32(vdupq_n_u32(wsf_key_at(key, n))));
    seen = last;
    for (; n - i >= 64; i += 64) {
        uint8x16_t a = veorq_u8(vld1q_u8(src + i), keys);
        uint8x16_t b = veorq_u8(vld1q_u8(src + i + 16), keys);
        uint8x16_t c = veorq_u8(vld1q_u8(src + i + 32), keys);
        uint8x16_t d = veorq_u8(vld1q_u8(src + i + 48), keys);
        vst1q_u8(dst + i, a);
        vst1q_u8(dst + i + 16, b);
        vst1q_u8(dst + i + 32, c);
        vst1q_u8(dst + i + 48, d);
        seen = vorrq_u8(seen, vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d)));
    }
    for (; n - i > 16; i += 16) {
        uint8x16_t a = veorq_u8(vld1q_u8(src + i), keys);
        vst1q_u8(dst + i, a);
        seen = vorrq_u8(seen, a);
    }
    vst1q_u8(dst + n - 16, last);
    return vmaxvq_u8(seen) < 0x80;
}
#endif
