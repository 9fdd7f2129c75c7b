#include "channel_inline.h"

/* The input row or column that tap `k` brings to output `o`, or -1: a scatter
 * seen from where it arrives. */
static int source(unsigned o, unsigned k, unsigned pad, unsigned stride, unsigned in)
{
    const int at = (int)(o + pad) - (int)k;
    if (at < 0 || (unsigned)at % stride != 0 || (unsigned)at / stride >= in) {
        return -1;
    }
    return (int)((unsigned)at / stride);
}

static int32_t dot(const int8_t *in, const int8_t *weights, const fk_window *w)
{
    int32_t sum = 0;
    for (unsigned c = 0; c < w->in_c; c++) {
        sum += (in[c] - w->in_zero) * weights[c];
    }
    return sum;
}

static int32_t sum_of(const int8_t *in, const fk_window *w, unsigned c, unsigned oy, unsigned ox)
{
    const int8_t *weights = w->weights + (size_t)c * w->kernel_h * w->kernel_w * w->in_c;
    int32_t sum = fk_channel_bias(w, c);
    for (unsigned ky = 0; ky < w->kernel_h; ky++) {
        const int y = source(oy, ky, w->pad_top, w->stride_h, w->in_h);
        for (unsigned kx = 0; kx < w->kernel_w; kx++, weights += w->in_c) {
            const int x = source(ox, kx, w->pad_left, w->stride_w, w->in_w);
            if (y >= 0 && x >= 0) {
                sum += dot(in + ((size_t)y * w->in_w + (size_t)x) * w->in_c, weights, w);
            }
        }
    }
    return sum;
}

void fk_transpose_conv_s8(int8_t *out, const int8_t *in, const fk_window *w)
{
    for (unsigned oy = 0; oy < w->out_h; oy++) {
        for (unsigned ox = 0; ox < w->out_w; ox++) {
            for (unsigned c = 0; c < w->out_c; c++) {
                *out++ = fk_channel_finish(w, c, sum_of(in, w, c, oy, ox));
            }
        }
    }
}
