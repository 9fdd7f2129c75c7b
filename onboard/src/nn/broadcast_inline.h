/* Strides of the operands of fk_binary, 0 where one is broadcast. */
#ifndef FK_NN_BROADCAST_INLINE_H
#define FK_NN_BROADCAST_INLINE_H

#include "kernels.h"

typedef struct {
    uint32_t stride[4];
} fk_strides;

static inline fk_strides fk_broadcast_strides(const fk_binary *p, unsigned mask)
{
    fk_strides s = {{0, 0, 0, 0}};
    uint32_t step = 1;
    for (unsigned d = 4; d-- > 0;) {
        if (!(mask >> d & 1u)) {
            s.stride[d] = step;
            step *= p->dims[d];
        }
    }
    return s;
}

/* Calls `element(p, a, b)` for every element, in the order of the output. */
#define FK_FOR_EACH_PAIR(out, a, b, p, element)                                                \
    do {                                                                                       \
        const fk_strides sa_ = fk_broadcast_strides(p, (p)->broadcast_a);                      \
        const fk_strides sb_ = fk_broadcast_strides(p, (p)->broadcast_b);                      \
        for (uint32_t i_ = 0; i_ < (p)->dims[0]; i_++)                                         \
            for (uint32_t j_ = 0; j_ < (p)->dims[1]; j_++)                                     \
                for (uint32_t k_ = 0; k_ < (p)->dims[2]; k_++) {                               \
                    const int8_t *a_ = (a) + i_ * sa_.stride[0] + j_ * sa_.stride[1] +         \
                                       k_ * sa_.stride[2];                                     \
                    const int8_t *b_ = (b) + i_ * sb_.stride[0] + j_ * sb_.stride[1] +         \
                                       k_ * sb_.stride[2];                                     \
                    for (uint32_t l_ = 0; l_ < (p)->dims[3]; l_++) {                           \
                        *(out)++ = element(p, *a_, *b_);                                       \
                        a_ += sa_.stride[3];                                                   \
                        b_ += sb_.stride[3];                                                   \
                    }                                                                          \
                }                                                                              \
    } while (0)

#endif
