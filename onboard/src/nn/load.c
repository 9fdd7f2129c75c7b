#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/wire.h"
#include "nn/head.h"
#include "nn/step.h"
#include "nn/stream.h"

enum { SIDE_MAX = FK_FRAME_SIDE_MAX };

static int within(uint32_t offset, uint64_t bytes, uint32_t end)
{
    return offset >= FK_FKM_BYTES && offset <= end && bytes <= end - offset;
}

/* One CRC-32 per slice of all that lies before the table of CRCs. */
static int check_slices(const uint8_t *image, uint32_t size, uint32_t crcs)
{
    const uint32_t slices = (crcs + FK_SLICE_SIZE - 1) / FK_SLICE_SIZE;
    if (crcs < FK_FKM_BYTES || crcs % 4 || crcs > size || size - crcs != slices * 4) {
        return FK_ERR_CORRUPT;
    }
    for (uint32_t i = 0; i < slices; i++) {
        const uint32_t begin = i * FK_SLICE_SIZE;
        const uint32_t bytes = crcs - begin < FK_SLICE_SIZE ? crcs - begin : FK_SLICE_SIZE;
        if (fk_crc32(FK_CRC32_INIT, image + begin, bytes) != fk_get_u32le(image + crcs + 4 * i)) {
            return FK_ERR_CORRUPT;
        }
    }
    return FK_OK;
}

static void read_header(fk_model *m, const uint8_t *p)
{
    memcpy(m->id, p + FK_FKM_MODEL_ID, sizeof m->id);
    m->width = fk_get_u16le(p + FK_FKM_WIDTH);
    m->height = fk_get_u16le(p + FK_FKM_HEIGHT);
    m->channels = p[FK_FKM_CHANNELS];
    m->order = p[FK_FKM_ORDER];
    m->fit = p[FK_FKM_FIT];
    m->class_count = p[FK_FKM_CLASS_COUNT];
    m->input_count = p[FK_FKM_INPUT_COUNT];
    m->output_count = p[FK_FKM_OUTPUT_COUNT];
    m->head_count = p[FK_FKM_HEAD_COUNT];
    m->lut_count = p[FK_FKM_LUT_COUNT];
    m->operator_count = fk_get_u16le(p + FK_FKM_OPERATOR_COUNT);
    m->tensor_count = fk_get_u16le(p + FK_FKM_TENSOR_COUNT);
    m->stream_count = fk_get_u16le(p + FK_FKM_STREAM_COUNT);
    m->labels_size = fk_get_u16le(p + FK_FKM_LABELS_SIZE);
    m->tensors_end = fk_get_u32le(p + FK_FKM_ARENA_SIZE);
    m->tops = p + fk_get_u32le(p + FK_FKM_TOPS);
    m->tensors = p + fk_get_u32le(p + FK_FKM_TENSORS);
    m->operators = p + fk_get_u32le(p + FK_FKM_OPERATORS);
    m->io = p + fk_get_u32le(p + FK_FKM_IO);
    m->heads = p + fk_get_u32le(p + FK_FKM_HEADS);
    m->labels = p + fk_get_u32le(p + FK_FKM_LABELS);
    m->thresholds = p + fk_get_u32le(p + FK_FKM_THRESHOLDS);
    m->luts = p + fk_get_u32le(p + FK_FKM_LUTS);
}

/* Every section lies between the header and the CRCs. */
static int check_sections(const uint8_t *p, uint32_t crcs)
{
    const struct {
        uint32_t field;
        uint64_t bytes;
    } sections[] = {
        {FK_FKM_TENSORS, (uint64_t)fk_get_u16le(p + FK_FKM_TENSOR_COUNT) * FK_FKM_TENSOR_BYTES},
        {FK_FKM_OPERATORS, (uint64_t)fk_get_u16le(p + FK_FKM_OPERATOR_COUNT) * FK_FKM_RECORD},
        {FK_FKM_TOPS, fk_get_u16le(p + FK_FKM_OPERATOR_COUNT) * 4u},
        {FK_FKM_IO, ((uint32_t)p[FK_FKM_INPUT_COUNT] + p[FK_FKM_OUTPUT_COUNT]) * FK_FKM_IO_BYTES},
        {FK_FKM_HEADS, p[FK_FKM_HEAD_COUNT] * FK_FKM_HEAD_BYTES},
        {FK_FKM_LABELS, fk_get_u16le(p + FK_FKM_LABELS_SIZE)},
        {FK_FKM_THRESHOLDS, p[FK_FKM_CLASS_COUNT]},
        {FK_FKM_LUTS, p[FK_FKM_LUT_COUNT] * 256u},
        {FK_FKM_CONSTANTS, 0},
    };
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (!within(fk_get_u32le(p + sections[i].field), sections[i].bytes, crcs)) {
            return FK_ERR_CORRUPT;
        }
    }
    return FK_OK;
}

/* The tensor of an input or, after them, of an output. */
static int io_tensor(fk_tensor *t, const fk_model *m, unsigned index)
{
    return fk_model_tensor(t, m, fk_get_u16le(m->io + index * FK_FKM_IO_BYTES + FK_FKM_IO_TENSOR));
}

static int check_input(const fk_model *m)
{
    fk_tensor input;
    if (m->input_count == 0 || io_tensor(&input, m, 0) != FK_OK || input.band != (m->stream_count > 0)) {
        return FK_ERR_CORRUPT;
    }
    if (m->order == FK_ORDER_NONE) {
        return FK_OK;
    }
    const unsigned channels = m->order == FK_ORDER_GREY ? 1 : 3;
    if (m->order > FK_ORDER_BGR || m->fit > FK_FIT_CROP || m->channels != channels || !m->width ||
        !m->height || m->width > SIDE_MAX || m->height > SIDE_MAX ||
        (!input.band && (uint32_t)m->width * m->height * m->channels != input.size)) {
        return FK_ERR_CORRUPT;
    }
    return m->lut_count == 1 || m->lut_count == channels ? FK_OK : FK_ERR_CORRUPT;
}

/* Labels are class_count texts, each ended by a zero. */
static int check_labels(const fk_model *m)
{
    unsigned texts = 0;
    for (unsigned i = 0; i < m->labels_size; i++) {
        texts += m->labels[i] == 0;
    }
    const int ended = m->labels_size == 0 || m->labels[m->labels_size - 1] == 0;
    return ended && (m->labels_size == 0 || texts == m->class_count) ? FK_OK : FK_ERR_CORRUPT;
}

static uint32_t align16(uint32_t n)
{
    return (n + 15u) & ~15u;
}

static int check_tensors(const fk_model *m)
{
    fk_tensor tensor;
    for (unsigned i = 0; i < m->tensor_count; i++) {
        if (fk_model_tensor(&tensor, m, i) != FK_OK) {
            return FK_ERR_CORRUPT;
        }
    }
    for (unsigned i = 0; i < (unsigned)m->input_count + m->output_count; i++) {
        if (io_tensor(&tensor, m, i) != FK_OK || (i >= m->input_count && tensor.band)) {
            return FK_ERR_CORRUPT;
        }
    }
    return FK_OK;
}

/* Do the operator's own tensors end below its scratch? */
static int below(const fk_step *step, uint32_t top)
{
    return step->input.offset + step->input.size <= top &&
           step->input2.offset + step->input2.size <= top &&
           step->output.offset + step->output.size <= top;
}

/* Every operator, and how far up the scratch that the kernels of this build
 * want reaches. That of streamed ones lies above the bands of all, and their
 * state above everything that they write. */
static int check_operators(fk_model *m)
{
    m->arena_size = m->stages = m->tensors_end;
    for (unsigned i = 0; i < m->operator_count; i++) {
        fk_step step;
        const fk_operator *op;
        const int err = fk_step_parse(&step, m, i, &op);
        if (err != FK_OK) {
            return err;
        }
        const uint32_t top = fk_model_top(m, i < m->stream_count ? 0 : i);
        if (step.scratch_size > FK_ARENA_MAX || top > m->tensors_end || top % FK_ARENA_ALIGN ||
            !below(&step, top)) {
            return FK_ERR_CORRUPT;
        }
        const uint32_t end = top + align16((uint32_t)step.scratch_size);
        m->arena_size = end > m->arena_size ? end : m->arena_size;
        if (i < m->stream_count) {
            m->stages = end > m->stages ? end : m->stages;
        }
    }
    const uint32_t state_end = m->stages + m->stream_count * (uint32_t)sizeof(fk_stage);
    m->arena_size = state_end > m->arena_size ? state_end : m->arena_size;
    return FK_OK;
}

/* What fk_model_run needs: all rows of an input that is otherwise streamed. */
static void size_whole_run(fk_model *m)
{
    m->whole_input = align16(m->arena_size);
    m->run_size = m->arena_size;
    if (m->stream_count > 0) {
        const uint8_t *record = m->operators;
        m->run_size = m->whole_input + (uint32_t)fk_get_u16le(record + FK_FKM_WINDOW_IN_H) *
                                           fk_get_u16le(record + FK_FKM_WINDOW_IN_W) *
                                           fk_get_u16le(record + FK_FKM_WINDOW_IN_C);
    }
}

static int load(fk_model *m, const uint8_t *image, size_t size)
{
    if ((uintptr_t)image % FK_IMAGE_ALIGN) {
        return FK_ERR_INVAL;
    }
    if (size < FK_FKM_BYTES || fk_get_u32le(image + FK_FKM_MAGIC) != FK_FKM_MAGIC_VALUE) {
        return FK_ERR_CORRUPT;
    }
    if (fk_get_u16le(image + FK_FKM_VERSION) != FK_FKM_VERSION_VALUE) {
        return FK_ERR_VERSION;
    }
    m->size = fk_get_u32le(image + FK_FKM_IMAGE_SIZE);
    if (m->size > size || fk_get_u16le(image + FK_FKM_HEADER_SIZE) != FK_FKM_BYTES) {
        return FK_ERR_CORRUPT;
    }
    m->image = image;
    const uint32_t crcs = fk_get_u32le(image + FK_FKM_CRCS);
    int err = check_slices(image, m->size, crcs);
    if (err == FK_OK) {
        err = check_sections(image, crcs);
    }
    if (err != FK_OK) {
        return err;
    }
    read_header(m, image);
    if (m->tensors_end > FK_ARENA_MAX || m->tensors_end % FK_ARENA_ALIGN) {
        return FK_ERR_CORRUPT;
    }
    err = check_tensors(m);
    if (err == FK_OK) {
        err = check_operators(m);
    }
    if (err == FK_OK) {
        err = fk_stream_check(m);
    }
    if (err == FK_OK) {
        err = check_input(m);
    }
    if (err == FK_OK) {
        err = check_labels(m);
    }
    size_whole_run(m);
    return err == FK_OK ? fk_heads_check(m) : err;
}

int fk_model_load(fk_model *m, const uint8_t *image, size_t size)
{
    memset(m, 0, sizeof *m);
    const int err = load(m, image, size);
    if (err != FK_OK) {
        memset(m, 0, sizeof *m); /* what was read of it is not to be believed */
    }
    return err;
}

const char *fk_model_label(const fk_model *m, unsigned class_index)
{
    if (class_index >= m->class_count || m->labels_size == 0) {
        return "";
    }
    const uint8_t *text = m->labels;
    for (; class_index > 0; class_index--) {
        text += strlen((const char *)text) + 1;
    }
    return (const char *)text;
}

uint8_t fk_model_threshold(const fk_model *m, unsigned class_index)
{
    return class_index < m->class_count ? m->thresholds[class_index] : 128;
}
