/* The arithmetic of TFLite Micro's int8 kernels, gemmlowp's double rounding:
 * a high product rounded to nearest, then a shift rounded half away from 0. */
#ifndef FK_NN_REQUANT_INLINE_H
#define FK_NN_REQUANT_INLINE_H

#include <stdint.h>

#include "fk/bytes.h"

/* (a * b) / 2^31 to nearest, halves upwards. gemmlowp states it with a nudge
 * that depends on the sign and a division towards 0; the floor of the plain
 * shift is the same number. Only INT32_MIN squared would overflow. */
static inline int32_t fk_high_product(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^n to nearest, halves away from 0; n 0..31. */
static inline int32_t fk_round_shift(int32_t x, int n)
{
    const uint32_t mask = (1u << n) - 1u;
    const uint32_t remainder = (uint32_t)x & mask;
    const uint32_t threshold = (mask >> 1) + (x < 0 ? 1u : 0u);
    return (x >> n) + (remainder > threshold ? 1 : 0);
}

/* x * multiplier * 2^(shift - 31), shift -31..30. A left shift that overflows
 * wraps, as it does in TFLite Micro. */
static inline int32_t fk_requantize(int32_t x, int32_t multiplier, int shift)
{
    if (shift > 0) {
        return fk_high_product((int32_t)((uint32_t)x << shift), multiplier);
    }
    return fk_round_shift(fk_high_product(x, multiplier), -shift);
}

/* x + zero, clamped; no overflow whatever x is. */
static inline int8_t fk_clamp_s8(int32_t x, int32_t zero, int32_t low, int32_t high)
{
    if (x < low - zero) {
        return (int8_t)low;
    }
    return (int8_t)(x > high - zero ? high : x + zero);
}

#endif
