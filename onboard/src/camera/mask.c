#include "fk/camera.h"

#include <string.h>

#include "fk/err.h"

int fk_camera_mask(const fk_frame *f, const fk_rect *mask)
{
    const int bad = fk_frame_check(f);
    if (bad < 0)
        return bad;
    if ((uint32_t)mask->x + mask->width > f->width || (uint32_t)mask->y + mask->height > f->height)
        return FK_ERR_INVAL;
    if (f->format == FK_PIXEL_YUYV && ((mask->x | mask->width) & 1))
        return FK_ERR_INVAL;
    const size_t pixel = (size_t)fk_pixel_bytes(f->format), bytes = mask->width * pixel;
    for (uint32_t y = mask->y; y < (uint32_t)mask->y + mask->height; y++) {
        uint8_t *row = f->data + (size_t)y * f->stride + mask->x * pixel;
        memset(row, 0, bytes);
        if (f->format == FK_PIXEL_YUYV)
            for (size_t chroma = 1; chroma < bytes; chroma += 2)
                row[chroma] = 128;
    }
    return FK_OK;
}
