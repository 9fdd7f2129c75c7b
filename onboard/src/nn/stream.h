/* The first operators of a network, row by row.
 *
 * A camera's picture and the first feature maps are the largest tensors of a
 * network. An image may say that its first operators run together: each keeps
 * only the few rows of its input that its window spans (a band of the arena),
 * and the picture's rows are drawn one at a time as they are wanted. A band of
 * a layer is a layer, so every kernel serves: it is called once per row. */
#ifndef FK_NN_STREAM_H
#define FK_NN_STREAM_H

#include "nn/step.h"

/* One streamed operator while it runs; these lie in the arena. */
typedef struct {
    fk_step step;           /* its window is moved from row to row                     */
    const fk_operator *op;
    uint32_t band;          /* where its input rows are                                */
    uint32_t row_bytes;     /* of an input row                                         */
    uint16_t capacity;      /* rows the band has room for                              */
    uint16_t first, count;  /* the input rows it holds                                 */
    uint16_t next;          /* the output row to be made                               */
    uint16_t in_h, out_h;   /* of the whole layer                                      */
    uint16_t pad_top;
} fk_stage;

/* Checks that the streamed operators form a chain whose bands suffice. */
int fk_stream_check(const fk_model *m);

/* Runs them. Input rows come from `rows`, through the picture's tables, or if
 * that is NULL from `input` as they are. < 0 is what `rows` returned. */
int fk_stream_run(const fk_model *m, const fk_row_source *rows, const int8_t *input,
                  uint8_t *arena);

/* Pixels 0..255 of a row to the input's int8, in place, blue first where the
 * model wants it. */
void fk_quantise_row(const fk_model *m, uint8_t *row);

#endif
