/* How outputs become scores: one head per output that carries classes. */
#ifndef FK_NN_HEAD_H
#define FK_NN_HEAD_H

#include "fk/nn.h"

typedef enum {
    FK_HEAD_TABLE = 1,  /* score = table[value + 128]: probabilities, lone logits      */
    FK_HEAD_SOFTMAX = 2 /* logits: softmax over the channels of a cell                 */
} fk_head_kind;

enum { FK_HEAD_NONE = 0xFF }; /* no such channel                                       */

/* A grid of cells, each with `anchors` times `depth` channels; a classifier is
 * a grid of one cell. */
typedef struct {
    uint8_t  kind;            /* fk_head_kind                                          */
    uint8_t  first;           /* channel of class 0; those before it are background    */
    uint8_t  anchors;         /* >= 1                                                  */
    uint8_t  object;          /* channel that scales all classes, or FK_HEAD_NONE      */
    uint8_t  box;             /* first of the channels x y w h, or FK_HEAD_NONE        */
    uint16_t grid_h, grid_w, depth;
    const int8_t  *values;    /* the output tensor                                     */
    const uint8_t *table;     /* kind TABLE: 256 scores. SOFTMAX: 256 uint32, e^-d     */
    const uint8_t *box_table; /* int32 in 1/65536 of a cell: 256 for x and y, 256
                                 factors for w and h, then w and h of each anchor      */
} fk_head;

/* Head `index`, its values in `arena`; FK_ERR_CORRUPT if it does not add up. */
int fk_head_parse(fk_head *head, const fk_model *m, const uint8_t *arena, unsigned index);

/* Parses all heads. */
int fk_heads_check(const fk_model *m);

#endif
