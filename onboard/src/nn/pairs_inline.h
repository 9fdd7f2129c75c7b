/* One output from twice its sum without the bias, and a row of the channel table
 * (see pairs.h): what the assembly does in five instructions. */
#ifndef FK_NN_PAIRS_INLINE_H
#define FK_NN_PAIRS_INLINE_H

#include <stddef.h>
#include <stdint.h>

#include "fk/bytes.h"

static inline int8_t fk_pairs_finish(uint32_t doubled, const uint8_t *row)
{
    const int32_t x = (int32_t)(doubled + fk_get_u32le(row));
    const int64_t product = (int64_t)x * fk_get_i32le(row + 4) + ((int64_t)1 << 31);
    const uint32_t rounding = fk_get_u32le(row + 8) - (x < 0 ? 1u : 0u);
    const int32_t y = (int32_t)((uint32_t)(product >> 32) + rounding) >> fk_get_u32le(row + 12);
    return (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
}

/* Any activation that is not the full range: the fast kernels only saturate. */
static inline void fk_pairs_clamp(int8_t *out, size_t size, int8_t low, int8_t high)
{
    if (low == -128 && high == 127) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = out[i] < low ? low : out[i] > high ? high : out[i];
    }
}

#endif
