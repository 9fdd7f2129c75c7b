/* Huffman coding of quantised blocks into a bounded buffer. */
#ifndef FK_CODEC_ENTROPY_H
#define FK_CODEC_ENTROPY_H

#include <stdint.h>

typedef struct {
    uint8_t *at;    /* where the next byte goes                             */
    uint8_t *end;   /* first byte that may not be written                   */
    uint32_t bits;  /* bits not yet written, from the top down              */
    uint32_t room;  /* how many more fit in `bits`: 1..32                   */
    int overflow;   /* a byte did not fit; nothing is written from then on  */
} fk_jpeg_writer;

/* Writes into [out, end). */
void fk_jpeg_writer_init(fk_jpeg_writer *w, uint8_t *out, uint8_t *end);

/* A byte as it is: for markers and headers, when no bits are pending. */
void fk_jpeg_put_byte(fk_jpeg_writer *w, uint32_t byte);

/* One block: `coef` in zigzag order, with |AC| <= 1023, coded with the Huffman tables of
 * `component` (0 luma, 1 chroma), its DC as the difference to `dc_before`. */
void fk_jpeg_put_block(fk_jpeg_writer *w, const int16_t *coef, int32_t dc_before, int component);

/* Fills the last byte with ones, as before any marker, and writes what is pending. */
void fk_jpeg_flush(fk_jpeg_writer *w);

#endif
