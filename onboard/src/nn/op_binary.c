/* ADD, SUB, MUL and PRELU: one record layout, three kernels. */
#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/fast.h"
#include "nn/step.h"

static int8_t signed_byte(const uint8_t *record, unsigned offset)
{
    return (int8_t)record[offset];
}

static int shift_ok(int shift, int max)
{
    return shift >= -31 && shift <= max;
}

/* Elements of an operand; 0 when the product is too large to be a tensor's. */
static uint64_t elements(const fk_binary *p, unsigned mask)
{
    uint64_t n = 1;
    for (unsigned d = 0; d < 4; d++) {
        n *= mask >> d & 1u ? 1 : p->dims[d];
        if (n > UINT32_MAX) {
            return 0;
        }
    }
    return n;
}

static void read_binary(fk_binary *p, const uint8_t *r)
{
    for (unsigned d = 0; d < 4; d++) {
        p->dims[d] = fk_get_u32le(r + FK_FKM_BINARY_DIMS + 4 * d);
    }
    p->broadcast_a = r[FK_FKM_BINARY_BROADCAST_A];
    p->broadcast_b = r[FK_FKM_BINARY_BROADCAST_B];
    p->negate = r[FK_FKM_BINARY_NEGATE];
    p->a_zero = signed_byte(r, FK_FKM_BINARY_A_ZERO);
    p->b_zero = signed_byte(r, FK_FKM_BINARY_B_ZERO);
    p->out_zero = signed_byte(r, FK_FKM_BINARY_OUT_ZERO);
    p->act_min = signed_byte(r, FK_FKM_BINARY_ACT_MIN);
    p->act_max = signed_byte(r, FK_FKM_BINARY_ACT_MAX);
    p->a_multiplier = fk_get_i32le(r + FK_FKM_BINARY_A_MULTIPLIER);
    p->b_multiplier = fk_get_i32le(r + FK_FKM_BINARY_B_MULTIPLIER);
    p->out_multiplier = fk_get_i32le(r + FK_FKM_BINARY_OUT_MULTIPLIER);
    p->a_shift = signed_byte(r, FK_FKM_BINARY_A_SHIFT);
    p->b_shift = signed_byte(r, FK_FKM_BINARY_B_SHIFT);
    p->out_shift = signed_byte(r, FK_FKM_BINARY_OUT_SHIFT);
}

static int parse_operands(fk_step *step, const fk_model *m, const uint8_t *record)
{
    fk_binary *p = &step->as.binary;
    read_binary(p, record);
    const uint64_t a = elements(p, p->broadcast_a), b = elements(p, p->broadcast_b);
    const uint64_t out = elements(p, 0);
    if (!out || !a || !b || out != step->output.size || a != step->input.size ||
        p->act_min > p->act_max) {
        return FK_ERR_CORRUPT;
    }
    if (fk_get_u16le(record + FK_FKM_OP_INPUT2) != FK_FKM_NONE) {
        return b == step->input2.size ? FK_OK : FK_ERR_CORRUPT;
    }
    step->constant = fk_model_constant(m, fk_get_u32le(record + FK_FKM_BINARY_CONSTANT), b, 1);
    return step->constant ? FK_OK : FK_ERR_CORRUPT;
}

/* Shifts that keep a sum of two scaled operands within 32 bits. */
static int parse_add(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_binary *p = &step->as.binary;
    const int err = parse_operands(step, m, record);
    if (err != FK_OK) {
        return err;
    }
    return shift_ok(p->a_shift, 0) && shift_ok(p->b_shift, 0) && shift_ok(p->out_shift, 30)
               ? FK_OK
               : FK_ERR_CORRUPT;
}

static int parse_product(fk_step *step, const fk_model *m, const uint8_t *record)
{
    const fk_binary *p = &step->as.binary;
    const int err = parse_operands(step, m, record);
    if (err != FK_OK) {
        return err;
    }
    return shift_ok(p->a_shift, 30) && shift_ok(p->b_shift, 30) && shift_ok(p->out_shift, 30)
               ? FK_OK
               : FK_ERR_CORRUPT;
}

static const int8_t *second(const fk_step *s, const uint8_t *arena)
{
    return (const int8_t *)(s->constant ? s->constant : arena + s->input2.offset);
}

static void run_add(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_fast_add_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                   second(s, arena), &s->as.binary);
}

static void run_mul(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_mul_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
              second(s, arena), &s->as.binary);
}

static void run_prelu(const fk_step *s, uint8_t *arena, uint8_t *scratch)
{
    (void)scratch;
    fk_prelu_s8((int8_t *)arena + s->output.offset, (int8_t *)arena + s->input.offset,
                second(s, arena), &s->as.binary);
}

const fk_operator fk_op_add = {parse_add, run_add};
const fk_operator fk_op_mul = {parse_product, run_mul};
const fk_operator fk_op_prelu = {parse_product, run_prelu};
