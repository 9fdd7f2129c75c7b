/* Convolutions whose weights the compiler packed for cores that multiply pairs. */
#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/pairs.h"
#include "nn/planes.h"
#include "nn/step.h"

enum { TAPS_MAX = 65536 };

/* Shifts that are defined; whatever else is in a row only makes other numbers. */
static int check_rows(const uint8_t *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const uint32_t shift = fk_get_u32le(rows + i * FK_PAIRS_ROW_BYTES + FK_PAIRS_ROW_SHIFT);
        if (shift < 1 || shift > FK_PAIRS_SHIFT_MAX) {
            return FK_ERR_CORRUPT;
        }
    }
    return FK_OK;
}

static int parse_conv(fk_step *step, const fk_model *m, const uint8_t *record)
{
    fk_window *w = &step->as.window;
    const int err = fk_window_parse(step, record);
    if (err != FK_OK) {
        return err;
    }
    const uint64_t taps = (uint64_t)w->kernel_h * w->kernel_w * w->in_c;
    if (taps > TAPS_MAX) {
        return FK_ERR_CORRUPT;
    }
    const unsigned pairs = (w->out_c + 1u) / 2u;
    const size_t weights = (size_t)(taps + 3) / 4 * FK_PAIRS_STEP_BYTES;
    const size_t pair = weights + 2 * FK_PAIRS_ROW_BYTES;
    const uint8_t *stream = fk_model_constant(m, fk_get_u32le(record + FK_FKM_WINDOW_WEIGHTS),
                                              (uint64_t)pair / 4 * pairs, 4);
    if (stream == NULL) {
        return FK_ERR_CORRUPT;
    }
    for (unsigned i = 0; i < pairs; i++) {
        if (check_rows(stream + i * pair + weights, 2) != FK_OK) {
            return FK_ERR_CORRUPT;
        }
    }
    w->weights = (const int8_t *)stream;
    step->scratch_size = fk_conv_pairs_s8_scratch_size(w);
    return FK_OK;
}

static void run_conv(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    fk_conv_pairs_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                     &s->as.window, scratch);
}

const fk_operator fk_op_conv_packed = {parse_conv, run_conv};

static int parse_depthwise(fk_step *step, const fk_model *m, const uint8_t *record)
{
    fk_window *w = &step->as.window;
    const int err = fk_window_parse(step, record);
    if (err != FK_OK) {
        return err;
    }
    if (!fk_depthwise_planes_s8_supports(w)) {
        return FK_ERR_UNSUPPORTED;
    }
    const uint8_t *stream = fk_model_constant(m, fk_get_u32le(record + FK_FKM_WINDOW_WEIGHTS),
                                              w->out_c * (FK_PLANES_CHANNEL_BYTES / 4u), 4);
    if (stream == NULL) {
        return FK_ERR_CORRUPT;
    }
    for (unsigned c = 0; c < w->out_c; c++) {
        if (check_rows(stream + c * FK_PLANES_CHANNEL_BYTES + FK_PLANES_ROW, 1) != FK_OK) {
            return FK_ERR_CORRUPT;
        }
    }
    w->weights = (const int8_t *)stream;
    step->scratch_size = fk_depthwise_planes_s8_scratch_size(w);
    return FK_OK;
}

static void run_depthwise(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    fk_depthwise_planes_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                           &s->as.window, scratch);
}

const fk_operator fk_op_depthwise_packed = {parse_depthwise, run_depthwise};
