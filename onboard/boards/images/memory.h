/* What a board lends to an image: where the model lies, and memory to work in. */
#ifndef FK_MEMORY_H
#define FK_MEMORY_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *model; /* the image, aligned to FK_IMAGE_ALIGN                     */
    size_t model_room;    /* bytes readable there                                    */
    uint8_t *work;        /* aligned to FK_PIPELINE_ALIGN                            */
    size_t work_size;
    uint8_t *index;       /* aligned to 4: for the store's tables, which want speed  */
    size_t index_size;
} fk_board_memory;

fk_board_memory fk_board_lends(void);

#endif
