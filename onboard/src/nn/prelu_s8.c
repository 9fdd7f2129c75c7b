#include "broadcast_inline.h"
#include "requant_inline.h"

static int8_t prelu(const fk_binary *p, int8_t a, int8_t alpha)
{
    const int32_t value = a - p->a_zero;
    const int32_t scaled =
        value >= 0 ? fk_requantize(value, p->a_multiplier, p->a_shift)
                   : fk_requantize(value * (alpha - p->b_zero), p->b_multiplier, p->b_shift);
    return fk_clamp_s8(scaled, p->out_zero, p->act_min, p->act_max);
}

void fk_prelu_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
    FK_FOR_EACH_PAIR(out, a, b, p, prelu);
}
