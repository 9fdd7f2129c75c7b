#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/step.h"

size_t fk_model_arena_size(const fk_model *m)
{
    return m->arena_size;
}

static int check_arena(const fk_model *m, const uint8_t *arena, size_t arena_size)
{
    if (m->image == NULL || arena == NULL || (uintptr_t)arena % FK_ARENA_ALIGN) {
        return FK_ERR_INVAL;
    }
    return arena_size < m->arena_size ? FK_ERR_TOOSMALL : FK_OK;
}

static int run_step(const fk_model *m, uint8_t *arena, unsigned index)
{
    fk_step step;
    const fk_operator *op;
    const int err = fk_step_parse(&step, m, index, &op);
    if (err == FK_OK) {
        op->run(&step, arena, arena + m->scratch);
    }
    return err;
}

int fk_model_step(const fk_model *m, uint8_t *arena, size_t arena_size, unsigned index)
{
    const int err = check_arena(m, arena, arena_size);
    if (err != FK_OK) {
        return err;
    }
    return index < m->operator_count ? run_step(m, arena, index) : FK_ERR_INVAL;
}

int fk_model_run(const fk_model *m, uint8_t *arena, size_t arena_size)
{
    int err = check_arena(m, arena, arena_size);
    for (unsigned i = 0; err == FK_OK && i < m->operator_count; i++) {
        err = run_step(m, arena, i);
    }
    return err;
}

static uint32_t io_offset(const fk_model *m, unsigned index)
{
    fk_tensor t = {0, 0};
    (void)fk_model_tensor(&t, m, fk_get_u16le(m->io + index * FK_FKM_IO_BYTES)); /* loaded: is there */
    return t.offset;
}

int8_t *fk_model_input(const fk_model *m, uint8_t *arena)
{
    return (int8_t *)arena + io_offset(m, 0);
}

const int8_t *fk_model_output(const fk_model *m, const uint8_t *arena, unsigned index)
{
    return index < m->output_count ? (const int8_t *)arena + io_offset(m, (unsigned)m->input_count + index) : NULL;
}

/* Pixels 0..255 to the input's int8, in place, R and B swapped where the model
 * wants blue first. */
static void quantise_row(const fk_model *m, uint8_t *row)
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
    int err = check_arena(m, arena, arena_size);
    if (err != FK_OK || m->order == FK_ORDER_NONE) {
        return err != FK_OK ? err : FK_ERR_UNSUPPORTED;
    }
    uint8_t *row = (uint8_t *)fk_model_input(m, arena);
    for (unsigned y = 0; y < m->height; y++, row += (size_t)m->width * m->channels) {
        err = rows->row(rows->ctx, y, row);
        if (err < 0) {
            return err;
        }
        quantise_row(m, row);
    }
    return fk_model_run(m, arena, arena_size);
}
