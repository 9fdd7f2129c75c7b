#include "fk/camera.h"

#include "fk/err.h"

/* Scaling is counted in units of 1/out of an input pixel: along an axis of `in` pixels
 * scaled to `out`, input pixel k covers [k*out, (k+1)*out) and output pixel i covers
 * [i*in, (i+1)*in). All overlaps are whole numbers, and the weights of one output pixel
 * add up to in_w * in_h. Sums stay below 255 * 4096^2 + 4096^2 / 2 < 2^32. */

enum { SPAN = 64 }; /* pixels unpacked at a time */

/* Where along the row the averaging is. */
typedef struct {
    uint32_t out_w;   /* what an input pixel is wide                                  */
    uint32_t in_w;    /* what an output pixel is wide                                 */
    uint32_t room;    /* what the current output pixel still takes, 1..in_w           */
    uint32_t *acc;    /* its sum(s) over the rows so far                              */
    uint32_t part[3]; /* its sum(s) over this row so far                              */
} cursor;

/* Lays `count` pixels onto the output row, each value counting `weight` (the rows' overlap)
 * times its width inside. Every input pixel is touched once and every output pixel closed
 * once: no division, one multiplication per output value and per pixel that a border cuts. */
static void lay_gray(cursor *c, const uint8_t *in, uint32_t count, uint32_t weight)
{
    const uint32_t wide = c->out_w;
    uint32_t room = c->room, part = c->part[0], *acc = c->acc;
    for (const uint8_t *end = in + count; in < end; in++) {
        const uint32_t v = *in;
        uint32_t left = wide;
        while (left >= room) {
            *acc++ += (part + v * room) * weight;
            left -= room;
            room = c->in_w;
            part = 0;
        }
        part += v * left;
        room -= left;
    }
    c->room = room;
    c->part[0] = part;
    c->acc = acc;
}

static void lay_rgb(cursor *c, const uint8_t *in, uint32_t count, uint32_t weight)
{
    const uint32_t wide = c->out_w;
    uint32_t room = c->room, *acc = c->acc;
    uint32_t r = c->part[0], g = c->part[1], b = c->part[2];
    for (const uint8_t *end = in + 3 * count; in < end; in += 3) {
        uint32_t left = wide;
        while (left >= room) {
            acc[0] += (r + in[0] * room) * weight;
            acc[1] += (g + in[1] * room) * weight;
            acc[2] += (b + in[2] * room) * weight;
            acc += 3;
            left -= room;
            room = c->in_w;
            r = g = b = 0;
        }
        r += in[0] * left;
        g += in[1] * left;
        b += in[2] * left;
        room -= left;
    }
    c->room = room;
    c->part[0] = r;
    c->part[1] = g;
    c->part[2] = b;
    c->acc = acc;
}

static void lay_row(const fk_frame *f, const fk_rect *crop, uint32_t y, uint32_t weight,
                    uint32_t out_w, uint8_t channels, uint32_t *acc)
{
    cursor c = {.out_w = out_w, .in_w = crop->width, .room = crop->width, .acc = acc};
    const uint8_t *row = f->data + (size_t)y * f->stride;
    if (channels == 1 && f->format == FK_PIXEL_GRAY8) {
        lay_gray(&c, row + crop->x, crop->width, weight);
        return;
    }
    if (channels == 3 && f->format == FK_PIXEL_RGB888) {
        lay_rgb(&c, row + 3u * crop->x, crop->width, weight);
        return;
    }
    uint8_t pixels[3 * SPAN];
    for (uint32_t done = 0; done < crop->width;) {
        const uint32_t n = crop->width - done < SPAN ? crop->width - done : SPAN;
        if (channels == 1) {
            fk_pixels_gray(pixels, f, crop->x + done, y, n);
            lay_gray(&c, pixels, n, weight);
        } else {
            fk_pixels_rgb(pixels, f, crop->x + done, y, n);
            lay_rgb(&c, pixels, n, weight);
        }
        done += n;
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
    uint32_t y = top / out_h;
    for (uint32_t at = top; at < bottom; y++) {
        const uint32_t next = (y + 1) * out_h < bottom ? (y + 1) * out_h : bottom;
        lay_row(f, crop, crop->y + y, next - at, out_w, channels, scratch);
        at = next;
    }
    const uint32_t area = (uint32_t)crop->width * crop->height;
    for (uint32_t i = 0; i < values; i++)
        out[i] = (uint8_t)((scratch[i] + area / 2) / area);
    return (int)values;
}
