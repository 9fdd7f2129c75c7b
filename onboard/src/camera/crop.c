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
