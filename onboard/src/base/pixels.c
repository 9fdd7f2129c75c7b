#include "fk/pixels.h"

#include "base/pixel_inline.h"
#include "fk/bytes.h"
#include "fk/err.h"

int fk_pixel_bytes(int format)
{
    switch (format) {
    case FK_PIXEL_GRAY8: return 1;
    case FK_PIXEL_RGB565LE:
    case FK_PIXEL_RGB565BE:
    case FK_PIXEL_YUYV: return 2;
    case FK_PIXEL_RGB888: return 3;
    default: return FK_ERR_INVAL;
    }
}

int fk_frame_check(const fk_frame *f)
{
    const int bytes = fk_pixel_bytes(f->format);
    if (bytes < 0 || f->data == NULL || f->width == 0 || f->height == 0 ||
        f->width > FK_FRAME_SIDE_MAX || f->height > FK_FRAME_SIDE_MAX)
        return FK_ERR_INVAL;
    if (f->format == FK_PIXEL_YUYV && f->width % 2 != 0)
        return FK_ERR_INVAL;
    const uint32_t row = (uint32_t)f->width * (uint32_t)bytes;
    if (f->stride < row)
        return FK_ERR_INVAL;
    /* 64 bits: a hostile stride must not wrap around on a 32-bit machine */
    if ((uint64_t)f->stride * (f->height - 1u) + row > f->size)
        return FK_ERR_INVAL;
    return FK_OK;
}

static const uint8_t *span(const fk_frame *f, uint32_t x, uint32_t y, uint32_t count)
{
    if (x > f->width || count > f->width - x || y >= f->height)
        return NULL;
    return f->data + (size_t)y * f->stride;
}

int fk_pixels_gray_every(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count,
                         uint32_t step)
{
    if (step == 0 || step > FK_FRAME_SIDE_MAX || count > FK_FRAME_SIDE_MAX)
        return FK_ERR_INVAL;
    const uint8_t *p = span(f, x, y, count == 0 ? 0 : (count - 1) * step + 1);
    if (p == NULL)
        return FK_ERR_INVAL;
    const uint8_t *const end = out + count;
    switch (f->format) {
    case FK_PIXEL_GRAY8:
        for (p += x; out < end; p += step)
            *out++ = *p;
        break;
    case FK_PIXEL_RGB565LE:
        for (p += 2 * x; out < end; p += 2 * step)
            *out++ = fk_luma565(fk_get_u16le(p));
        break;
    case FK_PIXEL_RGB565BE:
        for (p += 2 * x; out < end; p += 2 * step)
            *out++ = fk_luma565(fk_get_u16be(p));
        break;
    case FK_PIXEL_YUYV:
        for (p += 2 * x; out < end; p += 2 * step)
            *out++ = *p;
        break;
    case FK_PIXEL_RGB888:
        for (p += 3 * x; out < end; p += 3 * step)
            *out++ = fk_luma(p[0], p[1], p[2]);
        break;
    default: return FK_ERR_INVAL;
    }
    return (int)count;
}

int fk_pixels_gray(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count)
{
    return fk_pixels_gray_every(out, f, x, y, count, 1);
}

static void rgb_from_565(uint8_t *out, uint32_t v)
{
    out[0] = (uint8_t)fk_red565(v);
    out[1] = (uint8_t)fk_green565(v);
    out[2] = (uint8_t)fk_blue565(v);
}

/* Arithmetic shifts of negative numbers: floor, as every compiler that is used does. */
static void rgb_from_yuv(uint8_t *out, int32_t y, int32_t u, int32_t v)
{
    u -= 128;
    v -= 128;
    out[0] = fk_clamp_u8(y + ((91881 * v + 32768) >> 16));
    out[1] = fk_clamp_u8(y - ((22554 * u + 46802 * v + 32767) >> 16));
    out[2] = fk_clamp_u8(y + ((116130 * u + 32768) >> 16));
}

int fk_pixels_rgb(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count)
{
    const uint8_t *p = span(f, x, y, count);
    if (p == NULL)
        return FK_ERR_INVAL;
    const uint8_t *const end = out + 3 * count;
    switch (f->format) {
    case FK_PIXEL_GRAY8:
        for (p += x; out < end; out += 3, p++)
            out[0] = out[1] = out[2] = *p;
        break;
    case FK_PIXEL_RGB565LE:
        for (p += 2 * x; out < end; out += 3, p += 2)
            rgb_from_565(out, fk_get_u16le(p));
        break;
    case FK_PIXEL_RGB565BE:
        for (p += 2 * x; out < end; out += 3, p += 2)
            rgb_from_565(out, fk_get_u16be(p));
        break;
    case FK_PIXEL_YUYV:
        for (p += 2 * x; out < end; out += 3, p += 2, x++) {
            const uint8_t *pair = p - 2 * (x & 1u);
            rgb_from_yuv(out, p[0], pair[1], pair[3]);
        }
        break;
    case FK_PIXEL_RGB888:
        for (p += 3 * x; out < end; p++)
            *out++ = *p;
        break;
    default: return FK_ERR_INVAL;
    }
    return (int)count;
}
