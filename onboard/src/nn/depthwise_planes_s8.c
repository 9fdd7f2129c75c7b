#include <string.h>

#include "nn/planes.h"
#include "pairs_inline.h"

enum { ROWS = 3 };

/* Where the rows of input are: row y in slot y modulo 3 of every plane. */
typedef struct {
    const fk_window *w;
    uint8_t *planes;
    uint32_t row_bytes; /* of a row of a plane, padding included                        */
    int next;           /* the first row of input that is not there yet                  */
} rows;

/* Values that the widest block of outputs can read, in pairs. */
static uint32_t row_bytes(const fk_window *w)
{
    const uint32_t outputs = (w->out_w + 3u) / 4u * 4u;
    const uint32_t read = (outputs - 1u) * w->stride_w + ROWS + 1u;
    const uint32_t held = (uint32_t)w->in_w + w->pad_left;
    return (read > held ? read + 1u : held + 1u) / 2u * 4u;
}

int fk_depthwise_planes_s8_supports(const fk_window *w)
{
    return w->kernel_h == 3 && w->kernel_w == 3 && w->dilation_h == 1 && w->dilation_w == 1 &&
           w->stride_h == w->stride_w && w->stride_w <= 2 && w->in_c == w->out_c &&
           w->in_c >= FK_PLANES_GROUP && w->pad_top < ROWS && w->pad_left < ROWS;
}

size_t fk_depthwise_planes_s8_scratch_size(const fk_window *w)
{
    return (size_t)w->in_c * ROWS * row_bytes(w);
}

static void fill(uint8_t *to, size_t size, int16_t value)
{
    const uint32_t both = (uint16_t)value * 0x10001u;
    for (size_t i = 0; i < size; i += sizeof both) {
        memcpy(to + i, &both, sizeof both);
    }
}

static uint32_t slot(const rows *r, int y)
{
    return (uint32_t)(y + ROWS) % ROWS * r->row_bytes;
}

/* Sorts row y into its slot; rows outside the input are of zero point. */
static void load_row(const rows *r, const int8_t *in, int y)
{
    const fk_window *w = r->w;
    const uint32_t pitch = ROWS * r->row_bytes, channels = w->in_c;
    uint8_t *first = r->planes + slot(r, y);
    if (y < 0 || y >= w->in_h) {
        for (uint32_t c = 0; c < channels; c++) {
            fill(first + c * pitch, r->row_bytes, w->in_zero);
        }
        return;
    }
    const int8_t *row = in + (size_t)y * w->in_w * channels;
    const uint32_t pairs = w->in_w / 2u;
    first += 2u * w->pad_left;
    for (uint32_t c = 0; pairs > 0 && c < channels; c += FK_PLANES_GROUP) {
        /* the last group may share channels with the one before */
        const uint32_t group = c + FK_PLANES_GROUP > channels ? channels - FK_PLANES_GROUP : c;
        fk_planes_sort(first + group * pitch, row + group, channels, pitch, pairs);
    }
    if (w->in_w % 2u) {
        const int8_t *last = row + (size_t)(w->in_w - 1u) * channels;
        first += 2u * (w->in_w - 1u);
        for (uint32_t c = 0; c < channels; c++) {
            const int16_t value = last[c];
            memcpy(first + c * pitch, &value, sizeof value);
        }
    }
}

void fk_depthwise_planes_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    rows r = {.w = w, .planes = scratch, .row_bytes = row_bytes(w), .next = -(int)w->pad_top};
    const size_t out_row = (size_t)w->out_w * w->out_c;
    fill(scratch, fk_depthwise_planes_s8_scratch_size(w), w->in_zero);
    for (unsigned oy = 0; oy < w->out_h; oy++, out += out_row) {
        const int top = (int)(oy * w->stride_h) - w->pad_top;
        for (; r.next < top + ROWS; r.next++) {
            load_row(&r, in, r.next);
        }
        const fk_planes_job job = {
            .row = {scratch + slot(&r, top), scratch + slot(&r, top + 1), scratch + slot(&r, top + 2)},
            .pitch = ROWS * r.row_bytes,
            .stream = (const uint8_t *)w->weights,
            .channels = w->out_c,
            .width = w->out_w,
            .out = out,
        };
        if (w->stride_w == 1) {
            fk_planes_row_1(&job);
        } else {
            fk_planes_row_2(&job);
        }
        fk_pairs_clamp(out, out_row, w->act_min, w->act_max);
    }
}
