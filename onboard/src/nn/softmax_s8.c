#include "kernels.h"
#include "requant_inline.h"

enum { SUM_BITS = 12 }; /* integer bits of the sum of exponentials */

static int32_t saturating_left(int32_t x, int n)
{
    const int64_t wide = (int64_t)x * (1 << n);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + x) for x in [0, 1), both Q0.31: three Newton steps on the half
 * denominator, in Q2.29, as gemmlowp takes them. */
static int32_t reciprocal_of_one_plus(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t r = 1515870810 + fk_high_product(half, -1010580540); /* 48/17 - 32/17 half */
    for (int i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - fk_high_product(half, r);
        r += saturating_left(fk_high_product(r, error), 2);
    }
    return saturating_left(r, 1);
}

static int32_t exp_of(const fk_softmax *s, int difference)
{
    return (uint32_t)difference < s->exp_count ? fk_get_i32le(s->exps + 4 * difference) : 0;
}

static void softmax_row(int8_t *out, const int8_t *in, const fk_softmax *s)
{
    int max = INT8_MIN;
    for (uint32_t i = 0; i < s->depth; i++) {
        max = in[i] > max ? in[i] : max;
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < s->depth; i++) {
        sum += (uint32_t)fk_round_shift(exp_of(s, max - in[i]), SUM_BITS);
    }
    int headroom = 0; /* leading zeros of the sum, which is at least exp(0) = 2^19 */
    while (headroom < 31 && !(sum << headroom & 0x80000000u)) {
        headroom++;
    }
    const int32_t scale = reciprocal_of_one_plus((int32_t)((sum << headroom) & 0x7FFFFFFFu));
    const int shift = SUM_BITS - headroom + 31 - 8; /* over 31 only beyond 511 values */
    for (uint32_t i = 0; i < s->depth; i++) {
        const int64_t product = fk_high_product(scale, exp_of(s, max - in[i]));
        const int64_t rounded = (product + ((int64_t)1 << (shift - 1))) >> shift;
        out[i] = fk_clamp_s8((int32_t)rounded, INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

void fk_softmax_s8(int8_t *out, const int8_t *in, const fk_softmax *s)
{
    for (uint32_t row = 0; row < s->rows; row++, in += s->depth, out += s->depth) {
        softmax_row(out, in, s);
    }
}
