#include <string.h>

#include "kernels.h"

static void copy_run(int8_t *out, const int8_t *in, const fk_copy *c)
{
    if (c->in_stride[3] == 1 && c->out_stride[3] == 1) {
        memmove(out, in, c->dims[3]); /* a hostile image may let them overlap */
        return;
    }
    for (uint32_t l = 0; l < c->dims[3]; l++) {
        out[(int64_t)l * c->out_stride[3]] = in[(int64_t)l * c->in_stride[3]];
    }
}

static int64_t place(const int32_t *stride, uint32_t i, uint32_t j, uint32_t k)
{
    return (int64_t)i * stride[0] + (int64_t)j * stride[1] + (int64_t)k * stride[2];
}

void fk_copy_s8(int8_t *out, const int8_t *in, const fk_copy *c)
{
    for (uint32_t i = 0; i < c->dims[0]; i++) {
        for (uint32_t j = 0; j < c->dims[1]; j++) {
            for (uint32_t k = 0; k < c->dims[2]; k++) {
                copy_run(out + c->out_offset + place(c->out_stride, i, j, k),
                         in + c->in_offset + place(c->in_stride, i, j, k), c);
            }
        }
    }
}
