/* Geometry and channel rows of the x86-64 kernels; nothing here needs vectors. */
#include "x86_inline.h"

#if defined(FK_NN_X86)

#include <string.h>

#include "channel_inline.h"

enum {
    SLACK = 256,            /* bytes that may be read past the padded input               */
    SUM_SIMPLE = 1 << 30,   /* sums below can be doubled in 32 bits                       */
    RIGHT_SIMPLE = 20       /* shifts up to here leave room for the zero point above      */
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
    plan->size = plan->input + plan->pitch * plan->rows + SLACK;
    plan->fits = w->dilation_w == 1 && plan->pitch <= FK_X86_WORKSPACE &&
                 weights <= FK_X86_WORKSPACE && plan->size <= FK_X86_WORKSPACE;
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
    int kind = FK_X86_SIMPLE;
    for (unsigned c = 0; c < w->out_c; c++) {
        const uint8_t *p = w->channels + c * FK_FKM_CHANNEL_BYTES;
        const int32_t bias = fk_get_i32le(p + FK_FKM_CHANNEL_BIAS);
        const int32_t multiplier = fk_get_i32le(p + FK_FKM_CHANNEL_MULTIPLIER);
        const int32_t shift = fk_get_i32le(p + FK_FKM_CHANNEL_SHIFT);
        const int64_t largest = (bias < 0 ? -(int64_t)bias : bias) + products;
        if (multiplier == INT32_MIN) {
            return 0;
        }
        if (shift >= 0 || shift < -RIGHT_SIMPLE || largest >= SUM_SIMPLE) {
            kind = FK_X86_GENERAL;
        }
        rows[FK_X86_BIAS * n + c] = bias;
        rows[FK_X86_MULTIPLIER * n + c] = multiplier;
        rows[FK_X86_RIGHT * n + c] = shift < 0 ? -shift : 0;
        rows[FK_X86_LEFT * n + c] = shift > 0 ? shift : 0;
    }
    for (size_t c = w->out_c; c < n; c++) {
        rows[FK_X86_BIAS * n + c] = rows[FK_X86_MULTIPLIER * n + c] = 0;
        rows[FK_X86_RIGHT * n + c] = rows[FK_X86_LEFT * n + c] = 0;
    }
    for (size_t c = 0; c < n; c++) {
        const int right = rows[FK_X86_RIGHT * n + c];
        const int32_t remainder = (int32_t)((1u << right) - 1u);
        rows[FK_X86_ROUNDING * n + c] = kind == FK_X86_SIMPLE
                                            ? (remainder + 1) / 2 + w->out_zero * (remainder + 1)
                                            : remainder;
    }
    return kind;
}

#endif
