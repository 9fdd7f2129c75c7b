/* Convolutions on cores that multiply two 16-bit pairs at once (SMLAD).
 *
 * Weights are packed for it, in the order in which they are read: a stream that
 * holds, for each pair of output channels c0 and c1, `steps` steps of four taps
 * and then two rows of the channel table.
 *
 *   step     four int16, little-endian: taps 0, 2, 1, 3 of the step; each is
 *            256 * weight of c1 + weight of c0
 *   row      four int32, little-endian: 2 * bias, multiplier, rounding, shift;
 *            rounding = 2^(shift - 1) + (zero point of the output << shift)
 *
 * One product of a tap's input with such a number serves two channels: the sum S
 * over all taps is 256 * S1 + S0. S0 is summed again with the low bytes alone, so
 * S1 = (S - S0) / 256. There are as many products as with plain weights, but one
 * widening for two channels instead of two: the raw number needs none.
 *
 * Taps beyond the window's have weight 0. The compiler packs only where S1 < 2^23
 * whatever the input, shifts are 1..SHIFT_MAX, and the activation is the full
 * range or a clamp done afterwards. The rounding is TFLite Micro's: SMMULR of 2x
 * is the doubling high product, and the shift rounds halves away from zero because
 * 1 is taken off for a negative x.
 *
 * Cost on a Cortex-M4, in instructions: 0.75 a product and 10 an output. */
#ifndef FK_NN_PAIRS_H
#define FK_NN_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#include "base/v7em.h"
#include "nn/kernels.h"

enum {
    FK_LAYOUT_PAIRS = 1,
    FK_PAIRS_STEP_BYTES = 8,
    FK_PAIRS_ROW_BYTES = 16,
    FK_PAIRS_ROW_SHIFT = 12,
    FK_PAIRS_SHIFT_MAX = 20,
    FK_PAIRS_PIXELS = 3      /* output pixels that a block works on */
};

/* What a block of pixels has in common with all others of its layer. */
typedef struct {
    uint32_t steps;   /* of four taps                                         */
    uint32_t pairs;   /* of output channels; of the last only c0 may be there */
    uint32_t stride;  /* output channels: bytes from one pixel to the next    */
} fk_pairs_job;

/* Three pixels, or one, through all output channels. `x` are their inputs as
 * fk_pairs_widen_* leaves them, aligned to 4; `stream` is aligned to 4. */
void fk_pairs_block_3(const int16_t *x, const uint8_t *stream, int8_t *out, const fk_pairs_job *job);
void fk_pairs_block_1(const int16_t *x, const uint8_t *stream, int8_t *out, const fk_pairs_job *job);

/* Inputs of three pixels, or one, as 16 bits in the order of the steps: taps 0
 * and 2 of each pixel, then 1 and 3 of each. Reads 4 * steps bytes a pixel. */
void fk_pairs_widen_3(int16_t *x, const int8_t *const pixel[FK_PAIRS_PIXELS], uint32_t steps);
void fk_pairs_widen_1(int16_t *x, const int8_t *pixel, uint32_t steps);

/* CONV_2D and FULLY_CONNECTED with packed weights (w->weights is the stream). As
 * fk_conv_s8, also in what may overlap; may read up to 3 bytes past the input. */
size_t fk_conv_pairs_s8_scratch_size(const fk_window *w);
void fk_conv_pairs_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);

#endif
