/* What is done to the sum of an output channel: bias in, then requantisation. */
#ifndef FK_NN_CHANNEL_INLINE_H
#define FK_NN_CHANNEL_INLINE_H

#include "kernels.h"
#include "fk/wire.h"
#include "requant_inline.h"

static inline int32_t fk_channel_bias(const fk_window *w, unsigned c)
{
    return fk_get_i32le(w->channels + c * FK_FKM_CHANNEL_BYTES + FK_FKM_CHANNEL_BIAS);
}

static inline int8_t fk_channel_finish(const fk_window *w, unsigned c, int32_t sum)
{
    const uint8_t *p = w->channels + c * FK_FKM_CHANNEL_BYTES;
    const int32_t multiplier = fk_get_i32le(p + FK_FKM_CHANNEL_MULTIPLIER);
    const int shift = (int)fk_get_i32le(p + FK_FKM_CHANNEL_SHIFT);
    return fk_clamp_s8(fk_requantize(sum, multiplier, shift), w->out_zero, w->act_min, w->act_max);
}

#endif
