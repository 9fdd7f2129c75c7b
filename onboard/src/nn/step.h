/* From the bytes of an operator record to a kernel's call, checked.
 *
 * A record is parsed when the image is loaded, to be refused or measured, and
 * again whenever it runs: the same function, so what runs was checked. */
#ifndef FK_NN_STEP_H
#define FK_NN_STEP_H

#include <stddef.h>
#include <stdint.h>

#include "fk/nn.h"
#include "nn/kernels.h"

typedef enum {
    FK_OP_CONV = 1,
    FK_OP_DEPTHWISE = 2,
    FK_OP_AVG_POOL = 3,
    FK_OP_MAX_POOL = 4,
    FK_OP_SOFTMAX = 5,
    FK_OP_ADD = 6,
    FK_OP_MUL = 7,
    FK_OP_PRELU = 8,
    FK_OP_LUT = 9,
    FK_OP_FILL = 10,
    FK_OP_COPY = 11,
    FK_OP_MEAN = 12,
    FK_OP_RESIZE_NEAREST = 13,
    FK_OP_RESIZE_BILINEAR = 14,
    FK_OP_TRANSPOSE_CONV = 15,
    FK_OP_COUNT
} fk_op_kind;

enum { FK_ARENA_MAX = 1 << 30 }; /* bytes; sums of a few such fit 32 bits             */

/* Where a tensor lies in the arena. */
typedef struct {
    uint32_t offset, size;
    uint8_t band; /* 1: only some rows of it at a time, see stream.h                   */
} fk_tensor;

/* An operator, ready to run. */
typedef struct {
    fk_tensor input, input2, output;
    size_t scratch_size;
    const uint8_t *constant; /* an operand or table in the image, or NULL              */
    union {
        fk_window window;
        fk_softmax softmax;
        fk_binary binary;
        fk_copy copy;
        fk_mean mean;
        fk_resize resize;
        int8_t fill;
    } as;
} fk_step;

/* What the engine knows of a kind of operator. */
typedef struct {
    /* Fills in step->as and step->scratch_size; the tensors are there already. */
    int (*parse)(fk_step *step, const fk_model *m, const uint8_t *record);
    void (*run)(const fk_step *step, uint8_t *arena, uint8_t *scratch);
} fk_operator;

extern const fk_operator fk_op_conv, fk_op_depthwise, fk_op_avg_pool, fk_op_max_pool, fk_op_softmax,
    fk_op_add, fk_op_mul, fk_op_prelu, fk_op_lut, fk_op_fill, fk_op_copy, fk_op_mean,
    fk_op_resize_nearest, fk_op_resize_bilinear, fk_op_transpose_conv, fk_op_conv_packed,
    fk_op_depthwise_packed;

/* Parses the record completely. FK_ERR_UNSUPPORTED for a kind that this build
 * does not have, FK_ERR_CORRUPT for anything that does not add up. */
int fk_step_parse(fk_step *step, const fk_model *m, unsigned index, const fk_operator **op);

/* The geometry of a window, into step->as.window; all but its weights. */
int fk_window_parse(fk_step *step, const uint8_t *record);

/* A tensor by its number; FK_ERR_CORRUPT if there is none or it leaves the arena. */
int fk_model_tensor(fk_tensor *tensor, const fk_model *m, unsigned index);

/* Where operator `index` may have its scratch: a multiple of 16, above every
 * tensor that holds a value while it runs. */
uint32_t fk_model_top(const fk_model *m, unsigned index);

/* `count` constants of `size` bytes each at `offset` of the image, aligned to
 * min(size, 4); NULL unless they lie wholly within the section of constants. */
const uint8_t *fk_model_constant(const fk_model *m, uint32_t offset, uint64_t count, uint32_t size);

#endif
