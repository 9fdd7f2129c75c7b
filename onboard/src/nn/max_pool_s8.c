#include "requant_inline.h"
#include "window_inline.h"

static int8_t maximum(const int8_t *in, const fk_window *w, fk_span rows, fk_span columns)
{
    int8_t max = INT8_MIN;
    for (int y = rows.first; y < rows.end; y++) {
        for (int x = columns.first; x < columns.end; x++) {
            const int8_t value = in[((size_t)y * w->in_w + (size_t)x) * w->in_c];
            max = value > max ? value : max;
        }
    }
    return max;
}

void fk_max_pool_s8(int8_t *out, const int8_t *in, const fk_window *w)
{
    for (unsigned oy = 0; oy < w->out_h; oy++) {
        const fk_span rows = fk_window_span(oy, w->stride_h, w->kernel_h, w->pad_top, w->in_h);
        for (unsigned ox = 0; ox < w->out_w; ox++) {
            const fk_span cols = fk_window_span(ox, w->stride_w, w->kernel_w, w->pad_left, w->in_w);
            for (unsigned c = 0; c < w->out_c; c++) {
                *out++ = fk_clamp_s8(maximum(in + c, w, rows, cols), 0, w->act_min, w->act_max);
            }
        }
    }
}
