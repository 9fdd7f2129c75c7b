#include "step.h"

#include <string.h>

#include "fk/bytes.h"
#include "fk/wire.h"

static const fk_operator *const operators[FK_OP_COUNT] = {
    [FK_OP_CONV] = &fk_op_conv,         [FK_OP_DEPTHWISE] = &fk_op_depthwise,
    [FK_OP_AVG_POOL] = &fk_op_avg_pool, [FK_OP_MAX_POOL] = &fk_op_max_pool,
    [FK_OP_SOFTMAX] = &fk_op_softmax,   [FK_OP_ADD] = &fk_op_add,
    [FK_OP_MUL] = &fk_op_mul,           [FK_OP_PRELU] = &fk_op_prelu,
    [FK_OP_LUT] = &fk_op_lut,           [FK_OP_FILL] = &fk_op_fill,
    [FK_OP_COPY] = &fk_op_copy,         [FK_OP_MEAN] = &fk_op_mean,
    [FK_OP_RESIZE_NEAREST] = &fk_op_resize_nearest,
    [FK_OP_RESIZE_BILINEAR] = &fk_op_resize_bilinear,
    [FK_OP_TRANSPOSE_CONV] = &fk_op_transpose_conv,
};

/* The same, where the layout of the weights is not that of the .tflite. */
static const fk_operator *const packed[FK_OP_COUNT] = {
    [FK_OP_CONV] = &fk_op_conv_packed,
    [FK_OP_DEPTHWISE] = &fk_op_depthwise_packed,
};

int fk_model_tensor(fk_tensor *tensor, const fk_model *m, unsigned index)
{
    if (index >= m->tensor_count) {
        return FK_ERR_CORRUPT;
    }
    const uint8_t *p = m->tensors + index * FK_FKM_TENSOR_BYTES;
    tensor->offset = fk_get_u32le(p + FK_FKM_TENSOR_OFFSET);
    tensor->size = fk_get_u32le(p + FK_FKM_TENSOR_SIZE);
    tensor->band = p[FK_FKM_TENSOR_BAND];
    return (uint64_t)tensor->offset + tensor->size <= m->tensors_end ? FK_OK : FK_ERR_CORRUPT;
}

uint32_t fk_model_top(const fk_model *m, unsigned index)
{
    return fk_get_u32le(m->tops + 4 * index);
}

const uint8_t *fk_model_constant(const fk_model *m, uint32_t offset, uint64_t count, uint32_t size)
{
    const uint32_t begin = fk_get_u32le(m->image + FK_FKM_CONSTANTS);
    const uint32_t end = fk_get_u32le(m->image + FK_FKM_CRCS);
    const uint32_t align = size < FK_IMAGE_ALIGN ? size : FK_IMAGE_ALIGN;
    if (offset < begin || offset > end || offset % align || count > (end - offset) / size) {
        return NULL;
    }
    return m->image + offset;
}

/* Inputs that an operator does not have are NONE and get no memory. */
static int optional_tensor(fk_tensor *tensor, const fk_model *m, unsigned index)
{
    return index == FK_FKM_NONE ? FK_OK : fk_model_tensor(tensor, m, index);
}

int fk_step_parse(fk_step *step, const fk_model *m, unsigned index, const fk_operator **op)
{
    const uint8_t *record = m->operators + index * FK_FKM_RECORD;
    const unsigned kind = record[FK_FKM_OP_KIND];
    const fk_operator *const *table = record[FK_FKM_OP_LAYOUT] ? packed : operators;
    if (kind >= FK_OP_COUNT || table[kind] == NULL) {
        return FK_ERR_UNSUPPORTED;
    }
    memset(step, 0, sizeof *step);
    int err = fk_model_tensor(&step->input, m, fk_get_u16le(record + FK_FKM_OP_INPUT));
    if (err == FK_OK) {
        err = optional_tensor(&step->input2, m, fk_get_u16le(record + FK_FKM_OP_INPUT2));
    }
    if (err == FK_OK) {
        err = fk_model_tensor(&step->output, m, fk_get_u16le(record + FK_FKM_OP_OUTPUT));
    }
    if (index >= m->stream_count && (step->input.band || step->input2.band || step->output.band)) {
        return FK_ERR_CORRUPT; /* a kernel would take a band for the whole */
    }
    *op = table[kind];
    return err == FK_OK ? (*op)->parse(step, m, record) : err;
}
