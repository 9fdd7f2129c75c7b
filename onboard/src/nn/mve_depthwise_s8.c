/* Depthwise convolutions with MVE: four output pixels and a channel at a time.
 *
 * For 16 channels, the rows under a row of output are interleaved (VST4): for
 * each column and channel a word of four rows. A gather of the words of four
 * columns is then a whole window of a channel, and VMLADAV with the weights in
 * the same order is its sum: 9 products of a 3x3 window in two instructions,
 * about 7 an output with rounding (mve_finish_inline.h) and interleaving. */
#include "mve_inline.h"

#if defined(FK_NN_MVE)

#include "mve_finish_inline.h"

enum { PIXELS = 4, VECTOR = 16, SIDE = 4, COLUMN = VECTOR * SIDE };

int fk_mve_depthwise_s8_fits(const fk_window *w)
{
    return w->kernel_h <= SIDE && w->kernel_w <= SIDE && w->dilation_w == 1 && w->in_c == w->out_c;
}

/* Columns of input that groups of four outputs look at, whole windows of four. */
static size_t columns_of(const fk_window *w)
{
    const size_t outputs = ((size_t)w->out_w + PIXELS - 1) / PIXELS * PIXELS;
    return (outputs - 1) * w->stride_w + SIDE;
}

size_t fk_mve_depthwise_s8_scratch_size(const fk_window *w)
{
    return COLUMN * (columns_of(w) + SIDE);
}

/* Four rows of 16 values to 16 words, those of NULL rows being `outside`. */
static void interleave(int8_t *to, const int8_t *const *rows, size_t at, int8_t outside,
                       mve_pred16_t lanes)
{
    const int8x16_t none = vdupq_n_s8(outside);
    int8x16x4_t x;
    x.val[0] = rows[0] ? vldrbq_z_s8(rows[0] + at, lanes) : none;
    x.val[1] = rows[1] ? vldrbq_z_s8(rows[1] + at, lanes) : none;
    x.val[2] = rows[2] ? vldrbq_z_s8(rows[2] + at, lanes) : none;
    x.val[3] = rows[3] ? vldrbq_z_s8(rows[3] + at, lanes) : none;
    vst4q_s8(to, x);
}

/* Weights of 16 channels; taps beyond the kernel are 0. */
static void interleave_weights(int8_t *to, const fk_window *w, unsigned c, mve_pred16_t lanes)
{
    const int8_t *rows[SIDE];
    for (unsigned kx = 0; kx < SIDE; kx++) {
        for (unsigned ky = 0; ky < SIDE; ky++) {
            rows[ky] = kx < w->kernel_w && ky < w->kernel_h
                           ? w->weights + ((size_t)ky * w->kernel_w + kx) * w->out_c + c
                           : NULL;
        }
        interleave(to + kx * COLUMN, rows, 0, 0, lanes);
    }
}

/* The columns under output row `oy`, channels from `c`. */
static void interleave_rows(int8_t *to, const int8_t *in, const fk_window *w, unsigned oy, unsigned c,
                            mve_pred16_t lanes)
{
    static const int8_t *const nowhere[SIDE] = {NULL, NULL, NULL, NULL};
    const int8_t *rows[SIDE];
    const int columns = (int)((w->out_w - 1u) * w->stride_w + w->kernel_w);
    for (unsigned ky = 0; ky < SIDE; ky++) {
        const int y = (int)(oy * w->stride_h + ky * w->dilation_h) - w->pad_top;
        const int inside = ky < w->kernel_h && y >= 0 && y < w->in_h;
        rows[ky] = inside ? in + (size_t)y * w->in_w * w->in_c + c : NULL;
    }
    for (int column = 0; column < columns; column++, to += COLUMN) {
        const int x = column - w->pad_left;
        const int inside = x >= 0 && x < w->in_w;
        interleave(to, inside ? rows : nowhere, inside ? (size_t)x * w->in_c : 0, w->in_zero, lanes);
    }
}

/* A row of outputs of one channel. */
static void channel_row(int8_t *out, const int8_t *columns, int8x16_t weights, const uint8_t *channel,
                        const fk_window *w)
{
    const uint32x4_t words = vmulq_n_u32(vidupq_n_u32(0, 1), COLUMN);
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), w->out_c);
    const size_t step = (size_t)COLUMN * w->stride_w;
    for (int left = w->out_w; left > 0; left -= PIXELS) {
        int32_t s[PIXELS];
        for (unsigned i = 0; i < PIXELS; i++, columns += step) {
            const int32_t *base = (const int32_t *)(const void *)columns;
            const int32x4_t window = vldrwq_gather_offset_s32(base, words);
            s[i] = vmladavq_s8(vreinterpretq_s8_s32(window), weights);
        }
        fk_mve_finish(out, offsets, vctp32q((uint32_t)left), (int32x4_t){s[0], s[1], s[2], s[3]},
                      channel, w);
        out += PIXELS * (size_t)w->out_c;
    }
}

void fk_mve_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    const uint32x4_t words = vmulq_n_u32(vidupq_n_u32(0, 1), COLUMN);
    int8_t *taps = (int8_t *)scratch, *columns = taps + SIDE * COLUMN;
    for (unsigned oy = 0; oy < w->out_h; oy++, out += (size_t)w->out_w * w->out_c) {
        for (unsigned c = 0; c < w->out_c; c += VECTOR) {
            const unsigned n = w->out_c - c < VECTOR ? w->out_c - c : VECTOR;
            const mve_pred16_t lanes = vctp8q(n);
            interleave_weights(taps, w, c, lanes);
            interleave_rows(columns, in, w, oy, c, lanes);
            for (unsigned i = 0; i < n; i++) {
                const int32_t *base = (const int32_t *)(const void *)(taps + SIDE * i);
                const int8x16_t weights =
                    vreinterpretq_s8_s32(vldrwq_gather_offset_s32(base, words));
                channel_row(out + c + i, columns + SIDE * i, weights,
                            w->channels + (c + i) * FK_FKM_CHANNEL_BYTES, w);
            }
        }
    }
}

#endif
