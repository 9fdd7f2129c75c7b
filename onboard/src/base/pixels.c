#include "fk/pixels.h"

#include "base/pixel_inline.h"
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

int fk_frame_part(fk_frame *part, const fk_frame *f, const fk_rect *rect)
{
    const int bad = fk_frame_check(f);
    if (bad < 0)
        return bad;
    if (rect->width == 0 || rect->height == 0 || (uint32_t)rect->x + rect->width > f->width ||
        (uint32_t)rect->y + rect->height > f->height)
        return FK_ERR_INVAL;
    if (f->format == FK_PIXEL_YUYV && ((rect->x | rect->width) & 1))
        return FK_ERR_INVAL;
    const size_t before = (size_t)rect->y * f->stride + (size_t)rect->x * (size_t)fk_pixel_bytes(f->format);
    *part = *f;
    part->data = f->data + before;
    part->size = f->size - before;
    part->width = rect->width;
    part->height = rect->height;
    return FK_OK;
}

static const uint8_t *span(const fk_frame *f, uint32_t x, uint32_t y, uint32_t count)
{
    if (x > f->width || count > f->width - x || y >= f->height)
        return NULL;
    return f->data + (size_t)y * f->stride;
}

FK_INLINED void read_gray(uint8_t *out, const uint8_t *row, uint32_t x, uint32_t count,
                          uint32_t step, int format)
{
    const uint32_t pitch = fk_pixel_pitch(format);
    const uint8_t *p = row + x * pitch;
    for (const uint8_t *end = out + count; out < end; p += step * pitch)
        *out++ = fk_read_gray(p, format);
}

int fk_pixels_gray_every(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count,
                         uint32_t step)
{
    if (step == 0 || step > FK_FRAME_SIDE_MAX || count > FK_FRAME_SIDE_MAX)
        return FK_ERR_INVAL;
    const uint8_t *row = span(f, x, y, count == 0 ? 0 : (count - 1) * step + 1);
    if (row == NULL)
        return FK_ERR_INVAL;
    switch (f->format) {
    case FK_PIXEL_GRAY8: read_gray(out, row, x, count, step, FK_PIXEL_GRAY8); break;
    case FK_PIXEL_RGB565LE: read_gray(out, row, x, count, step, FK_PIXEL_RGB565LE); break;
    case FK_PIXEL_RGB565BE: read_gray(out, row, x, count, step, FK_PIXEL_RGB565BE); break;
    case FK_PIXEL_YUYV: read_gray(out, row, x, count, step, FK_PIXEL_YUYV); break;
    case FK_PIXEL_RGB888: read_gray(out, row, x, count, step, FK_PIXEL_RGB888); break;
    default: return FK_ERR_INVAL;
    }
    return (int)count;
}

int fk_pixels_gray(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count)
{
    return fk_pixels_gray_every(out, f, x, y, count, 1);
}

FK_INLINED void read_rgb(uint8_t *out, const uint8_t *row, uint32_t x, uint32_t count, int format)
{
    const uint32_t pitch = fk_pixel_pitch(format);
    const uint8_t *p = row + x * pitch;
    for (const uint8_t *end = out + 3 * count; out < end; out += 3, p += pitch, x++) {
        const fk_rgb c = fk_read_rgb(p, x, format);
        out[0] = (uint8_t)c.r;
        out[1] = (uint8_t)c.g;
        out[2] = (uint8_t)c.b;
    }
}

int fk_pixels_rgb(uint8_t *out, const fk_frame *f, uint32_t x, uint32_t y, uint32_t count)
{
    const uint8_t *row = span(f, x, y, count);
    if (row == NULL)
        return FK_ERR_INVAL;
    switch (f->format) {
    case FK_PIXEL_GRAY8: read_rgb(out, row, x, count, FK_PIXEL_GRAY8); break;
    case FK_PIXEL_RGB565LE: read_rgb(out, row, x, count, FK_PIXEL_RGB565LE); break;
    case FK_PIXEL_RGB565BE: read_rgb(out, row, x, count, FK_PIXEL_RGB565BE); break;
    case FK_PIXEL_YUYV: read_rgb(out, row, x, count, FK_PIXEL_YUYV); break;
    case FK_PIXEL_RGB888: read_rgb(out, row, x, count, FK_PIXEL_RGB888); break;
    default: return FK_ERR_INVAL;
    }
    return (int)count;
}
