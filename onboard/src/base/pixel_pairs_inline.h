/* Pixels of two bytes, two at a time: in YUYV they share their colour, and Armv7E-M computes two
 * 16-bit halves of a register at once. */
#ifndef FK_PIXEL_PAIRS_INLINE_H
#define FK_PIXEL_PAIRS_INLINE_H

#include <string.h>

#include "base/pixel_inline.h"
#include "base/v7em.h"

/* Of the left and of the right pixel, 0..255. */
typedef struct {
    uint16_t r[2], g[2], b[2];
} fk_rgb_pair;

#if defined(FK_V7EM)

static inline void fk_halves(uint16_t out[2], uint32_t both)
{
    memcpy(out, &both, sizeof both);
}

/* Both halves of `y` plus (less) what is in the upper half of `c`, clamped to a byte. */
static inline uint32_t fk_both_plus(uint32_t y, int32_t c)
{
    uint32_t out;
    __asm__("pkhtb %0, %2, %2, asr #16\n\t"
            "sadd16 %0, %1, %0\n\t"
            "usat16 %0, #8, %0" : "=&r"(out) : "r"(y), "r"(c) : "cc");
    return out;
}

static inline uint32_t fk_both_less(uint32_t y, int32_t c)
{
    uint32_t out;
    __asm__("pkhtb %0, %2, %2, asr #16\n\t"
            "ssub16 %0, %1, %0\n\t"
            "usat16 %0, #8, %0" : "=&r"(out) : "r"(y), "r"(c) : "cc");
    return out;
}

FK_INLINED void fk_pair_from_yuyv(fk_rgb_pair *out, const uint8_t *p)
{
    uint32_t yuyv;
    memcpy(&yuyv, p, sizeof yuyv);
    const fk_chroma c = fk_chroma_from_uv((int32_t)(yuyv >> 8 & 0xFFu), (int32_t)(yuyv >> 24));
    const uint32_t y = yuyv & 0x00FF00FFu;
    fk_halves(out->r, fk_both_plus(y, c.r));
    fk_halves(out->g, fk_both_less(y, c.g));
    fk_halves(out->b, fk_both_plus(y, c.b));
}

FK_INLINED void fk_pair_from_rgb565(fk_rgb_pair *out, const uint8_t *p, int format)
{
    uint32_t w;
    memcpy(&w, p, sizeof w);
    if (format == FK_PIXEL_RGB565BE)
        w = (w & 0x00FF00FFu) << 8 | (w >> 8 & 0x00FF00FFu); /* REV16 */
    fk_halves(out->r, (w >> 8 & 0x00F800F8u) | (w >> 13 & 0x00070007u));
    fk_halves(out->g, (w >> 3 & 0x00FC00FCu) | (w >> 9 & 0x00030003u));
    fk_halves(out->b, (w << 3 & 0x00F800F8u) | (w >> 2 & 0x00070007u));
}

#else

static inline void fk_pair_set(fk_rgb_pair *out, unsigned at, fk_rgb v)
{
    out->r[at] = (uint16_t)v.r;
    out->g[at] = (uint16_t)v.g;
    out->b[at] = (uint16_t)v.b;
}

FK_INLINED void fk_pair_from_yuyv(fk_rgb_pair *out, const uint8_t *p)
{
    const fk_chroma c = fk_chroma_from_uv(p[1], p[3]);
    fk_pair_set(out, 0, fk_rgb_from_yuv(p[0], c));
    fk_pair_set(out, 1, fk_rgb_from_yuv(p[2], c));
}

FK_INLINED void fk_pair_from_rgb565(fk_rgb_pair *out, const uint8_t *p, int format)
{
    fk_pair_set(out, 0, fk_read_rgb(p, 0, format));
    fk_pair_set(out, 1, fk_read_rgb(p + 2, 1, format));
}

#endif

#endif
