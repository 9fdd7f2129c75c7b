/* Every picture stage on a frame whose fields are what the input says, over a buffer of just
 * the bytes that follow; whatever the stages accept must stay inside all buffers. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fk/bytes.h"
#include "fk/camera.h"
#include "fk/codec.h"
#include "fk/err.h"
#include "fk/screen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 34, COUNTS = 1 << 20 };

static void encode(const fk_frame *f, const fk_jpeg_config *cfg, size_t cap)
{
    uint8_t *out = malloc(cap > 0 ? cap : 1);
    uint32_t *scratch = malloc(FK_JPEG_SCRATCH_BYTES);
    const int n = fk_jpeg_encode(out, cap, f, cfg, scratch, FK_JPEG_SCRATCH_BYTES);
    assert(n < 0 || ((size_t)n <= cap && n > 300));
    free(out);
    free(scratch);
}

static void scale(const fk_frame *f, const fk_rect *crop, const uint8_t *p)
{
    const uint16_t width = fk_get_u16le(p), height = fk_get_u16le(p + 2), row = fk_get_u16le(p + 5);
    const size_t least = fk_camera_scale_scratch_words(width, p[4]), words = least * (1 + row % 2);
    if (words > COUNTS)
        return;
    uint32_t *scratch = malloc(words > 0 ? words * 4 : 1);
    uint8_t *out = malloc(least > 0 ? least : 1);
    fk_scaling s;
    const int size = fk_camera_scale_begin(&s, f, crop, width, height, p[4], scratch, words);
    assert(size < 0 || (size_t)size == least);
    for (unsigned y = row; size >= 0 && y < row + 3u && y <= UINT16_MAX; y++) {
        const int n = fk_camera_scale_row(&s, (uint16_t)y, out);
        assert(n == (y < height ? size : FK_ERR_INVAL));
    }
    free(scratch);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    const size_t claimed = fk_get_u32le(data + 9), have = size - HEAD;
    uint8_t *pixels = malloc(have > 0 ? have : 1); /* a frame buffer is written to by its masks */
    memcpy(pixels, data + HEAD, have);
    const fk_frame f = {.data = pixels,
                        .size = claimed < have ? claimed : have, /* a view never lies about this */
                        .stride = fk_get_u32le(data + 5),
                        .width = fk_get_u16le(data + 1),
                        .height = fk_get_u16le(data + 3),
                        .format = data[0]};
    const fk_rect crop = {fk_get_u16le(data + 13), fk_get_u16le(data + 15), fk_get_u16le(data + 17),
                          fk_get_u16le(data + 19)};
    const fk_jpeg_config cfg = {data[28], data[29], fk_get_u16le(data + 30)};

    encode(&f, &cfg, fk_get_u16le(data + 32));
    scale(&f, &crop, data + 21);
    scale(&f, NULL, data + 21);
    fk_rect fitted;
    if (fk_frame_check(&f) == FK_OK &&
        fk_camera_crop(&fitted, &f, FK_CAMERA_CROP, fk_get_u16le(data + 21),
                       fk_get_u16le(data + 23)) == FK_OK)
        scale(&f, &fitted, data + 21);
    fk_screen_stats stats;
    uint16_t histogram[FK_SCREEN_BINS];
    (void)fk_screen_measure(&stats, &f, &crop, data[28] & 1, histogram);
    (void)fk_camera_mask(&f, &crop);
    free(pixels);
    return 0;
}
