/* Runs a model image (.fkm) where it lies, in memory that the caller lends.
 *
 * An image is made by `fk-models compile` from an int8 .tflite. It carries all
 * that a run needs: weights, the plan of the arena, which pixels the model
 * wants, and how its outputs become scores. Nothing is copied out of it, so it
 * can stay in flash. Results equal TensorFlow Lite Micro's bit for bit.
 *
 *     fk_model model;
 *     fk_model_load(&model, image, image_size);           once
 *     fk_model_infer(&model, &rows, arena, arena_size);   per frame
 *     fk_model_score(&model, arena, class_index, &score, &box);
 *
 * The bytes of an image are described in docs/SPEC.md. */
#ifndef FK_NN_H
#define FK_NN_H

#include <stddef.h>
#include <stdint.h>

#include "fk/err.h"
#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FK_ARENA_ALIGN = 16,  /* the arena starts at a multiple of this                    */
    FK_IMAGE_ALIGN = 4,   /* so does the image                                         */
    FK_SLICE_SIZE = 4096  /* bytes of an image that one CRC-32 covers                  */
};

typedef enum {
    FK_ORDER_NONE = 0, /* the input is no picture                                      */
    FK_ORDER_GREY = 1, /* 1 channel                                                    */
    FK_ORDER_RGB  = 2, /* 3 channels                                                   */
    FK_ORDER_BGR  = 3  /* 3 channels, blue first                                       */
} fk_channel_order;

typedef enum {
    FK_FIT_STRETCH = 0, /* the whole frame, aspect not kept                            */
    FK_FIT_CROP    = 1  /* the largest centred part that has the input's aspect        */
} fk_fit;

/* A loaded image. The first group is for callers, the second for the engine. */
typedef struct {
    uint8_t  id[8];       /* first 8 bytes of the SHA-256 of the source .tflite        */
    uint16_t width;       /* of the input picture, pixels; 0 if it is no picture       */
    uint16_t height;
    uint8_t  channels;    /* 1 or 3; 0 if the input is no picture                      */
    uint8_t  order;       /* fk_channel_order                                          */
    uint8_t  fit;         /* fk_fit                                                    */
    uint8_t  class_count; /* classes that can be asked for with fk_model_score         */
    uint8_t  input_count; /* at least 1; a picture is the first                        */
    uint8_t  output_count;
    uint16_t operator_count;
    uint16_t tensor_count;
    uint16_t stream_count; /* how many of the first operators run row by row           */

    uint32_t arena_size;  /* tensors, then scratch, then the streamed operators' state */
    uint32_t run_size;    /* the same and the whole input                              */
    uint32_t tensors_end; /* no tensor of the arena reaches beyond                      */
    uint32_t stages;      /* where the streamed operators' state begins                */
    uint32_t whole_input; /* where fk_model_run finds an input that is streamed        */
    uint32_t size;        /* of the image                                              */
    const uint8_t *image;
    const uint8_t *tensors, *operators, *tops, *io, *heads, *labels, *thresholds, *luts;
    uint16_t labels_size;
    uint8_t  head_count;
    uint8_t  lut_count;   /* 0, 1 or one per channel                                   */
} fk_model;

/* Where an input picture comes from: rows from top to bottom, each `width *
 * channels` bytes 0..255, grey or R G B whatever the model's own order. */
typedef struct {
    void *ctx;
    int (*row)(void *ctx, unsigned y, uint8_t *out); /* < 0 stops the inference        */
} fk_row_source;

/* Checks the whole image, CRCs, every offset and every size, so that nothing
 * afterwards can read or write out of bounds, whatever the bytes. The image
 * must outlive the model and start at a multiple of FK_IMAGE_ALIGN. On an error
 * the model is empty, and to run it FK_ERR_INVAL. */
int fk_model_load(fk_model *model, const uint8_t *image, size_t size);

/* Bytes of RAM that fk_model_infer needs beside the stack: tensors and this
 * build's scratch. */
size_t fk_model_arena_size(const fk_model *model);

/* Bytes that fk_model_run needs: more where the image draws the picture row by
 * row, as here all of it has to be there. */
size_t fk_model_run_size(const fk_model *model);

/* Takes a picture from `rows` through the image's own preprocessing and runs. Returns 0,
 * FK_ERR_INVAL for an arena that is not aligned to FK_ARENA_ALIGN, FK_ERR_TOOSMALL for one
 * that is too small, FK_ERR_UNSUPPORTED where the input is no picture, or what `rows` did. */
int fk_model_infer(const fk_model *model, const fk_row_source *rows, uint8_t *arena,
                   size_t arena_size);

/* The same with the first input tensor filled by the caller, already quantised. The
 * run may overwrite its input: memory is shared as soon as it can be. */
int fk_model_run(const fk_model *model, uint8_t *arena, size_t arena_size);
int8_t *fk_model_input(const fk_model *model, uint8_t *arena);

/* One operator of a run, for tests and tools that look at every tensor. */
int fk_model_step(const fk_model *model, uint8_t *arena, size_t arena_size, unsigned index);

/* What that operator wrote, before the next one runs. Size 0 where it was never
 * whole, as between operators that run row by row. */
const int8_t *fk_model_written(const fk_model *model, const uint8_t *arena, unsigned index,
                               size_t *size);

/* Output `index` after a run, NULL if there is none. */
const int8_t *fk_model_output(const fk_model *model, const uint8_t *arena, unsigned index);

/* How sure the model is of a class, 0..255, and where it saw it (all 0 if it
 * does not say). FK_ERR_INVAL if the model has no such class. */
int fk_model_score(const fk_model *model, const uint8_t *arena, unsigned class_index,
                   uint8_t *score, fk_box *box);

/* The name of a class, "" if the image gives none; never NULL. */
const char *fk_model_label(const fk_model *model, unsigned class_index);

/* The score from which the image's author would call a class present, 0..255. */
uint8_t fk_model_threshold(const fk_model *model, unsigned class_index);

#ifdef __cplusplus
}
#endif

#endif
