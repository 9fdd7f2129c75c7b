#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/step.h"

static int parse(fk_step *step, const fk_model *m, const uint8_t *record)
{
    fk_softmax *s = &step->as.softmax;
    s->rows = fk_get_u32le(record + FK_FKM_SOFTMAX_ROWS);
    s->depth = fk_get_u32le(record + FK_FKM_SOFTMAX_DEPTH);
    s->exp_count = fk_get_u32le(record + FK_FKM_SOFTMAX_EXP_COUNT);
    const uint64_t size = (uint64_t)s->rows * s->depth;
    if (!size || size != step->input.size || size != step->output.size || s->exp_count > 256) {
        return FK_ERR_CORRUPT;
    }
    s->exps = fk_model_constant(m, fk_get_u32le(record + FK_FKM_SOFTMAX_EXPS), s->exp_count, 4);
    return s->exps ? FK_OK : FK_ERR_CORRUPT;
}

static void run(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_softmax_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                  &s->as.softmax);
}

const fk_operator fk_op_softmax = {parse, run};
