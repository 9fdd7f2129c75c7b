/* Depthwise 3x3 on cores that multiply two 16-bit pairs at once (SMLAD).
 *
 * Neighbouring pixels of a channel are far apart in memory, so three rows of
 * input at a time are sorted by channel: a plane of 16-bit values, the padding
 * included. A pair of neighbours is then one word, and two words hold the taps
 * of two outputs of a row. The three rows of a plane are used in turn: a new row
 * takes the place of the one that no window needs any more.
 *
 * The weights are a stream of FK_PLANES_CHANNEL_BYTES for each channel:
 *   for each row of the window  int16 w0, w1, w1, w2
 *   row of the channel table    as in pairs.h
 *
 * Cost on a Cortex-M4, in instructions: 1.0 a product and 8 an output with stride
 * 1, and 2.1 for each input value to sort it. */
#ifndef FK_NN_PLANES_H
#define FK_NN_PLANES_H

#include <stddef.h>
#include <stdint.h>

#include "base/v7em.h"
#include "nn/kernels.h"

enum {
    FK_LAYOUT_PLANES = 1,
    FK_PLANES_CHANNEL_BYTES = 40,
    FK_PLANES_ROW = 24,         /* where in them the row of the channel table is    */
    FK_PLANES_GROUP = 4         /* channels that are sorted together; the least there are */
};

/* One row of output. */
typedef struct {
    const uint8_t *row[3];   /* the window's rows in the first plane, aligned to 4      */
    uint32_t pitch;          /* bytes from a plane to the next                          */
    const uint8_t *stream;   /* aligned to 4                                            */
    uint32_t channels;
    uint32_t width;          /* output pixels                                           */
    int8_t *out;
} fk_planes_job;

/* All channels of a row of output, for horizontal strides of 1 and 2. May read a
 * pixel's worth of planes, not of the input, beyond the row's end. */
void fk_planes_row_1(const fk_planes_job *job);
void fk_planes_row_2(const fk_planes_job *job);

/* Sorts `pairs` pairs of pixels of four neighbouring channels into four planes.
 * Pixels are `channels` bytes apart, planes `pitch` bytes. */
void fk_planes_sort(uint8_t *plane, const int8_t *in, uint32_t channels, uint32_t pitch,
                    uint32_t pairs);

/* DEPTHWISE_CONV_2D with 3x3 windows, strides 1x1 or 2x2 and packed weights
 * (w->weights is the stream). As fk_depthwise_s8, also in what may overlap. */
int fk_depthwise_planes_s8_supports(const fk_window *w);
size_t fk_depthwise_planes_s8_scratch_size(const fk_window *w);
void fk_depthwise_planes_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);

#endif
