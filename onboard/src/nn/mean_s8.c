#include "kernels.h"
#include "requant_inline.h"

void fk_mean_s8(int8_t *out, const int8_t *in, const fk_mean *m)
{
    for (uint32_t o = 0; o < m->outer; o++, in += (size_t)m->reduce * m->inner) {
        for (uint32_t i = 0; i < m->inner; i++) {
            int32_t sum = m->bias;
            for (uint32_t r = 0; r < m->reduce; r++) {
                sum += in[(size_t)r * m->inner + i];
            }
            *out++ = fk_clamp_s8(fk_requantize(sum, m->multiplier, m->shift), m->out_zero, INT8_MIN,
                                 INT8_MAX);
        }
    }
}
