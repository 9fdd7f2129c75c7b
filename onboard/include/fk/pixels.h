/* Reads pixels of a frame, whatever its format, as grey or as RGB.
 *
 * All arithmetic is BT.601 full range (JFIF) in 16-bit fixed point, rounded to
 * nearest, the same that libjpeg uses:
 *   Y = (19595 R + 38470 G + 7471 B + 32768) >> 16
 *   R = Y + ((91881 (V-128) + 32768) >> 16)
 *   G = Y - ((22554 (U-128) + 46802 (V-128) + 32767) >> 16)
 *   B = Y + ((116130 (U-128) + 32768) >> 16)        each clamped to 0..255
 * RGB565 read as RGB is widened by repeating its upper bits, so that white stays 255;
 * read as grey, its 5 and 6 bits are weighed as fractions of 31 and 63 directly:
 *   Y = (161185 R5 + 155712 G6 + 61455 B5 + 32768) >> 16
 * YUYV read as grey is its Y; read as RGB, both pixels of a pair share U and V. */
#ifndef FK_PIXELS_H
#define FK_PIXELS_H

#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 0 if `f` is a view that every stage may read: known format, sides in
 * 1..FK_FRAME_SIDE_MAX, even width for YUYV, stride not shorter than a row,
 * all rows within `size`. Else FK_ERR_INVAL. */
int fk_frame_check(const fk_frame *f);

/* `rect` of `f` as a frame of its own, in the same memory. FK_ERR_INVAL for one that is
 * empty, not inside `f` or cuts a pair of YUYV (x and width are even there). */
int fk_frame_part(fk_frame *part, const fk_frame *f, const fk_rect *rect);

/* Bytes of one pixel in memory (2 for YUYV), or FK_ERR_INVAL. */
int fk_pixel_bytes(int format);

/* `count` pixels of row `y` from column `x` on, as grey (1 byte each) or as
 * R, G, B (3 bytes each). `f` must have passed fk_frame_check. Returns `count`,
 * or FK_ERR_INVAL for a span outside the frame. */
int fk_pixels_gray(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count);
int fk_pixels_rgb(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count);

/* As fk_pixels_gray, but only every `step`-th pixel, 1..FK_FRAME_SIDE_MAX: `count` of them. */
int fk_pixels_gray_every(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count,
                         uint32_t step);

#ifdef __cplusplus
}
#endif

#endif
