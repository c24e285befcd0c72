/* mask_neon.c: masking 16 bytes at a time, on every AArch64.
 *
 * The order is that of mask_sse2.c, where the reasons are. */
#include "tables.h"

#if WSF_ARM
#include <arm_neon.h>

enum { WIDTH = sizeof(uint8x16_t) };

static inline uint8x16_t masked(const uint8_t *src, uint8x16_t keys)
{
    return veorq_u8(vld1q_u8(src), keys);
}

static inline void store(uint8_t *dst, uint8x16_t bytes)
{
    vst1q_u8(dst, bytes);
}

static inline uint8x16_t keys_at(uint32_t key, size_t offset)
{
    return vreinterpretq_u8_u32(vdupq_n_u32(wsf_key_at(key, offset)));
}

void wsf_mask_neon(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    wsf_mask_ascii_neon(dst, src, n, key);
}

bool wsf_mask_ascii_neon(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    uint8x16_t first, last, seen;

    if (n < WIDTH)
        return wsf_mask_ascii_scalar(dst, src, n, key);

    first = masked(src, keys_at(key, 0));
    last = masked(src + n - WIDTH, keys_at(key, n - WIDTH));
    seen = vorrq_u8(first, last);
    if (n > 2 * WIDTH) {
        size_t i = WIDTH - (uintptr_t)dst % WIDTH;
        const uint8x16_t keys = keys_at(key, i);

        for (; n - i > 4 * WIDTH; i += 4 * WIDTH) {
            uint8x16_t a = masked(src + i, keys);
            uint8x16_t b = masked(src + i + WIDTH, keys);
            uint8x16_t c = masked(src + i + 2 * WIDTH, keys);
            uint8x16_t d = masked(src + i + 3 * WIDTH, keys);

            store(dst + i, a);
            store(dst + i + WIDTH, b);
            store(dst + i + 2 * WIDTH, c);
            store(dst + i + 3 * WIDTH, d);
            seen = vorrq_u8(seen, vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d)));
        }
        for (; n - i > WIDTH; i += WIDTH) {
            uint8x16_t a = masked(src + i, keys);

            store(dst + i, a);
            seen = vorrq_u8(seen, a);
        }
    }
    store(dst, first);
    store(dst + n - WIDTH, last);
    return vmaxvq_u8(seen) < 0x80;
}
#endif
