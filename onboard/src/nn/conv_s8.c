#include <string.h>

#include "channel_inline.h"

/* The window of input under one output pixel, taps outside as zero point. */
static void gather(int8_t *patch, const int8_t *in, const fk_window *w, unsigned oy, unsigned ox)
{
    const size_t depth = w->in_c;
    for (unsigned ky = 0; ky < w->kernel_h; ky++) {
        const int y = (int)(oy * w->stride_h + ky * w->dilation_h) - w->pad_top;
        for (unsigned kx = 0; kx < w->kernel_w; kx++, patch += depth) {
            const int x = (int)(ox * w->stride_w + kx * w->dilation_w) - w->pad_left;
            if (y < 0 || y >= w->in_h || x < 0 || x >= w->in_w) {
                memset(patch, w->in_zero, depth);
            } else {
                memcpy(patch, in + ((size_t)y * w->in_w + (size_t)x) * depth, depth);
            }
        }
    }
}

static int32_t dot(const int8_t *a, const int8_t *b, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

size_t fk_conv_s8_scratch_size(const fk_window *w)
{
    return (size_t)w->kernel_h * w->kernel_w * w->in_c;
}

void fk_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    int8_t *patch = (int8_t *)scratch;
    const size_t depth = fk_conv_s8_scratch_size(w);
    for (unsigned oy = 0; oy < w->out_h; oy++) {
        for (unsigned ox = 0; ox < w->out_w; ox++) {
            gather(patch, in, w, oy, ox);
            for (unsigned c = 0; c < w->out_c; c++) {
                const int32_t sum = fk_channel_bias(w, c) + dot(patch, w->weights + c * depth, depth);
                *out++ = fk_channel_finish(w, c, sum);
            }
        }
    }
}
