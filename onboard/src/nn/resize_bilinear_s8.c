#include "fk/bytes.h"
#include "kernels.h"

enum { ENTRY = 8, ONE = 1 << 10 };

/* To nearest, halves away from 0, as the division of TFLite's reference. */
static int8_t rounded(int64_t sum)
{
    const int64_t half = sum > 0 ? 1 << 19 : -(1 << 19);
    return (int8_t)((sum + half) / (1 << 20));
}

static void pixel(int8_t *out, const int8_t *top, const int8_t *bottom, int32_t wy,
                  const uint8_t *column, unsigned channels)
{
    const size_t left = (size_t)fk_get_u16le(column) * channels;
    const size_t right = (size_t)fk_get_u16le(column + 2) * channels;
    const int32_t wx = fk_get_i32le(column + 4);
    for (unsigned c = 0; c < channels; c++) {
        const int64_t above = (int64_t)top[left + c] * (ONE - wx) + (int64_t)top[right + c] * wx;
        const int64_t below = (int64_t)bottom[left + c] * (ONE - wx) + (int64_t)bottom[right + c] * wx;
        out[c] = rounded(above * (ONE - wy) + below * wy);
    }
}

void fk_resize_bilinear_s8(int8_t *out, const int8_t *in, const fk_resize *r)
{
    const size_t row_size = (size_t)r->in_w * r->channels;
    for (unsigned y = 0; y < r->out_h; y++) {
        const uint8_t *row = r->rows + ENTRY * y;
        const int8_t *top = in + fk_get_u16le(row) * row_size;
        const int8_t *bottom = in + fk_get_u16le(row + 2) * row_size;
        for (unsigned x = 0; x < r->out_w; x++, out += r->channels) {
            pixel(out, top, bottom, fk_get_i32le(row + 4), r->columns + ENTRY * x, r->channels);
        }
    }
}
