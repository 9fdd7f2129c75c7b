/* ADD and SUB with MVE, four elements at a time: 26 instructions for the four.
 * The rounding is that of mve_finish_inline.h. */
#include "mve_inline.h"

#if defined(FK_NN_MVE)

#include <arm_mve.h>

enum { ELEMENTS = 4, LEFT_SHIFT = 20 };

typedef struct {
    int32_t zero, multiplier, shift; /* shift <= 0                                         */
    int32x4_t shifts;                /* all ones where there is one                        */
} operand;

static operand operand_of(int zero, int32_t multiplier, int shift)
{
    const operand o = {zero, multiplier, shift, vdupq_n_s32(shift ? -1 : 0)};
    return o;
}

static inline int32x4_t scale(int32x4_t x, int32_t multiplier, int32_t shift, int32x4_t shifts)
{
    x = vqrdmulhq_n_s32(x, multiplier);
    x = vqaddq_s32(x, vandq_s32(vshrq_n_s32(x, 31), shifts));
    return vrshlq_n_s32(x, shift);
}

static inline int32x4_t scaled(const int8_t *x, const operand *o, mve_pred16_t lanes)
{
    const int32x4_t wide = vshlq_n_s32(vsubq_n_s32(vldrbq_z_s32(x, lanes), o->zero), LEFT_SHIFT);
    return scale(wide, o->multiplier, o->shift, o->shifts);
}

int fk_mve_add_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
    if (p->broadcast_a || p->broadcast_b || p->out_shift > 0 || p->negate) {
        return 0;
    }
    const operand oa = operand_of(p->a_zero, p->a_multiplier, p->a_shift);
    const operand ob = operand_of(p->b_zero, p->b_multiplier, p->b_shift);
    const int32x4_t shifts = vdupq_n_s32(p->out_shift ? -1 : 0);
    const int32x4_t low = vdupq_n_s32(p->act_min), high = vdupq_n_s32(p->act_max);
    const int32_t multiplier = p->out_multiplier, shift = p->out_shift, zero = p->out_zero;
    const uint32_t size = p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3];
    for (uint32_t left = size; left > 0;) {
        const mve_pred16_t lanes = vctp32q(left);
        int32x4_t x = vaddq_s32(scaled(a, &oa, lanes), scaled(b, &ob, lanes));
        x = vqaddq_n_s32(scale(x, multiplier, shift, shifts), zero);
        vstrbq_p_s32(out, vmaxq_s32(vminq_s32(x, high), low), lanes);
        a += ELEMENTS;
        b += ELEMENTS;
        out += ELEMENTS;
        left -= left < ELEMENTS ? left : ELEMENTS;
    }
    return 1;
}

#endif
