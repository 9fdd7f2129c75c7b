#include <string.h>

#include "fk/bytes.h"
#include "kernels.h"

void fk_resize_nearest_s8(int8_t *out, const int8_t *in, const fk_resize *r)
{
    for (unsigned y = 0; y < r->out_h; y++) {
        const int8_t *row = in + (size_t)fk_get_u16le(r->rows + 2 * y) * r->in_w * r->channels;
        for (unsigned x = 0; x < r->out_w; x++, out += r->channels) {
            memmove(out, row + (size_t)fk_get_u16le(r->columns + 2 * x) * r->channels, r->channels);
        }
    }
}
