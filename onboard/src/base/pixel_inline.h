/* One pixel at a time: the arithmetic of fk/pixels.h, for the loops that need it
 * inlined. */
#ifndef FK_PIXEL_INLINE_H
#define FK_PIXEL_INLINE_H

#include <stdint.h>

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

#endif
