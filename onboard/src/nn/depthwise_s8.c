#include "channel_inline.h"

/* Adds one tap of every channel; `x` is NULL outside the input. Output channel
 * c reads input channel c / multiplier. */
static void add_tap(int32_t *sums, const int8_t *x, const int8_t *weights, const fk_window *w)
{
    if (x == NULL) {
        for (unsigned c = 0; c < w->out_c; c++) {
            sums[c] += w->in_zero * weights[c];
        }
    } else if (w->in_c == w->out_c) {
        for (unsigned c = 0; c < w->out_c; c++) {
            sums[c] += x[c] * weights[c];
        }
    } else {
        const unsigned multiplier = w->out_c / w->in_c;
        for (unsigned i = 0; i < w->in_c; i++) {
            for (unsigned m = 0; m < multiplier; m++) {
                *sums++ += x[i] * *weights++;
            }
        }
    }
}

static void add_window(int32_t *sums, const int8_t *in, const fk_window *w, unsigned oy,
                       unsigned ox)
{
    const int8_t *weights = w->weights;
    for (unsigned ky = 0; ky < w->kernel_h; ky++) {
        const int y = (int)(oy * w->stride_h + ky * w->dilation_h) - w->pad_top;
        for (unsigned kx = 0; kx < w->kernel_w; kx++, weights += w->out_c) {
            const int x = (int)(ox * w->stride_w + kx * w->dilation_w) - w->pad_left;
            const int inside = y >= 0 && y < w->in_h && x >= 0 && x < w->in_w;
            add_tap(sums, inside ? in + ((size_t)y * w->in_w + (size_t)x) * w->in_c : NULL, weights,
                    w);
        }
    }
}

size_t fk_depthwise_s8_scratch_size(const fk_window *w)
{
    return w->out_c * sizeof(int32_t);
}

void fk_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    int32_t *sums = (int32_t *)(void *)scratch;
    for (unsigned oy = 0; oy < w->out_h; oy++) {
        for (unsigned ox = 0; ox < w->out_w; ox++) {
            for (unsigned c = 0; c < w->out_c; c++) {
                sums[c] = fk_channel_bias(w, c);
            }
            add_window(sums, in, w, oy, ox);
            for (unsigned c = 0; c < w->out_c; c++) {
                *out++ = fk_channel_finish(w, c, sums[c]);
            }
        }
    }
}
