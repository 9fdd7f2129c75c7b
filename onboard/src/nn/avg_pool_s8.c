#include "requant_inline.h"
#include "window_inline.h"

/* Halves away from 0. */
static int32_t divide(int32_t sum, int32_t count)
{
    return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

static int32_t mean(const int8_t *in, const fk_window *w, fk_span rows, fk_span columns)
{
    int32_t sum = 0, count = 0;
    for (int y = rows.first; y < rows.end; y++) {
        for (int x = columns.first; x < columns.end; x++) {
            sum += in[((size_t)y * w->in_w + (size_t)x) * w->in_c];
            count++;
        }
    }
    return count ? divide(sum, count) : 0;
}

void fk_avg_pool_s8(int8_t *out, const int8_t *in, const fk_window *w)
{
    for (unsigned oy = 0; oy < w->out_h; oy++) {
        const fk_span rows = fk_window_span(oy, w->stride_h, w->kernel_h, w->pad_top, w->in_h);
        for (unsigned ox = 0; ox < w->out_w; ox++) {
            const fk_span cols = fk_window_span(ox, w->stride_w, w->kernel_w, w->pad_left, w->in_w);
            for (unsigned c = 0; c < w->out_c; c++) {
                *out++ = fk_clamp_s8(mean(in + c, w, rows, cols), 0, w->act_min, w->act_max);
            }
        }
    }
}
