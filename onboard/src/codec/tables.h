/* The constant tables of ITU-T T.81 Annex K, as the encoder wants them. */
#ifndef FK_CODEC_TABLES_H
#define FK_CODEC_TABLES_H

#include <stdint.h>

/* Column-major place (u * 8 + v; u = column, v = row) -> place in the zigzag. */
extern const uint8_t fk_jpeg_zigzag[64];

/* Tables K.1 (luma) and K.2 (chroma), in zigzag order: quality 50. */
extern const uint8_t fk_jpeg_quant[2][64];

/* Tables K.3 to K.6 as DHT segments carry them: 16 counts of codes per length, then
 * the symbols. [0] luma, [1] chroma. */
extern const uint8_t fk_jpeg_dc_spec[2][16 + 12];
extern const uint8_t fk_jpeg_ac_spec[2][16 + 162];

/* The codes of those tables, ready to be written: (code << extra) << 5 | (length + extra),
 * `extra` being the bits of amplitude that follow the code. */
enum {
    FK_JPEG_AC_EOB = 0,   /* else run * 10 + size, for run 0..15 and size 1..10 */
    FK_JPEG_AC_ZRL = 161,
    FK_JPEG_AC_CODES = 162,
    FK_JPEG_DC_CODES = 12 /* by size 0..11 */
};
extern const uint32_t fk_jpeg_dc_code[2][FK_JPEG_DC_CODES];
extern const uint32_t fk_jpeg_ac_code[2][FK_JPEG_AC_CODES];

#endif
