#include "fk/camera.h"

#include "fk/err.h"

/* round(a * b / c), at least 1 and at most `most`. The product fits: sides are 16 bits. */
static uint16_t scaled(uint32_t a, uint32_t b, uint32_t c, uint32_t most)
{
    uint32_t v = a * b / c;
    if (a * b % c >= c - c / 2)
        v++;
    return (uint16_t)(v < 1 ? 1 : v > most ? most : v);
}

int fk_camera_crop(fk_rect *crop, const fk_frame *f, int fit, uint16_t out_w, uint16_t out_h)
{
    if (f->width == 0 || f->height == 0 || out_w == 0 || out_h == 0)
        return FK_ERR_INVAL;
    *crop = (fk_rect){0, 0, f->width, f->height};
    if (fit == FK_CAMERA_STRETCH)
        return FK_OK;
    if (fit != FK_CAMERA_CROP)
        return FK_ERR_INVAL;
    if ((uint32_t)f->width * out_h > (uint32_t)f->height * out_w)
        crop->width = scaled(f->height, out_w, out_h, f->width);
    else
        crop->height = scaled(f->width, out_h, out_w, f->height);
    crop->x = (uint16_t)((f->width - crop->width) / 2);
    crop->y = (uint16_t)((f->height - crop->height) / 2);
    return FK_OK;
}

/* Length of one of `count` parts of `whole` that overlap by a quarter: the first adds all
 * of it, every other three quarters. */
static uint32_t part_length(uint32_t whole, uint32_t count)
{
    return whole * 4 / (3 * count + 1);
}

/* Where part `i` of `count` begins, from 0 to `whole - length`. */
static uint32_t part_start(uint32_t whole, uint32_t length, uint32_t count, uint32_t i)
{
    return count == 1 ? 0 : (whole - length) * i / (count - 1);
}

int fk_camera_tile(fk_rect *tile, const fk_rect *whole, unsigned across, unsigned down, unsigned index)
{
    if (across == 0 || across > UINT8_MAX || down == 0 || down > UINT8_MAX || index >= across * down)
        return FK_ERR_INVAL;
    uint32_t width = part_length(whole->width, across);
    uint32_t height = part_length(whole->height, down);
    if (width == 0 || height == 0)
        return FK_ERR_INVAL;
    *tile = (fk_rect){
        .x = (uint16_t)(whole->x + part_start(whole->width, width, across, index % across)),
        .y = (uint16_t)(whole->y + part_start(whole->height, height, down, index / across)),
        .width = (uint16_t)width,
        .height = (uint16_t)height,
    };
    return FK_OK;
}

/* Where a span of `length` begins, in 0..whole - length, if its middle is to be that of a box
 * from `at` on, `size` long, both in 1/65535 of `whole`. */
static uint32_t window_start(uint32_t whole, uint32_t length, uint32_t at, uint32_t size)
{
    /* twice the middle, in pixels; 3 * 65535 * FK_FRAME_SIDE_MAX fits 32 bits */
    const uint32_t middle2 = (2 * at + size) * whole / 65535u;
    const uint32_t start = middle2 < length ? 0 : (middle2 - length) / 2;
    return start < whole - length ? start : whole - length;
}

int fk_camera_window(fk_rect *window, const fk_rect *whole, const fk_box *box, uint16_t width,
                     uint16_t height)
{
    static const fk_box all = {.width = UINT16_MAX, .height = UINT16_MAX};

    if (whole->x != 0 || whole->y != 0 || width == 0 || width > whole->width || height == 0 ||
        height > whole->height || whole->width > FK_FRAME_SIDE_MAX || whole->height > FK_FRAME_SIDE_MAX)
        return FK_ERR_INVAL;
    if (box->width == 0 || box->height == 0)
        box = &all;
    *window = (fk_rect){
        .x = (uint16_t)(window_start(whole->width, width, box->x, box->width) & ~1u),
        .y = (uint16_t)window_start(whole->height, height, box->y, box->height),
        .width = width,
        .height = height,
    };
    return FK_OK;
}
