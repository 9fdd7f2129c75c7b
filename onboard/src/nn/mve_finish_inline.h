/* Four sums of one output channel to four outputs, with MVE.
 *
 * The rounding is TFLite Micro's: VQRDMULH is the high product with halves
 * upwards, and VRSHL rounds halves upwards too, so 1 is taken off a negative
 * number first where a shift to the right follows: halves then go away from 0.
 * The subtraction saturates; the smallest number is a multiple of every 2^n, so
 * that changes nothing. 12 instructions for the four. */
#ifndef FK_NN_MVE_FINISH_INLINE_H
#define FK_NN_MVE_FINISH_INLINE_H

#include <arm_mve.h>

#include "fk/bytes.h"
#include "fk/wire.h"
#include "kernels.h"

static inline void fk_mve_finish(int8_t *out, uint32x4_t offsets, mve_pred16_t lanes, int32x4_t sums,
                                 const uint8_t *channel, const fk_window *w)
{
    const int32_t shift = fk_get_i32le(channel + FK_FKM_CHANNEL_SHIFT);
    int32x4_t x = vaddq_n_s32(sums, fk_get_i32le(channel + FK_FKM_CHANNEL_BIAS));
    if (shift > 0) {
        x = vshlq_r_s32(x, shift);
    }
    x = vqrdmulhq_n_s32(x, fk_get_i32le(channel + FK_FKM_CHANNEL_MULTIPLIER));
    if (shift < 0) {
        x = vqaddq_s32(x, vshrq_n_s32(x, 31));
        x = vrshlq_n_s32(x, shift);
    }
    x = vqaddq_n_s32(x, w->out_zero);
    x = vmaxq_s32(vminq_s32(x, vdupq_n_s32(w->act_max)), vdupq_n_s32(w->act_min));
    vstrbq_scatter_offset_p_s32(out, offsets, x, lanes);
}

#endif
