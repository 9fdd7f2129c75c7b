/* Convolutions with MVE: four output pixels and a channel at a time.
 *
 * The four windows of input lie side by side in scratch, so that a layer may
 * write over its input. For 16 taps of a channel: a load of weights, four of
 * inputs, four VMLADAVA of 16 products: 10 instructions for 64 products, 0.16
 * each, and about 6 an output (see mve_finish_inline.h for the rounding). */
#include "mve_inline.h"

#if defined(FK_NN_MVE)

#include "mve_finish_inline.h"

enum { PIXELS = 4, VECTOR = 16 };

static size_t taps_of(const fk_window *w)
{
    return (size_t)w->kernel_h * w->kernel_w * w->in_c;
}

size_t fk_mve_conv_s8_scratch_size(const fk_window *w)
{
    return PIXELS * taps_of(w) + VECTOR; /* vectors are read whole */
}

static void copy(int8_t *to, const int8_t *from, size_t n)
{
    for (; n >= VECTOR; n -= VECTOR, to += VECTOR, from += VECTOR) {
        vstrbq_s8(to, vldrbq_s8(from));
    }
    if (n > 0) {
        const mve_pred16_t p = vctp8q((uint32_t)n);
        vstrbq_p_s8(to, vldrbq_z_s8(from, p), p);
    }
}

static void fill(int8_t *to, int8_t value, size_t n)
{
    for (size_t i = 0; i < n; i += VECTOR) {
        vstrbq_p_s8(to + i, vdupq_n_s8(value), vctp8q((uint32_t)(n - i)));
    }
}

/* The window of input under one output pixel, taps outside as zero point. */
static void gather(int8_t *patch, const int8_t *in, const fk_window *w, int top, int left)
{
    const size_t depth = w->in_c, row_bytes = depth * w->kernel_w;
    const int inside = left >= 0 && left + w->kernel_w <= w->in_w && w->dilation_w == 1;
    for (unsigned ky = 0; ky < w->kernel_h; ky++) {
        const int y = top + (int)(ky * w->dilation_h);
        const int8_t *row = in + (size_t)y * w->in_w * depth;
        if (y < 0 || y >= w->in_h) {
            fill(patch, w->in_zero, row_bytes);
            patch += row_bytes;
            continue;
        }
        if (inside) {
            copy(patch, row + (size_t)left * depth, row_bytes);
            patch += row_bytes;
            continue;
        }
        for (unsigned kx = 0; kx < w->kernel_w; kx++, patch += depth) {
            const int x = left + (int)(kx * w->dilation_w);
            if (x < 0 || x >= w->in_w) {
                fill(patch, w->in_zero, depth);
            } else {
                copy(patch, row + (size_t)x * depth, depth);
            }
        }
    }
}

static int32x4_t dot4(const int8_t *x, const int8_t *weights, size_t taps)
{
    const int8_t *x0 = x, *x1 = x + taps, *x2 = x1 + taps, *x3 = x2 + taps;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (size_t i = taps / VECTOR; i > 0; i--) {
        const int8x16_t w = vldrbq_s8(weights);
        s0 = vmladavaq_s8(s0, vldrbq_s8(x0), w);
        s1 = vmladavaq_s8(s1, vldrbq_s8(x1), w);
        s2 = vmladavaq_s8(s2, vldrbq_s8(x2), w);
        s3 = vmladavaq_s8(s3, vldrbq_s8(x3), w);
        weights += VECTOR;
        x0 += VECTOR;
        x1 += VECTOR;
        x2 += VECTOR;
        x3 += VECTOR;
    }
    if (taps % VECTOR) {
        const int8x16_t w = vldrbq_z_s8(weights, vctp8q((uint32_t)(taps % VECTOR)));
        s0 = vmladavaq_s8(s0, vldrbq_s8(x0), w);
        s1 = vmladavaq_s8(s1, vldrbq_s8(x1), w);
        s2 = vmladavaq_s8(s2, vldrbq_s8(x2), w);
        s3 = vmladavaq_s8(s3, vldrbq_s8(x3), w);
    }
    return (int32x4_t){s0, s1, s2, s3};
}

void fk_mve_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    int8_t *patches = (int8_t *)scratch;
    const size_t taps = taps_of(w);
    const uint32_t total = (uint32_t)w->out_h * w->out_w;
    const int flat = taps == w->in_c && w->stride_h == 1 && w->stride_w == 1 && w->pad_top == 0 &&
                     w->pad_left == 0 && w->in_w == w->out_w && w->in_h == w->out_h;
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), w->out_c);
    unsigned oy = 0, ox = 0;
    for (uint32_t done = 0; done < total; done += PIXELS, out += PIXELS * (size_t)w->out_c) {
        const uint32_t n = total - done < PIXELS ? total - done : PIXELS;
        const mve_pred16_t lanes = vctp32q(n);
        if (flat) {
            copy(patches, in + done * taps, n * taps);
        }
        for (uint32_t i = 0; i < n && !flat; i++) {
            gather(patches + i * taps, in, w, (int)(oy * w->stride_h) - w->pad_top,
                   (int)(ox * w->stride_w) - w->pad_left);
            if (++ox == w->out_w) {
                ox = 0;
                oy++;
            }
        }
        const int8_t *weights = w->weights;
        const uint8_t *channel = w->channels;
        for (unsigned c = 0; c < w->out_c; c++) {
            fk_mve_finish(out + c, offsets, lanes, dot4(patches, weights, taps), channel, w);
            weights += taps;
            channel += FK_FKM_CHANNEL_BYTES;
        }
    }
}

#endif
