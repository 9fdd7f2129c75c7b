#include "fk/camera.h"

#include <string.h>

#include "base/pixel_pairs_inline.h"
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

/* How far a row has come: the sums of the current output pixel, and where they go. */
typedef struct {
    uint32_t room; /* what it still takes, 1..count */
    fk_rgb part;
    uint32_t *acc;
} laid;

/* The same with three sums at a time. */
FK_INLINED void lay_pixel(laid *s, const laying *j, uint32_t r, uint32_t g, uint32_t b)
{
    const uint32_t weight = j->weight;
    uint32_t left = j->out_w;
    while (left >= s->room) {
        s->acc[0] += (s->part.r + r * s->room) * weight;
        s->acc[1] += (s->part.g + g * s->room) * weight;
        s->acc[2] += (s->part.b + b * s->room) * weight;
        s->acc += 3;
        left -= s->room;
        s->room = j->count;
        s->part = (fk_rgb){0, 0, 0};
    }
    s->part.r += r * left;
    s->part.g += g * left;
    s->part.b += b * left;
    s->room -= left;
}

enum { PAIRS = 16 }; /* unpacked at a time, on the stack */

/* Pixels `from` to `to` of the pairs. */
static __attribute__((noinline)) laid lay_pairs(laid s, const laying *j, const fk_rgb_pair *v,
                                                uint32_t from, uint32_t to)
{
    const fk_rgb_pair *const end = v + to / 2;
    if (from) {
        lay_pixel(&s, j, v->r[1], v->g[1], v->b[1]);
        v++;
    }
    for (; v < end; v++) {
        lay_pixel(&s, j, v->r[0], v->g[0], v->b[0]);
        lay_pixel(&s, j, v->r[1], v->g[1], v->b[1]);
    }
    if (to % 2)
        lay_pixel(&s, j, v->r[0], v->g[0], v->b[0]);
    return s;
}

FK_INLINED void lay_two_bytes(const laying *j, int format)
{
    fk_rgb_pair pairs[PAIRS];
    laid s = {j->count, {0, 0, 0}, j->acc};
    /* a pair of YUYV begins at an even column, any other where the row does */
    uint32_t from = format == FK_PIXEL_YUYV ? j->x & 1u : 0;
    const uint8_t *p = j->first - 2 * from;
    for (uint32_t left = from + j->count; left > 0;) {
        const uint32_t to = left < 2 * PAIRS ? left : 2 * PAIRS;
        for (uint32_t i = 0; i < to / 2; i++, p += 4) {
            if (format == FK_PIXEL_YUYV)
                fk_pair_from_yuyv(&pairs[i], p);
            else
                fk_pair_from_rgb565(&pairs[i], p, format);
        }
        if (to % 2) {
            const fk_rgb last = fk_read_rgb(p, 0, format);
            pairs[to / 2] = (fk_rgb_pair){{(uint16_t)last.r}, {(uint16_t)last.g}, {(uint16_t)last.b}};
        }
        s = lay_pairs(s, j, pairs, from, to);
        left -= to;
        from = 0;
    }
}

FK_INLINED void lay_rgb(const laying *j, int format)
{
    if (fk_pixel_pitch(format) == 2) {
        lay_two_bytes(j, format);
        return;
    }
    const uint32_t pitch = fk_pixel_pitch(format);
    laid s = {j->count, {0, 0, 0}, j->acc};
    const uint8_t *p = j->first;
    for (const uint8_t *end = p + j->count * pitch; p < end; p += pitch) {
        const fk_rgb v = fk_read_rgb(p, 0, format);
        lay_pixel(&s, j, v.r, v.g, v.b);
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

int fk_camera_scale_begin(fk_scaling *s, const fk_frame *f, const fk_rect *crop, uint16_t out_w,
                          uint16_t out_h, uint8_t channels, uint32_t *scratch, size_t scratch_words)
{
    const int bad = fk_frame_check(f);
    if (bad < 0)
        return bad;
    const fk_rect all = {0, 0, f->width, f->height}, c = crop == NULL ? all : *crop;
    if (c.width == 0 || c.height == 0 || (uint32_t)c.x + c.width > f->width ||
        (uint32_t)c.y + c.height > f->height)
        return FK_ERR_INVAL;
    if (out_w == 0 || out_w > FK_FRAME_SIDE_MAX || out_h == 0 || out_h > FK_FRAME_SIDE_MAX ||
        (channels != 1 && channels != 3))
        return FK_ERR_INVAL;
    const size_t values = fk_camera_scale_scratch_words(out_w, channels);
    if (scratch_words < values)
        return FK_ERR_TOOSMALL;
    *s = (fk_scaling){.frame = f, .crop = c, .out_w = out_w, .out_h = out_h, .channels = channels,
                      .spare = scratch_words / 2 >= values, .scratch = scratch, .kept = UINT32_MAX};
    return (int)values;
}

/* Row `y` of the crop onto `sums`. */
static void lay_input(const fk_scaling *s, uint32_t y, uint32_t weight, uint32_t *sums)
{
    const fk_frame *f = s->frame;
    const laying j = {
        .first = f->data + ((size_t)s->crop.y + y) * f->stride +
                 (size_t)s->crop.x * fk_pixel_pitch(f->format),
        .x = s->crop.x,
        .count = s->crop.width,
        .out_w = s->out_w,
        .weight = weight,
        .acc = sums,
    };
    lay_row(&j, s->channels, f->format);
}

/* The same of a row that the next output row covers too, or the one before did. */
static void lay_shared(fk_scaling *s, uint32_t y, uint32_t weight, uint32_t values)
{
    uint32_t *const sums = s->scratch, *const kept = sums + values;
    if (s->kept != y) {
        memset(kept, 0, values * sizeof *kept);
        lay_input(s, y, 1, kept);
        s->kept = y;
    }
    for (uint32_t i = 0; i < values; i++)
        sums[i] += kept[i] * weight;
}

int fk_camera_scale_row(fk_scaling *s, uint16_t row, uint8_t *out)
{
    const uint32_t out_h = s->out_h, values = (uint32_t)s->out_w * s->channels;
    if (row >= out_h)
        return FK_ERR_INVAL;
    memset(s->scratch, 0, values * sizeof *s->scratch);

    /* this output row covers [top, bottom) in units of 1/out_h of an input row */
    const uint32_t top = (uint32_t)row * s->crop.height, bottom = top + s->crop.height;
    uint32_t y = top / out_h;
    for (uint32_t at = top; at < bottom; y++) {
        const uint32_t end = (y + 1) * out_h, next = end < bottom ? end : bottom;
        if (s->spare && next - at < out_h)
            lay_shared(s, y, next - at, values);
        else
            lay_input(s, y, next - at, s->scratch);
        at = next;
    }
    const uint32_t area = (uint32_t)s->crop.width * s->crop.height;
    for (uint32_t i = 0; i < values; i++)
        out[i] = (uint8_t)((s->scratch[i] + area / 2) / area);
    return (int)values;
}
