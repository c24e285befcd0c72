/* utf8_part.h: the first bytes of a register when there are not enough to fill it. For little
 * endian CPUs, which all are that have kernels here. */
#ifndef WSF_UTF8_PART_H
#define WSF_UTF8_PART_H

#include "tables.h"

/* src[0..n), n up to 8, and zeros behind, without a loop or a call: loads that overlap. */
WSF_INLINE uint64_t wsf_part_of_8(const uint8_t *src, size_t n)
{
    uint32_t first, last;

    if (n >= 4) {
        memcpy(&first, src, 4);
        memcpy(&last, src + n - 4, 4);
        return first | (uint64_t)last << 8 * (n - 4);
    }
    if (n == 0)
        return 0;
    return src[0] | (uint64_t)src[n / 2] << 8 * (n / 2) | (uint64_t)src[n - 1] << 8 * (n - 1);
}

#endif
