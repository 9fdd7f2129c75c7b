#include "codec/load.h"

#include <string.h>

#include "base/pixel_inline.h"
#include "fk/pixels.h"

/* Part of a frame buffer. */
typedef struct {
    const uint8_t *data;
    uint32_t stride;
} view;

/* Where the MCU of side `side` at (x, y) can be read without leaving the frame: in place,
 * or as a copy in `pad` whose last column and row are repeated. */
static view whole_mcu(const fk_frame *f, uint32_t x, uint32_t y, uint32_t side, uint8_t *pad)
{
    const uint32_t bytes = (uint32_t)fk_pixel_bytes(f->format);
    const uint8_t *const first = f->data + (size_t)y * f->stride + x * bytes;
    if (x + side <= f->width && y + side <= f->height)
        return (view){first, f->stride};
    const uint32_t columns = x + side <= f->width ? side : f->width - x;
    const uint32_t rows = y + side <= f->height ? side : f->height - y;
    const uint32_t unit = f->format == FK_PIXEL_YUYV ? 4 : bytes; /* what is repeated */
    const uint32_t pitch = side * bytes, given = columns * bytes;
    for (uint32_t r = 0; r < side; r++) {
        uint8_t *const out = pad + r * pitch;
        memcpy(out, first + (size_t)(r < rows ? r : rows - 1) * f->stride, given);
        for (uint32_t i = given; i < pitch; i++)
            out[i] = out[i - unit];
        if (f->format == FK_PIXEL_YUYV)
            for (uint32_t i = given; i < pitch; i += 4)
                out[i] = out[i + 2]; /* the last pixel's Y, not the last pair's */
    }
    return (view){pad, pitch};
}

/* What a channel weighs in Y, Cb and Cr, in 1/65536: for 5 and 6 bits x 255/31 and 255/63.
 * For white Y is 255 and Cb, Cr are 128, the rounding of the weights notwithstanding. */
typedef struct {
    uint32_t y_r, y_g, y_b, cb_r, cb_g, cb_b, cr_r, cr_g, cr_b;
} weights;

static const weights of_888 = {19595, 38470, 7471, 11059, 21709, 32768, 32768, 27439, 5329};
static const weights of_565 = {161185, 155712, 61455, 90969, 87870, 269543, 269543, 111062, 43835};

/* With a constant format the weights become constants in the code. */
FK_INLINED const weights *weights_of(int format)
{
    return format == FK_PIXEL_RGB888 ? &of_888 : &of_565;
}

/* A pixel as the format has it: 8 bits a channel, or 5, 6 and 5. */
FK_INLINED fk_rgb read_raw(const uint8_t *p, int format)
{
    if (format == FK_PIXEL_RGB888)
        return (fk_rgb){p[0], p[1], p[2]};
    const uint32_t v = format == FK_PIXEL_RGB565LE ? fk_get_u16le(p) : fk_get_u16be(p);
    return (fk_rgb){v >> 11, (v >> 5) & 63u, v & 31u};
}

FK_INLINED uint8_t luma_of(fk_rgb c, int format)
{
    const weights *w = weights_of(format);
    return (uint8_t)((w->y_r * c.r + w->y_g * c.g + w->y_b * c.b + 32768u) >> 16);
}

FK_INLINED void load_grey(uint8_t *out, view in, int format)
{
    for (unsigned row = 0; row < 8; row++, in.data += in.stride) {
        const uint8_t *p = in.data;
        for (const uint8_t *end = out + 8; out < end; p += fk_pixel_pitch(format))
            *out++ = fk_read_gray(p, format);
    }
}

const uint8_t *fk_jpeg_load_grey(uint8_t *samples, uint32_t *stride, const fk_frame *f, uint32_t x,
                                 uint32_t y, uint8_t *pad)
{
    /* grey needs no conversion: what sticks out is padded where the result belongs */
    const view in = whole_mcu(f, x, y, 8, f->format == FK_PIXEL_GRAY8 ? samples : pad);
    *stride = 8;
    switch (f->format) {
    case FK_PIXEL_GRAY8: *stride = in.stride; return in.data;
    case FK_PIXEL_YUYV: load_grey(samples, in, FK_PIXEL_YUYV); break;
    case FK_PIXEL_RGB565LE: load_grey(samples, in, FK_PIXEL_RGB565LE); break;
    case FK_PIXEL_RGB565BE: load_grey(samples, in, FK_PIXEL_RGB565BE); break;
    default: load_grey(samples, in, FK_PIXEL_RGB888); break;
    }
    return samples;
}

/* Chroma of four pixels from the sums of their channels: 128 + (plus - minus) / 4, halves
 * down, so that 255.5 does not become 256. */
static inline uint8_t chroma(uint32_t plus, uint32_t minus)
{
    return (uint8_t)((plus + (128u << 18) + 131071u - minus) >> 18);
}

FK_INLINED void colour_from_rgb(uint8_t *out, view in, int format)
{
    const uint32_t bytes = format == FK_PIXEL_RGB888 ? 3 : 2;
    const weights *w = weights_of(format);
    uint8_t *cb = out + FK_JPEG_CB, *cr = out + FK_JPEG_CR;
    for (unsigned rows = 0; rows < 8; rows++, in.data += 2 * (size_t)in.stride, out += 16) {
        const uint8_t *p = in.data;
        for (const uint8_t *end = out + 16; out < end; out += 2, p += 2 * bytes) {
            fk_rgb sum = {0, 0, 0};
            for (unsigned i = 0; i < 4; i++) {
                const fk_rgb c = read_raw(p + (i & 1) * bytes + (i >> 1) * in.stride, format);
                out[(i & 1) + (i >> 1) * 16] = luma_of(c, format);
                sum.r += c.r;
                sum.g += c.g;
                sum.b += c.b;
            }
            *cb++ = chroma(w->cb_b * sum.b, w->cb_r * sum.r + w->cb_g * sum.g);
            *cr++ = chroma(w->cr_r * sum.r, w->cr_g * sum.g + w->cr_b * sum.b);
        }
    }
}

static void colour_from_yuyv(uint8_t *out, view in)
{
    uint8_t *cb = out + FK_JPEG_CB, *cr = out + FK_JPEG_CR;
    for (unsigned rows = 0; rows < 8; rows++, in.data += 2 * (size_t)in.stride, out += 16) {
        const uint8_t *p = in.data, *below = in.data + in.stride;
        for (const uint8_t *end = out + 16; out < end; out += 2, p += 4, below += 4) {
            out[0] = p[0];
            out[1] = p[2];
            out[16] = below[0];
            out[17] = below[2];
            *cb++ = (uint8_t)((p[1] + below[1] + 1) >> 1);
            *cr++ = (uint8_t)((p[3] + below[3] + 1) >> 1);
        }
    }
}

void fk_jpeg_load_colour(uint8_t *samples, const fk_frame *f, uint32_t x, uint32_t y, uint8_t *pad)
{
    const view in = whole_mcu(f, x, y, 16, pad);
    switch (f->format) {
    case FK_PIXEL_YUYV: colour_from_yuyv(samples, in); break;
    case FK_PIXEL_RGB565LE: colour_from_rgb(samples, in, FK_PIXEL_RGB565LE); break;
    case FK_PIXEL_RGB565BE: colour_from_rgb(samples, in, FK_PIXEL_RGB565BE); break;
    default: colour_from_rgb(samples, in, FK_PIXEL_RGB888); break;
    }
}
