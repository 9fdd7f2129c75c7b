#include "add_v7em_inline.h"
#include "broadcast_inline.h"
#include "requant_inline.h"

enum { LEFT_SHIFT = 20 }; /* TFLite aligns both operands here before it sums */

static int8_t add(const fk_binary *p, int8_t a, int8_t b)
{
    const int32_t wide_a = (a - p->a_zero) * (1 << LEFT_SHIFT);
    const int32_t wide_b = (b - p->b_zero) * (1 << LEFT_SHIFT);
    const int32_t scaled_a = fk_requantize(wide_a, p->a_multiplier, p->a_shift);
    const int32_t scaled_b = fk_requantize(wide_b, p->b_multiplier, p->b_shift);
    const int32_t sum = (p->negate & 1 ? -scaled_a : scaled_a) + (p->negate & 2 ? -scaled_b : scaled_b);
    return fk_clamp_s8(fk_requantize(sum, p->out_multiplier, p->out_shift), p->out_zero, p->act_min,
                       p->act_max);
}

void fk_add_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
#if defined(FK_V7EM)
    if (fk_add_s8_v7em(out, a, b, p)) {
        return;
    }
#endif
    FK_FOR_EACH_PAIR(out, a, b, p, add);
}
