/* Forward DCT and quantisation of one 8 x 8 block, in one go. */
#ifndef FK_CODEC_FDCT_H
#define FK_CODEC_FDCT_H

#include <stdint.h>

/* What a coefficient is multiplied by: the reciprocal of its divisor, with the DCT's own
 * scale folded in. Column-major: [u * 8 + v]. */
typedef struct {
    int32_t reciprocal[64];
} fk_jpeg_divisors;

/* Makes the divisors from `quant`, 64 values of 1..255 in zigzag order. */
void fk_jpeg_divisors_make(fk_jpeg_divisors *out, const uint8_t *quant);

/* Transforms `in` (rows `stride` bytes apart, samples 0..255) and rounds each coefficient,
 * divided, to nearest: `out` gets 64 in zigzag order, the DC one less the level shift of
 * 128. `work` is scratch of 64. The result differs from that of exact arithmetic by less
 * than 0.02 before rounding. */
void fk_jpeg_fdct(int16_t *out, const uint8_t *in, uint32_t stride, const fk_jpeg_divisors *divisors,
                  int32_t *work);

#endif
