/* ADD of two tensors of equal shape on cores with SMMLAR; add_s8.c has the twin. */
#ifndef FK_NN_ADD_V7EM_INLINE_H
#define FK_NN_ADD_V7EM_INLINE_H

#include "base/v7em.h"
#include "kernels.h"

#if defined(FK_V7EM)

enum { TWICE_SHIFT = 21 }; /* TFLite's 2^20, doubled as SMMLAR wants its factor */

/* A factor as the loop uses it. */
typedef struct {
    int32_t multiplier, half, sign_mask, shift;
} factor;

static factor make_factor(int32_t multiplier, int shift)
{
    const int right = -shift;
    return (factor){multiplier, right > 0 ? 1 << (right - 1) : 0, right > 0 ? -1 : 0, right};
}

/* TFLite's double rounding of twice / 2 * multiplier: see pairs.h. With nothing
 * to shift there is nothing to round, nor a 1 to take off. */
static inline int32_t scale(int32_t twice, const factor *f)
{
    const int32_t rounding = f->half + (f->sign_mask & (twice >> 31));
    int32_t high;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(high) : "r"(twice), "r"(f->multiplier), "r"(rounding));
    return high >> f->shift;
}

/* 1 if it did the sum; 0 for what only the twin does: broadcast operands,
 * differences, and scales that shift left. 24 instructions an element. */
static inline int fk_add_s8_v7em(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
    if (p->broadcast_a || p->broadcast_b || p->negate || p->a_shift > 0 || p->b_shift > 0 ||
        p->out_shift > 0) {
        return 0;
    }
    const factor fa = make_factor(p->a_multiplier, p->a_shift);
    const factor fb = make_factor(p->b_multiplier, p->b_shift);
    const factor fo = make_factor(p->out_multiplier, p->out_shift);
    const int32_t a_zero = p->a_zero, b_zero = p->b_zero, out_zero = p->out_zero;
    const int32_t low = p->act_min, high = p->act_max;
    const uint32_t size = p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3];
    for (uint32_t i = 0; i < size; i++) {
        const int32_t sum = scale((a[i] - a_zero) * (1 << TWICE_SHIFT), &fa) +
                            scale((b[i] - b_zero) * (1 << TWICE_SHIFT), &fb);
        const int32_t y = scale(sum * 2, &fo) + out_zero;
        out[i] = (int8_t)(y < low ? low : y > high ? high : y);
    }
    return 1;
}

#endif

#endif
