#include "fk/camera.h"

#include "base/pixel_inline.h"
#include "fk/err.h"

/* Scaling is counted in units of 1/out of an input pixel: along an axis of `in` pixels
 * scaled to `out`, input pixel k covers [k*out, (k+1)*out) and output pixel i covers
 * [i*in, (i+1)*in). All overlaps are whole numbers, and the weights of one output pixel
 * add up to in_w * in_h. Sums stay below 255 * 4096^2 + 4096^2 / 2 < 2^32. */

/* One row of pixels to be laid onto a row of sums. */
typedef struct {
    const uint8_t *first; /* the pixel at x                                           */
    uint32_t x, count;    /* columns of the frame                                     */
    uint32_t out_w;       /* what a pixel is wide; an output pixel is `count` wide     */
    uint32_t weight;      /* how much of the row's height counts                       */
    uint32_t *acc;        /* sums of the output pixels                                */
} laying;

/* Every pixel is touched once and every output pixel closed once: no division, one
 * multiplication per pixel and two per output pixel. */
FK_INLINED void lay_gray(const laying *j, int format)
{
    const uint32_t pitch = fk_pixel_pitch(format), wide = j->out_w, in_w = j->count;
    const uint32_t weight = j->weight;
    uint32_t room = in_w; /* what the current output pixel still takes, 1..in_w */
    uint32_t part = 0;    /* its sum over this row so far                       */
    uint32_t *acc = j->acc;
    const uint8_t *p = j->first;
    for (const uint8_t *end = p + j->count * pitch; p < end; p += pitch) {
        const uint32_t v = fk_read_gray(p, format);
        uint32_t left = wide;
        while (left >= room) {
            *acc++ += (part + v * room) * weight;
            left -= room;
            room = in_w;
            part = 0;
        }
        part += v * left;
        room -= left;
    }
}

/* The same with three sums at a time. */
FK_INLINED void lay_rgb(const laying *j, int format)
{
    const uint32_t pitch = fk_pixel_pitch(format), wide = j->out_w, in_w = j->count;
    const uint32_t weight = j->weight;
    uint32_t room = in_w;
    fk_rgb part = {0, 0, 0};
    uint32_t *acc = j->acc;
    const uint8_t *p = j->first;
    for (uint32_t x = j->x; x < j->x + in_w; x++, p += pitch) {
        const fk_rgb v = fk_read_rgb(p, x, format);
        uint32_t left = wide;
        while (left >= room) {
            acc[0] += (part.r + v.r * room) * weight;
            acc[1] += (part.g + v.g * room) * weight;
            acc[2] += (part.b + v.b * room) * weight;
            acc += 3;
            left -= room;
            room = in_w;
            part = (fk_rgb){0, 0, 0};
        }
        part.r += v.r * left;
        part.g += v.g * left;
        part.b += v.b * left;
        room -= left;
    }
}

FK_INLINED void lay(const laying *j, uint8_t channels, int format)
{
    if (channels == 1)
        lay_gray(j, format);
    else
        lay_rgb(j, format);
}

static void lay_row(const laying *j, uint8_t channels, int format)
{
    switch (format) {
    case FK_PIXEL_GRAY8: lay(j, channels, FK_PIXEL_GRAY8); break;
    case FK_PIXEL_RGB565LE: lay(j, channels, FK_PIXEL_RGB565LE); break;
    case FK_PIXEL_RGB565BE: lay(j, channels, FK_PIXEL_RGB565BE); break;
    case FK_PIXEL_YUYV: lay(j, channels, FK_PIXEL_YUYV); break;
    default: lay(j, channels, FK_PIXEL_RGB888); break;
    }
}

size_t fk_camera_scale_scratch_words(uint16_t out_w, uint8_t channels)
{
    return (size_t)out_w * channels;
}

static int check(const fk_frame *f, const fk_rect *crop, uint16_t out_w, uint16_t out_h,
                 uint8_t channels, uint16_t row)
{
    const int bad = fk_frame_check(f);
    if (bad < 0)
        return bad;
    if (crop->width == 0 || crop->height == 0 || crop->x + crop->width > f->width ||
        crop->y + crop->height > f->height)
        return FK_ERR_INVAL;
    if (out_w == 0 || out_w > FK_FRAME_SIDE_MAX || out_h == 0 || out_h > FK_FRAME_SIDE_MAX ||
        row >= out_h || (channels != 1 && channels != 3))
        return FK_ERR_INVAL;
    return FK_OK;
}

int fk_camera_scale_row(const fk_frame *f, const fk_rect *crop, uint16_t out_w, uint16_t out_h,
                        uint8_t channels, uint16_t row, uint8_t *out, uint32_t *scratch,
                        size_t scratch_words)
{
    const fk_rect whole = {0, 0, f->width, f->height};
    if (crop == NULL)
        crop = &whole;
    const int bad = check(f, crop, out_w, out_h, channels, row);
    if (bad < 0)
        return bad;
    const uint32_t values = (uint32_t)out_w * channels;
    if (scratch_words < values)
        return FK_ERR_TOOSMALL;
    for (uint32_t i = 0; i < values; i++)
        scratch[i] = 0;

    /* this output row covers [top, bottom) in units of 1/out_h of an input row */
    const uint32_t top = (uint32_t)row * crop->height, bottom = top + crop->height;
    const uint8_t *const first = f->data + (size_t)crop->y * f->stride +
                                 crop->x * (uint32_t)fk_pixel_bytes(f->format);
    laying j = {.x = crop->x, .count = crop->width, .out_w = out_w, .acc = scratch};
    uint32_t y = top / out_h;
    for (uint32_t at = top; at < bottom; y++) {
        const uint32_t next = (y + 1) * out_h < bottom ? (y + 1) * out_h : bottom;
        j.first = first + (size_t)y * f->stride;
        j.weight = next - at;
        lay_row(&j, channels, f->format);
        at = next;
    }
    const uint32_t area = (uint32_t)crop->width * crop->height;
    for (uint32_t i = 0; i < values; i++)
        out[i] = (uint8_t)((scratch[i] + area / 2) / area);
    return (int)values;
}
