#include <string.h>

#include "nn/pairs.h"
#include "pairs_inline.h"

static uint32_t steps_of(const fk_window *w)
{
    return ((uint32_t)w->kernel_h * w->kernel_w * w->in_c + 3u) / 4u;
}

static int is_pointwise(const fk_window *w)
{
    /* a PAD below or to the right, folded in, makes the output larger than the input */
    return w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 && w->stride_w == 1 &&
           w->pad_top == 0 && w->pad_left == 0 && w->in_h == w->out_h && w->in_w == w->out_w;
}

/* The widened inputs of a block, then room for its windows as bytes, with a word
 * to spare after each because rows are copied by words. */
static size_t patch_bytes(const fk_window *w)
{
    return 4u * (size_t)steps_of(w) + 4u;
}

size_t fk_conv_pairs_s8_scratch_size(const fk_window *w)
{
    const size_t widened = FK_PAIRS_PIXELS * 8u * (size_t)steps_of(w);
    return widened + (is_pointwise(w) ? 0 : FK_PAIRS_PIXELS * patch_bytes(w));
}

/* `size` bytes and up to 3 more, a word at a time: rows are short. */
static int8_t *copy_words(int8_t *to, const int8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i += 4) {
        memcpy(to + i, from + i, 4);
    }
    return to + size;
}

/* The window of input under one output pixel, taps outside as zero point. */
static void gather(int8_t *patch, const int8_t *in, const fk_window *w, unsigned oy, unsigned ox)
{
    const int left = (int)(ox * w->stride_w) - w->pad_left;
    const int inside = left >= 0 && left + w->kernel_w <= w->in_w && w->dilation_w == 1;
    const size_t depth = w->in_c, row_size = (size_t)w->kernel_w * depth;
    for (unsigned ky = 0; ky < w->kernel_h; ky++) {
        const int y = (int)(oy * w->stride_h + ky * w->dilation_h) - w->pad_top;
        if (y < 0 || y >= w->in_h) {
            memset(patch, w->in_zero, row_size);
            patch += row_size;
            continue;
        }
        const int8_t *row = in + (size_t)y * w->in_w * depth;
        if (inside) {
            patch = copy_words(patch, row + (size_t)left * depth, row_size);
            continue;
        }
        for (unsigned kx = 0; kx < w->kernel_w; kx++, patch += depth) {
            const int x = left + (int)(kx * w->dilation_w);
            if (x < 0 || x >= w->in_w) {
                memset(patch, w->in_zero, depth);
            } else {
                memcpy(patch, row + (size_t)x * depth, depth);
            }
        }
    }
}

void fk_conv_pairs_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    const uint8_t *stream = (const uint8_t *)w->weights;
    const fk_pairs_job job = {steps_of(w), (w->out_c + 1u) / 2u, w->out_c};
    const uint32_t total = (uint32_t)w->out_h * w->out_w;
    const int pointwise = is_pointwise(w);
    int16_t *x = (int16_t *)(void *)scratch;
    int8_t *patches = (int8_t *)scratch + FK_PAIRS_PIXELS * 8u * (size_t)job.steps;
    const int8_t *pixel[FK_PAIRS_PIXELS];
    unsigned oy = 0, ox = 0;

    for (uint32_t done = 0; done < total;) {
        const uint32_t n = total - done < FK_PAIRS_PIXELS ? 1 : FK_PAIRS_PIXELS;
        for (uint32_t i = 0; i < n; i++) {
            if (pointwise) {
                pixel[i] = in + (size_t)(done + i) * w->in_c;
                continue;
            }
            int8_t *patch = patches + i * patch_bytes(w);
            gather(patch, in, w, oy, ox);
            pixel[i] = patch;
            ox++;
            if (ox == w->out_w) {
                ox = 0;
                oy++;
            }
        }
        if (n == 1) {
            fk_pairs_widen_1(x, pixel[0], job.steps);
            fk_pairs_block_1(x, stream, out, &job);
        } else {
            fk_pairs_widen_3(x, pixel, job.steps);
            fk_pairs_block_3(x, stream, out, &job);
        }
        fk_pairs_clamp(out, (size_t)n * w->out_c, w->act_min, w->act_max);
        out += (size_t)n * w->out_c;
        done += n;
    }
}
