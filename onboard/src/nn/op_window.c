/* Convolutions and pools: one record layout, five kernels. */
#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/fast.h"
#include "nn/step.h"

enum {
    TAPS_MAX = 65536,     /* so that a sum of products stays below 2^30              */
    REACH_MAX = 1 << 24,  /* furthest row or column a window may touch               */
    SHIFT_MIN = -31,
    SHIFT_MAX = 30
};

static uint16_t field(const uint8_t *record, unsigned offset)
{
    return fk_get_u16le(record + offset);
}

static void read_window(fk_window *w, const uint8_t *r)
{
    w->in_h = field(r, FK_FKM_WINDOW_IN_H);
    w->in_w = field(r, FK_FKM_WINDOW_IN_W);
    w->in_c = field(r, FK_FKM_WINDOW_IN_C);
    w->out_h = field(r, FK_FKM_WINDOW_OUT_H);
    w->out_w = field(r, FK_FKM_WINDOW_OUT_W);
    w->out_c = field(r, FK_FKM_WINDOW_OUT_C);
    w->kernel_h = field(r, FK_FKM_WINDOW_KERNEL_H);
    w->kernel_w = field(r, FK_FKM_WINDOW_KERNEL_W);
    w->stride_h = field(r, FK_FKM_WINDOW_STRIDE_H);
    w->stride_w = field(r, FK_FKM_WINDOW_STRIDE_W);
    w->dilation_h = field(r, FK_FKM_WINDOW_DILATION_H);
    w->dilation_w = field(r, FK_FKM_WINDOW_DILATION_W);
    w->pad_top = field(r, FK_FKM_WINDOW_PAD_TOP);
    w->pad_left = field(r, FK_FKM_WINDOW_PAD_LEFT);
    w->in_zero = (int8_t)r[FK_FKM_WINDOW_IN_ZERO];
    w->out_zero = (int8_t)r[FK_FKM_WINDOW_OUT_ZERO];
    w->act_min = (int8_t)r[FK_FKM_WINDOW_ACT_MIN];
    w->act_max = (int8_t)r[FK_FKM_WINDOW_ACT_MAX];
    w->layout = r[FK_FKM_OP_LAYOUT];
}

static uint64_t volume(uint32_t a, uint32_t b, uint32_t c)
{
    return (uint64_t)a * b * c;
}

static int reach_ok(uint32_t out, uint32_t stride, uint32_t kernel, uint32_t dilation)
{
    return (uint64_t)(out - 1) * stride + (uint64_t)(kernel - 1) * dilation <= REACH_MAX;
}

/* Is the tensor that many rows, or as a band at least one of them? */
static int holds(const fk_tensor *t, uint32_t rows, uint32_t row_bytes)
{
    if (t->band) {
        return t->size % row_bytes == 0 && t->size / row_bytes - 1 < rows;
    }
    return (uint64_t)rows * row_bytes == t->size;
}

/* Geometry that belongs to the tensors and whose arithmetic cannot overflow. */
int fk_window_parse(fk_step *step, const uint8_t *record)
{
    fk_window *w = &step->as.window;
    read_window(w, record);
    if (!w->in_h || !w->in_w || !w->in_c || !w->out_h || !w->out_w || !w->out_c || !w->kernel_h ||
        !w->kernel_w || !w->stride_h || !w->stride_w || !w->dilation_h || !w->dilation_w) {
        return FK_ERR_CORRUPT;
    }
    if (!holds(&step->input, w->in_h, (uint32_t)w->in_w * w->in_c) ||
        !holds(&step->output, w->out_h, (uint32_t)w->out_w * w->out_c)) {
        return FK_ERR_CORRUPT;
    }
    if (!reach_ok(w->out_h, w->stride_h, w->kernel_h, w->dilation_h) ||
        !reach_ok(w->out_w, w->stride_w, w->kernel_w, w->dilation_w) || w->act_min > w->act_max) {
        return FK_ERR_CORRUPT;
    }
    return FK_OK;
}

/* Biases that leave room for `taps` products, shifts that are defined. */
static int parse_channels(fk_window *w, const fk_model *m, const uint8_t *record, uint64_t taps)
{
    const int64_t room = INT32_MAX - (int64_t)taps * 128 * 128;
    w->channels = fk_model_constant(m, fk_get_u32le(record + FK_FKM_WINDOW_TABLE),
                                    (uint64_t)w->out_c * 3, 4);
    if (w->channels == NULL) {
        return FK_ERR_CORRUPT;
    }
    for (unsigned c = 0; c < w->out_c; c++) {
        const uint8_t *p = w->channels + c * FK_FKM_CHANNEL_BYTES;
        const int64_t bias = fk_get_i32le(p + FK_FKM_CHANNEL_BIAS);
        const int32_t shift = fk_get_i32le(p + FK_FKM_CHANNEL_SHIFT);
        if (bias > room || bias < -room || shift < SHIFT_MIN || shift > SHIFT_MAX) {
            return FK_ERR_CORRUPT;
        }
    }
    return FK_OK;
}

static int parse_weights(fk_step *step, const fk_model *m, const uint8_t *record, uint64_t taps,
                         uint64_t count)
{
    fk_window *w = &step->as.window;
    if (w->layout != 0) {
        return FK_ERR_UNSUPPORTED;
    }
    if (taps > TAPS_MAX) {
        return FK_ERR_CORRUPT;
    }
    w->weights =
        (const int8_t *)fk_model_constant(m, fk_get_u32le(record + FK_FKM_WINDOW_WEIGHTS), count, 1);
    return w->weights ? parse_channels(w, m, record, taps) : FK_ERR_CORRUPT;
}

static int parse_conv(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_window *w = &step->as.window;
    int err = fk_window_parse(step, record);
    if (err == FK_OK) {
        const uint64_t taps = volume(w->kernel_h, w->kernel_w, w->in_c);
        err = parse_weights(step, m, record, taps, taps * w->out_c);
    }
    step->scratch_size = err == FK_OK ? fk_fast_conv_s8_scratch_size(w) : 0;
    return err;
}

static int parse_depthwise(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_window *w = &step->as.window;
    int err = fk_window_parse(step, record);
    if (err == FK_OK && w->out_c % w->in_c) {
        err = FK_ERR_CORRUPT;
    }
    if (err == FK_OK) {
        const uint64_t taps = volume(w->kernel_h, w->kernel_w, 1);
        err = parse_weights(step, m, record, taps, taps * w->out_c);
    }
    step->scratch_size = err == FK_OK ? fk_fast_depthwise_s8_scratch_size(w) : 0;
    return err;
}

static int parse_pool(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_window *w = &step->as.window;
    (void)m;
    const int err = fk_window_parse(step, record);
    if (err != FK_OK) {
        return err;
    }
    const int one_to_one = w->in_c == w->out_c && w->dilation_h == 1 && w->dilation_w == 1;
    return one_to_one && volume(w->kernel_h, w->kernel_w, 1) <= TAPS_MAX ? FK_OK : FK_ERR_CORRUPT;
}

/* Twice the room: here the zero point is taken off before the product. */
static int parse_transpose_conv(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_window *w = &step->as.window;
    int err = fk_window_parse(step, record);
    if (err == FK_OK) {
        const uint64_t taps = volume(w->kernel_h, w->kernel_w, w->in_c);
        err = taps > TAPS_MAX / 2 ? FK_ERR_CORRUPT : parse_weights(step, m, record, taps * 2, taps * w->out_c);
    }
    return err;
}

static void run_conv(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    fk_fast_conv_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                    &s->as.window, scratch);
}

static void run_depthwise(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    fk_fast_depthwise_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                         &s->as.window, scratch);
}

static void run_avg_pool(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_fast_avg_pool_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                        &s->as.window);
}

static void run_max_pool(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_max_pool_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                   &s->as.window);
}

static void run_transpose_conv(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_transpose_conv_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                         &s->as.window);
}

const fk_operator fk_op_conv = {parse_conv, run_conv};
const fk_operator fk_op_depthwise = {parse_depthwise, run_depthwise};
const fk_operator fk_op_avg_pool = {parse_pool, run_avg_pool};
const fk_operator fk_op_max_pool = {parse_pool, run_max_pool};
const fk_operator fk_op_transpose_conv = {parse_transpose_conv, run_transpose_conv};
