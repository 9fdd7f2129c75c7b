#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/step.h"
#include "nn/stream.h"

size_t fk_model_arena_size(const fk_model *m)
{
    return m->arena_size;
}

size_t fk_model_run_size(const fk_model *m)
{
    return m->run_size;
}

static int check_arena(const fk_model *m, const uint8_t *arena, size_t arena_size, size_t needed)
{
    if (m->image == NULL || arena == NULL || (uintptr_t)arena % FK_ARENA_ALIGN) {
        return FK_ERR_INVAL;
    }
    return arena_size < needed ? FK_ERR_TOOSMALL : FK_OK;
}

static int run_step(const fk_model *m, uint8_t *arena, unsigned index)
{
    fk_step step;
    const fk_operator *op;
    const int err = fk_step_parse(&step, m, index, &op);
    if (err == FK_OK) {
        op->run(&step, arena, arena + fk_model_top(m, index));
    }
    return err;
}

static int run_from(const fk_model *m, uint8_t *arena, unsigned index)
{
    int err = FK_OK;
    for (; err == FK_OK && index < m->operator_count; index++) {
        err = run_step(m, arena, index);
    }
    return err;
}

int fk_model_step(const fk_model *m, uint8_t *arena, size_t arena_size, unsigned index)
{
    const int err = check_arena(m, arena, arena_size, m->run_size);
    if (err != FK_OK) {
        return err;
    }
    if (index < m->stream_count) { /* together, when the last one's turn comes */
        const int8_t *input = fk_model_input(m, arena);
        return index + 1u == m->stream_count ? fk_stream_run(m, NULL, input, arena) : FK_OK;
    }
    return index < m->operator_count ? run_step(m, arena, index) : FK_ERR_INVAL;
}

int fk_model_run(const fk_model *m, uint8_t *arena, size_t arena_size)
{
    int err = check_arena(m, arena, arena_size, m->run_size);
    if (err == FK_OK && m->stream_count > 0) {
        err = fk_stream_run(m, NULL, fk_model_input(m, arena), arena);
    }
    return err == FK_OK ? run_from(m, arena, m->stream_count) : err;
}

static uint32_t io_offset(const fk_model *m, unsigned index)
{
    fk_tensor t = {0, 0, 0};
    (void)fk_model_tensor(&t, m, fk_get_u16le(m->io + index * FK_FKM_IO_BYTES)); /* loaded: is there */
    return t.offset;
}

int8_t *fk_model_input(const fk_model *m, uint8_t *arena)
{
    return (int8_t *)arena + (m->stream_count > 0 ? m->whole_input : io_offset(m, 0));
}

const int8_t *fk_model_output(const fk_model *m, const uint8_t *arena, unsigned index)
{
    if (index >= m->output_count) {
        return NULL;
    }
    return (const int8_t *)arena + io_offset(m, (unsigned)m->input_count + index);
}

const int8_t *fk_model_written(const fk_model *m, const uint8_t *arena, unsigned index, size_t *size)
{
    fk_tensor t = {0, 0, 1};
    if (index < m->operator_count) {
        const uint8_t *record = m->operators + index * FK_FKM_RECORD;
        (void)fk_model_tensor(&t, m, fk_get_u16le(record + FK_FKM_OP_OUTPUT)); /* loaded */
    }
    *size = t.band ? 0 : t.size;
    return (const int8_t *)arena + t.offset;
}

void fk_quantise_row(const fk_model *m, uint8_t *row)
{
    const unsigned swap = m->order == FK_ORDER_BGR ? 2 : 0;
    const uint8_t *luts[3];
    for (unsigned c = 0; c < 3; c++) {
        luts[c] = m->luts + (m->lut_count == 1 ? 0 : c * 256u);
    }
    for (unsigned x = 0; x < m->width; x++, row += m->channels) {
        if (m->channels == 1) {
            row[0] = luts[0][row[0]];
            continue;
        }
        const uint8_t first = row[swap], last = row[2 - swap];
        row[0] = luts[0][first];
        row[1] = luts[1][row[1]];
        row[2] = luts[2][last];
    }
}

int fk_model_infer(const fk_model *m, const fk_row_source *rows, uint8_t *arena, size_t arena_size)
{
    int err = check_arena(m, arena, arena_size, m->arena_size);
    if (err != FK_OK || m->order == FK_ORDER_NONE) {
        return err != FK_OK ? err : FK_ERR_UNSUPPORTED;
    }
    if (m->stream_count > 0) {
        err = fk_stream_run(m, rows, NULL, arena);
        return err < 0 ? err : run_from(m, arena, m->stream_count);
    }
    uint8_t *row = (uint8_t *)fk_model_input(m, arena);
    for (unsigned y = 0; y < m->height; y++, row += (size_t)m->width * m->channels) {
        err = rows->row(rows->ctx, y, row);
        if (err < 0) {
            return err;
        }
        fk_quantise_row(m, row);
    }
    return run_from(m, arena, 0);
}
