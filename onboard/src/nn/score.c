#include <string.h>

#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/head.h"
#include "nn/step.h"

enum { BOX_TABLE_VALUES = 512 };

int fk_head_parse(fk_head *h, const fk_model *m, const uint8_t *arena, unsigned index)
{
    const uint8_t *p = m->heads + index * FK_FKM_HEAD_BYTES;
    const unsigned output = p[FK_FKM_HEAD_OUTPUT];
    fk_tensor t;
    h->kind = p[FK_FKM_HEAD_KIND];
    h->first = p[FK_FKM_HEAD_FIRST];
    h->anchors = p[FK_FKM_HEAD_ANCHORS];
    h->object = p[FK_FKM_HEAD_OBJECT];
    h->box = p[FK_FKM_HEAD_BOX];
    h->grid_h = fk_get_u16le(p + FK_FKM_HEAD_GRID_H);
    h->grid_w = fk_get_u16le(p + FK_FKM_HEAD_GRID_W);
    h->depth = fk_get_u16le(p + FK_FKM_HEAD_DEPTH);
    if (output >= m->output_count ||
        fk_model_tensor(&t, m, fk_get_u16le(m->io + (m->input_count + output) * FK_FKM_IO_BYTES)) != FK_OK) {
        return FK_ERR_CORRUPT;
    }
    const uint64_t cells = (uint64_t)h->grid_h * h->grid_w * h->anchors;
    const int channels_ok = h->first + m->class_count <= h->depth &&
                            (h->object == FK_HEAD_NONE || h->object < h->depth) &&
                            (h->box == FK_HEAD_NONE || h->box + 4 <= h->depth);
    if (cells == 0 || cells > UINT32_MAX || cells * h->depth != t.size || !channels_ok) {
        return FK_ERR_CORRUPT;
    }
    if (h->kind != FK_HEAD_TABLE && h->kind != FK_HEAD_SOFTMAX) {
        return FK_ERR_UNSUPPORTED;
    }
    h->values = (const int8_t *)arena + t.offset;
    h->table = fk_model_constant(m, fk_get_u32le(p + FK_FKM_HEAD_SCORES), 256,
                                 h->kind == FK_HEAD_TABLE ? 1 : 4);
    h->box_table = NULL;
    if (h->box != FK_HEAD_NONE) {
        h->box_table = fk_model_constant(m, fk_get_u32le(p + FK_FKM_HEAD_BOXES),
                                         BOX_TABLE_VALUES + 2u * h->anchors, 4);
    }
    const int boxes_ok = h->box == FK_HEAD_NONE || h->box_table != NULL;
    return h->table != NULL && boxes_ok ? FK_OK : FK_ERR_CORRUPT;
}

int fk_heads_check(const fk_model *m)
{
    static const uint8_t nowhere[1];
    fk_head head;
    int err = m->head_count || m->class_count == 0 ? FK_OK : FK_ERR_CORRUPT;
    for (unsigned i = 0; err == FK_OK && i < m->head_count; i++) {
        err = fk_head_parse(&head, m, nowhere, i);
    }
    return err;
}

static uint32_t softmax_score(const fk_head *h, const int8_t *values, unsigned channel)
{
    int max = INT8_MIN;
    for (unsigned c = 0; c < h->depth; c++) {
        max = values[c] > max ? values[c] : max;
    }
    uint64_t sum = 0;
    for (unsigned c = 0; c < h->depth; c++) {
        sum += fk_get_u32le(h->table + 4 * (max - values[c]));
    }
    const uint64_t own = fk_get_u32le(h->table + 4 * (max - values[channel]));
    return sum ? (uint32_t)((own * 255 + sum / 2) / sum) : 0;
}

static uint32_t cell_score(const fk_head *h, const int8_t *values, unsigned class_index)
{
    const unsigned channel = h->first + class_index;
    const uint32_t score = h->kind == FK_HEAD_TABLE ? h->table[values[channel] + 128]
                                                    : softmax_score(h, values, channel);
    if (h->object == FK_HEAD_NONE || h->kind != FK_HEAD_TABLE) {
        return score;
    }
    return (score * h->table[values[h->object] + 128] + 127) / 255;
}

/* A span in 1/65536 of a cell to fractions of the frame, cut at its edges. */
static void place(uint16_t *start, uint16_t *length, int64_t low, int64_t high, unsigned cells)
{
    const int64_t end = (int64_t)cells << 16;
    low = low < 0 ? 0 : low > end ? end : low;
    high = high < low ? low : high > end ? end : high;
    *start = (uint16_t)(low * UINT16_MAX / end);
    *length = (uint16_t)(high * UINT16_MAX / end - *start);
}

static int64_t box_value(const fk_head *h, unsigned index)
{
    return fk_get_i32le(h->box_table + 4 * index);
}

/* What the table says to channel `c` of a box. */
static int64_t channel_value(const fk_head *h, const int8_t *box, unsigned c)
{
    const unsigned table = c < 2 ? 0 : BOX_TABLE_VALUES / 2;
    return box_value(h, table + (unsigned)(box[c] + 128));
}

static void cell_box(const fk_head *h, uint32_t cell, fk_box *box)
{
    const unsigned anchor = cell % h->anchors;
    const uint32_t x = cell / h->anchors % h->grid_w, y = cell / h->anchors / h->grid_w;
    if (h->box == FK_HEAD_NONE) {
        if (h->grid_h > 1 || h->grid_w > 1) {
            place(&box->x, &box->width, (int64_t)x << 16, (int64_t)(x + 1) << 16, h->grid_w);
            place(&box->y, &box->height, (int64_t)y << 16, (int64_t)(y + 1) << 16, h->grid_h);
        }
        return;
    }
    const int8_t *v = h->values + (size_t)cell * h->depth + h->box;
    const int64_t cx = ((int64_t)x << 16) + channel_value(h, v, 0);
    const int64_t cy = ((int64_t)y << 16) + channel_value(h, v, 1);
    const int64_t anchor_w = box_value(h, BOX_TABLE_VALUES + 2 * anchor);
    const int64_t anchor_h = box_value(h, BOX_TABLE_VALUES + 2 * anchor + 1);
    const int64_t half_w = anchor_w * channel_value(h, v, 2) / (1 << 17);
    const int64_t half_h = anchor_h * channel_value(h, v, 3) / (1 << 17);
    place(&box->x, &box->width, cx - half_w, cx + half_w, h->grid_w);
    place(&box->y, &box->height, cy - half_h, cy + half_h, h->grid_h);
}

int fk_model_score(const fk_model *m, const uint8_t *arena, unsigned class_index, uint8_t *score,
                   fk_box *box)
{
    if (class_index >= m->class_count) {
        return FK_ERR_INVAL;
    }
    uint32_t best = 0;
    memset(box, 0, sizeof *box);
    for (unsigned i = 0; i < m->head_count; i++) {
        fk_head h;
        const int err = fk_head_parse(&h, m, arena, i);
        if (err != FK_OK) {
            return err;
        }
        const uint32_t cells = (uint32_t)h.grid_h * h.grid_w * h.anchors;
        for (uint32_t cell = 0; cell < cells; cell++) {
            const uint32_t s = cell_score(&h, h.values + (size_t)cell * h.depth, class_index);
            if (s > best || (i == 0 && cell == 0)) {
                best = s;
                cell_box(&h, cell, box);
            }
        }
    }
    *score = (uint8_t)best;
    return FK_OK;
}
