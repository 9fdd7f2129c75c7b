/* Geometry and channel rows of the x86-64 kernels; nothing here needs vectors. */
#include "x86_inline.h"

#if defined(FK_NN_X86)

#include <string.h>

#include "channel_inline.h"

enum {
    LEFT_MAX = 16,
    SLACK = 256,              /* bytes that may be read past the padded input             */
    SCRATCH_MAX = 1 << 24,    /* layers that want more are left to the portable kernels   */
    SUM_MAX = 1 << 30,        /* sums are doubled in 32 bits                              */
    RIGHT_FOLD = 20           /* up to here the zero point fits above the rounding        */
};

static size_t align(size_t n)
{
    return (n + FK_X86_ALIGN - 1) / FK_X86_ALIGN * FK_X86_ALIGN;
}

static int is_flat(const fk_window *w)
{
    return w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 && w->stride_w == 1 &&
           w->pad_top == 0 && w->pad_left == 0 && w->in_h == w->out_h && w->in_w == w->out_w;
}

/* `weights` is the size of the packed weights. */
static void finish_plan(fk_x86_plan *plan, const fk_window *w, size_t weights)
{
    plan->rows = (size_t)(w->out_h - 1u) * w->stride_h + (size_t)(w->kernel_h - 1u) * w->dilation_h + 1;
    plan->columns = (size_t)(w->out_w - 1u) * w->stride_w + w->kernel_w;
    if (plan->flat) {
        plan->rows = 1;
        plan->columns = (size_t)w->in_h * w->in_w;
    }
    plan->pitch = plan->columns * plan->pixel;
    plan->weights = align(FK_X86_ROWS * sizeof(int32_t) * plan->channels);
    plan->input = align(plan->weights + weights);
    /* rows and columns are below 2^25, a pixel below 2^17: no product overflows */
    plan->fits = w->dilation_w == 1 && plan->pitch <= SCRATCH_MAX && weights <= SCRATCH_MAX &&
                 plan->pitch * plan->rows <= SCRATCH_MAX;
    plan->size = plan->fits ? plan->input + plan->pitch * plan->rows + SLACK + FK_X86_ALIGN : 0;
}

void fk_x86_plan_conv(fk_x86_plan *plan, const fk_window *w)
{
    memset(plan, 0, sizeof *plan);
    plan->flat = is_flat(w);
    plan->pixel = w->in_c;
    plan->channels = ((size_t)w->out_c + FK_X86_LANES - 1) / FK_X86_LANES * FK_X86_LANES;
    plan->steps = ((size_t)w->kernel_w * w->in_c + FK_X86_TAPS - 1) / FK_X86_TAPS;
    finish_plan(plan, w, plan->channels * plan->steps * FK_X86_TAPS * w->kernel_h);
}

void fk_x86_plan_depthwise(fk_x86_plan *plan, const fk_window *w)
{
    memset(plan, 0, sizeof *plan);
    plan->channels = ((size_t)w->out_c + FK_X86_LANES - 1) / FK_X86_LANES * FK_X86_LANES;
    plan->pixel = plan->channels;
    plan->steps = ((size_t)w->kernel_h + FK_X86_TAPS - 1) / FK_X86_TAPS;
    finish_plan(plan, w, plan->channels * plan->steps * FK_X86_TAPS * w->kernel_w);
    plan->fits = plan->fits && w->in_c == w->out_c;
}

int fk_x86_prepare(int32_t *rows, const fk_x86_plan *plan, const fk_window *w, size_t taps)
{
    const int64_t products = (int64_t)taps * 128 * 128;
    const size_t n = plan->channels;
    int kind = 2;
    for (unsigned c = 0; c < w->out_c; c++) {
        const uint8_t *p = w->channels + c * FK_FKM_CHANNEL_BYTES;
        const int32_t bias = fk_get_i32le(p + FK_FKM_CHANNEL_BIAS);
        const int32_t shift = fk_get_i32le(p + FK_FKM_CHANNEL_SHIFT);
        const int left = shift > 0 ? shift : 0, right = shift < 0 ? -shift : 0;
        const int64_t largest = (bias < 0 ? -(int64_t)bias : bias) + products;
        if (left > LEFT_MAX || largest << left >= SUM_MAX) {
            return 0;
        }
        kind = right == 0 || right > RIGHT_FOLD ? 1 : kind;
        rows[FK_X86_BIAS * n + c] = bias;
        rows[FK_X86_MULTIPLIER * n + c] = fk_get_i32le(p + FK_FKM_CHANNEL_MULTIPLIER);
        rows[FK_X86_ROUNDING * n + c] = right ? 1 << (right - 1) : 0;
        rows[FK_X86_RIGHT * n + c] = right;
        rows[FK_X86_LEFT * n + c] = left;
    }
    for (size_t c = w->out_c; c < n; c++) {
        for (size_t row = 0; row < FK_X86_ROWS; row++) {
            rows[row * n + c] = 0;
        }
    }
    for (size_t c = 0; kind == 2 && c < w->out_c; c++) {
        rows[FK_X86_ROUNDING * n + c] += w->out_zero * (1 << rows[FK_X86_RIGHT * n + c]);
    }
    return kind;
}

#endif
