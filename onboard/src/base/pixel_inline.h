/* One pixel at a time: the arithmetic of fk/pixels.h, for the loops that need it inlined.
 *
 * The readers are called with a constant format, so that a loop around one is compiled for
 * that format alone; FK_INLINED sees to it at every optimisation level. */
#ifndef FK_PIXEL_INLINE_H
#define FK_PIXEL_INLINE_H

#include <stdint.h>

#include "fk/bytes.h"
#include "fk/frame.h"

#define FK_INLINED __attribute__((always_inline)) static inline

typedef struct {
    uint32_t r, g, b;
} fk_rgb;

/* RGB565 to 8 bits a channel: the upper bits repeated below. */
static inline uint32_t fk_red565(uint32_t p)
{
    return ((p >> 8) & 0xF8u) | (p >> 13);
}

static inline uint32_t fk_green565(uint32_t p)
{
    return ((p >> 3) & 0xFCu) | ((p >> 9) & 0x03u);
}

static inline uint32_t fk_blue565(uint32_t p)
{
    return ((p << 3) & 0xF8u) | ((p >> 2) & 0x07u);
}

/* BT.601 luma; the factors add up to 65536, so 255 stays 255. */
static inline uint8_t fk_luma(uint32_t r, uint32_t g, uint32_t b)
{
    return (uint8_t)((19595u * r + 38470u * g + 7471u * b + 32768u) >> 16);
}

/* The same of an RGB565 pixel: each factor x 255 / 31 or 255 / 63; white is 255 x 65536. */
static inline uint8_t fk_luma565(uint32_t p)
{
    return (uint8_t)((161185u * (p >> 11) + 155712u * ((p >> 5) & 63u) + 61455u * (p & 31u) +
                      32768u) >> 16);
}

static inline uint8_t fk_clamp_u8(int32_t v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* What U and V add to Y, times 65536 and with what rounds it: to red and blue, and take from green. */
typedef struct {
    int32_t r, g, b;
} fk_chroma;

/* The 128 that U and V are above zero is in the constants. */
static inline fk_chroma fk_chroma_from_uv(int32_t u, int32_t v)
{
    return (fk_chroma){91881 * v + (32768 - 128 * 91881),
                       22554 * u + 46802 * v + (32767 - 128 * (22554 + 46802)),
                       116130 * u + (32768 - 128 * 116130)};
}

/* Arithmetic shifts of negative numbers: floor, as every compiler that is used does. */
static inline fk_rgb fk_rgb_from_yuv(int32_t y, fk_chroma c)
{
    return (fk_rgb){fk_clamp_u8(y + (c.r >> 16)), fk_clamp_u8(y - (c.g >> 16)),
                    fk_clamp_u8(y + (c.b >> 16))};
}

/* Bytes from one pixel to the next. */
FK_INLINED uint32_t fk_pixel_pitch(int format)
{
    return format == FK_PIXEL_GRAY8 ? 1 : format == FK_PIXEL_RGB888 ? 3 : 2;
}

FK_INLINED uint8_t fk_read_gray(const uint8_t *p, int format)
{
    switch (format) {
    case FK_PIXEL_RGB565LE: return fk_luma565(fk_get_u16le(p));
    case FK_PIXEL_RGB565BE: return fk_luma565(fk_get_u16be(p));
    case FK_PIXEL_RGB888: return fk_luma(p[0], p[1], p[2]);
    default: return p[0]; /* GRAY8, and the Y of YUYV */
    }
}

/* `x` is the pixel's column: in YUYV it says which of a pair is at `p`. */
FK_INLINED fk_rgb fk_read_rgb(const uint8_t *p, uint32_t x, int format)
{
    switch (format) {
    case FK_PIXEL_RGB565LE:
    case FK_PIXEL_RGB565BE: {
        const uint32_t v = format == FK_PIXEL_RGB565LE ? fk_get_u16le(p) : fk_get_u16be(p);
        return (fk_rgb){fk_red565(v), fk_green565(v), fk_blue565(v)};
    }
    case FK_PIXEL_YUYV: {
        const uint8_t *pair = p - 2 * (x & 1u);
        return fk_rgb_from_yuv(p[0], fk_chroma_from_uv(pair[1], pair[3]));
    }
    case FK_PIXEL_RGB888: return (fk_rgb){p[0], p[1], p[2]};
    default: return (fk_rgb){p[0], p[0], p[0]};
    }
}

#endif
