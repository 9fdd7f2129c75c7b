#include "broadcast_inline.h"
#include "requant_inline.h"

static int8_t multiply(const fk_binary *p, int8_t a, int8_t b)
{
    const int32_t product = (a - p->a_zero) * (b - p->b_zero);
    return fk_clamp_s8(fk_requantize(product, p->out_multiplier, p->out_shift), p->out_zero,
                       p->act_min, p->act_max);
}

void fk_mul_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
    FK_FOR_EACH_PAIR(out, a, b, p, multiply);
}
