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

/* What the outputs of a layer have in common. */
typedef struct {
    int32x4_t low, high;
    int32_t zero;
    uint32x4_t offsets; /* of the four outputs                                            */
} fk_mve_outputs;

static inline fk_mve_outputs fk_mve_outputs_of(const fk_window *w)
{
    const fk_mve_outputs o = {vdupq_n_s32(w->act_min), vdupq_n_s32(w->act_max), w->out_zero,
                              vmulq_n_u32(vidupq_n_u32(0, 1), w->out_c)};
    return o;
}

static inline void fk_mve_finish(int8_t *out, int32x4_t sums, const uint8_t *channel,
                                 const fk_mve_outputs *o, mve_pred16_t lanes)
{
    const int32_t *row = (const int32_t *)(const void *)channel; /* aligned: the image is         */
    const int32_t shift = row[FK_FKM_CHANNEL_SHIFT / 4];
    int32x4_t x = vaddq_n_s32(sums, row[FK_FKM_CHANNEL_BIAS / 4]);
    if (shift > 0) {
        x = vshlq_r_s32(x, shift);
    }
    x = vqrdmulhq_n_s32(x, row[FK_FKM_CHANNEL_MULTIPLIER / 4]);
    if (shift < 0) {
        x = vqaddq_s32(x, vshrq_n_s32(x, 31));
        x = vrshlq_n_s32(x, shift);
    }
    x = vqaddq_n_s32(x, o->zero);
    x = vmaxq_s32(vminq_s32(x, o->high), o->low);
    vstrbq_scatter_offset_p_s32(out, o->offsets, x, lanes);
}

#endif
