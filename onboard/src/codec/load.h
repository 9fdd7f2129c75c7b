/* Cuts a frame into MCUs of samples. */
#ifndef FK_CODEC_LOAD_H
#define FK_CODEC_LOAD_H

#include "fk/frame.h"

enum {
    FK_JPEG_CB = 256,            /* where the 8 x 8 chroma samples of a colour MCU begin */
    FK_JPEG_CR = 320,
    FK_JPEG_MCU_SAMPLES = 384,
    FK_JPEG_PAD_BYTES = 16 * 16 * 3 /* an MCU as the frame buffer holds it */
};

/* The 8 x 8 luma samples at (x, y). Returns where they are, rows `*stride` bytes apart: in
 * the frame itself where that is possible, else in `samples`. `pad` is scratch of
 * FK_JPEG_PAD_BYTES, used where the MCU sticks out of the frame. */
const uint8_t *fk_jpeg_load_grey(uint8_t *samples, uint32_t *stride, const fk_frame *f, uint32_t x,
                                 uint32_t y, uint8_t *pad);

/* The 16 x 16 pixels at (x, y): luma 16 bytes a row, then Cb, then Cr, each the mean of
 * 2 x 2 pixels. For every format but GRAY8. */
void fk_jpeg_load_colour(uint8_t *samples, const fk_frame *f, uint32_t x, uint32_t y, uint8_t *pad);

#endif
