/* Baseline JPEG: one frame in, one JFIF file out, readable by any viewer.
 *
 * Integers only, no tables in RAM but the two of quantisation. Quantisation tables are
 * those of T.81 Annex K scaled by quality as libjpeg does, Huffman tables those of
 * Annex K. Sides that are not multiples of the MCU (8, or 16 for colour) are padded by
 * repeating the last column and row. With restart intervals, a piece lost on the way
 * costs that interval and no more. */
#ifndef FK_CODEC_H
#define FK_CODEC_H

#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    FK_JPEG_GREY   = 0, /* luma alone; MCU = 8 x 8 pixels                            */
    FK_JPEG_YUV420 = 1  /* colour at half resolution; MCU = 16 x 16 pixels. A GRAY8
                           frame has no colour and is written as FK_JPEG_GREY        */
} fk_jpeg_mode;

typedef struct {
    uint8_t  quality;          /* 1..100, as libjpeg's                               */
    uint8_t  mode;             /* fk_jpeg_mode                                       */
    uint16_t restart_interval; /* MCUs between restart markers; 0 = none             */
} fk_jpeg_config;

/* Bytes of scratch that an encode needs, aligned to 4. */
enum { FK_JPEG_SCRATCH_BYTES = 2048 };

/* Encodes `f` into at most `cap` bytes of `out`. Returns the file's size,
 * FK_ERR_TOOSMALL if it does not fit (`out` then holds no picture) or `scratch_size`
 * is too small, FK_ERR_INVAL for a bad frame, setting, or misaligned scratch. */
int fk_jpeg_encode(uint8_t *out, size_t cap, const fk_frame *f, const fk_jpeg_config *cfg,
                   void *scratch, size_t scratch_size);

#ifdef __cplusplus
}
#endif

#endif
