/* LUT, FILL, COPY, MEAN and the two RESIZEs. */
#include <string.h>

#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/step.h"

static int parse_lut(fk_step *step, const fk_model *m, const uint8_t *record)
{
    step->constant = fk_model_constant(m, fk_get_u32le(record + FK_FKM_LUT_TABLE), 256, 1);
    return step->constant && step->input.size == step->output.size ? FK_OK : FK_ERR_CORRUPT;
}

static void run_lut(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_lut_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset, s->input.size,
              (const int8_t *)s->constant);
}

static int parse_fill(fk_step *step, const fk_model *m, const uint8_t *record)
{
    (void)m;
    step->as.fill = (int8_t)record[FK_FKM_FILL_VALUE];
    return FK_OK;
}

static void run_fill(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    memset(arena + s->output.offset, s->as.fill, s->output.size);
}

/* Does the box of `dims` steps from `offset` stay within `size` bytes? */
static int box_ok(const uint32_t *dims, const int32_t *stride, uint32_t offset, uint32_t size)
{
    int64_t low = offset, high = offset;
    for (unsigned d = 0; d < 4; d++) {
        const int64_t reach = (int64_t)(dims[d] - 1) * stride[d]; /* below 2^63: 32 x 31 bits */
        if (dims[d] == 0 || reach > size || reach < -(int64_t)size) {
            return 0;
        }
        *(reach < 0 ? &low : &high) += reach;
    }
    return low >= 0 && high < size;
}

static int parse_copy(fk_step *step, const fk_model *m, const uint8_t *record)
{
    fk_copy *c = &step->as.copy;
    (void)m;
    for (unsigned d = 0; d < 4; d++) {
        c->dims[d] = fk_get_u32le(record + FK_FKM_COPY_DIMS + 4 * d);
        c->in_stride[d] = fk_get_i32le(record + FK_FKM_COPY_IN_STRIDE + 4 * d);
        c->out_stride[d] = fk_get_i32le(record + FK_FKM_COPY_OUT_STRIDE + 4 * d);
    }
    c->in_offset = fk_get_u32le(record + FK_FKM_COPY_IN_OFFSET);
    c->out_offset = fk_get_u32le(record + FK_FKM_COPY_OUT_OFFSET);
    uint64_t moved = 1; /* no more than there is room for: a run must end */
    for (unsigned d = 0; d < 4 && moved <= step->output.size; d++) {
        moved *= c->dims[d];
    }
    const int ok = moved <= step->output.size &&
                   box_ok(c->dims, c->in_stride, c->in_offset, step->input.size) &&
                   box_ok(c->dims, c->out_stride, c->out_offset, step->output.size);
    return ok ? FK_OK : FK_ERR_CORRUPT;
}

static void run_copy(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_copy_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset, &s->as.copy);
}

static int parse_mean(fk_step *step, const fk_model *m, const uint8_t *record)
{
    fk_mean *p = &step->as.mean;
    (void)m;
    p->outer = fk_get_u32le(record + FK_FKM_MEAN_OUTER);
    p->reduce = fk_get_u32le(record + FK_FKM_MEAN_REDUCE);
    p->inner = fk_get_u32le(record + FK_FKM_MEAN_INNER);
    p->bias = fk_get_i32le(record + FK_FKM_MEAN_BIAS);
    p->multiplier = fk_get_i32le(record + FK_FKM_MEAN_MULTIPLIER);
    p->shift = (int8_t)record[FK_FKM_MEAN_SHIFT];
    p->out_zero = (int8_t)record[FK_FKM_MEAN_OUT_ZERO];
    const uint64_t out = (uint64_t)p->outer * p->inner;
    if (!out || !p->reduce || out != step->output.size || p->reduce > step->input.size ||
        out * p->reduce != step->input.size || p->shift < -31 || p->shift > 30) {
        return FK_ERR_CORRUPT;
    }
    const int64_t room = INT32_MAX - (int64_t)p->reduce * 128;
    return p->bias <= room && p->bias >= -room ? FK_OK : FK_ERR_CORRUPT;
}

static void run_mean(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_mean_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset, &s->as.mean);
}

static int parse_resize(fk_step *step, const fk_model *m, const uint8_t *record, uint32_t entry)
{
    fk_resize *r = &step->as.resize;
    r->in_h = fk_get_u16le(record + FK_FKM_RESIZE_IN_H);
    r->in_w = fk_get_u16le(record + FK_FKM_RESIZE_IN_W);
    r->channels = fk_get_u16le(record + FK_FKM_RESIZE_CHANNELS);
    r->out_h = fk_get_u16le(record + FK_FKM_RESIZE_OUT_H);
    r->out_w = fk_get_u16le(record + FK_FKM_RESIZE_OUT_W);
    const uint64_t in = (uint64_t)r->in_h * r->in_w * r->channels;
    const uint64_t out = (uint64_t)r->out_h * r->out_w * r->channels;
    r->rows = fk_model_constant(m, fk_get_u32le(record + FK_FKM_RESIZE_ROWS), r->out_h, entry);
    r->columns = fk_model_constant(m, fk_get_u32le(record + FK_FKM_RESIZE_COLUMNS), r->out_w, entry);
    const int ok = in && out && in == step->input.size && out == step->output.size && r->rows && r->columns;
    return ok ? FK_OK : FK_ERR_CORRUPT;
}

/* Are all of `count` uint16, `entry` bytes apart, below `end`? */
static int indices_ok(const uint8_t *table, unsigned count, unsigned entry, unsigned end)
{
    for (unsigned i = 0; i < count; i++) {
        if (fk_get_u16le(table + entry * i) >= end) {
            return 0;
        }
    }
    return 1;
}

static int parse_nearest(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_resize *r = &step->as.resize;
    const int err = parse_resize(step, m, record, 2);
    if (err != FK_OK) {
        return err;
    }
    const int ok = indices_ok(r->rows, r->out_h, 2, r->in_h) &&
                   indices_ok(r->columns, r->out_w, 2, r->in_w);
    return ok ? FK_OK : FK_ERR_CORRUPT;
}

static void run_nearest(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_resize_nearest_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                         &s->as.resize);
}

static int weights_ok(const uint8_t *table, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const int32_t weight = fk_get_i32le(table + 8 * i + 4);
        if (weight < -1024 || weight > 1024) {
            return 0;
        }
    }
    return 1;
}

static int parse_bilinear(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_resize *r = &step->as.resize;
    const int err = parse_resize(step, m, record, 8);
    if (err != FK_OK) {
        return err;
    }
    const int ok = indices_ok(r->rows, r->out_h, 8, r->in_h) &&
                   indices_ok(r->rows + 2, r->out_h, 8, r->in_h) && weights_ok(r->rows, r->out_h) &&
                   indices_ok(r->columns, r->out_w, 8, r->in_w) &&
                   indices_ok(r->columns + 2, r->out_w, 8, r->in_w) &&
                   weights_ok(r->columns, r->out_w);
    return ok ? FK_OK : FK_ERR_CORRUPT;
}

static void run_bilinear(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_resize_bilinear_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                          &s->as.resize);
}

const fk_operator fk_op_lut = {parse_lut, run_lut};
const fk_operator fk_op_fill = {parse_fill, run_fill};
const fk_operator fk_op_copy = {parse_copy, run_copy};
const fk_operator fk_op_mean = {parse_mean, run_mean};
const fk_operator fk_op_resize_nearest = {parse_nearest, run_nearest};
const fk_operator fk_op_resize_bilinear = {parse_bilinear, run_bilinear};
