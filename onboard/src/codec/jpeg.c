#include "fk/codec.h"

#include "codec/entropy.h"
#include "codec/fdct.h"
#include "codec/load.h"
#include "codec/tables.h"
#include "fk/err.h"
#include "fk/pixels.h"

/* What the caller's scratch holds. A padded MCU is read before the DCT begins. */
typedef struct {
    fk_jpeg_divisors divisors[2];
    uint8_t samples[FK_JPEG_MCU_SAMPLES];
    union {
        uint8_t pad[FK_JPEG_PAD_BYTES];
        struct {
            int32_t work[64];
            int16_t coef[64];
        } block;
    } u;
} scratchpad;

_Static_assert(sizeof(scratchpad) <= FK_JPEG_SCRATCH_BYTES, "the documented size must suffice");

/* A table entry at `quality`, as libjpeg scales it: 50 leaves it as it is. */
static uint8_t scaled(uint8_t base, uint32_t quality)
{
    const uint32_t percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    const uint32_t v = (base * percent + 50) / 100;
    return (uint8_t)(v < 1 ? 1 : v > 255 ? 255 : v);
}

static void put_u16(fk_jpeg_writer *w, uint32_t v)
{
    fk_jpeg_put_byte(w, v >> 8);
    fk_jpeg_put_byte(w, v & 0xFFu);
}

static void put_marker(fk_jpeg_writer *w, uint32_t code, uint32_t length)
{
    put_u16(w, 0xFF00u | code);
    put_u16(w, length);
}

static void put_bytes(fk_jpeg_writer *w, const uint8_t *data, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        fk_jpeg_put_byte(w, data[i]);
}

static void put_header(fk_jpeg_writer *w, const fk_frame *f, const fk_jpeg_config *cfg, int colour,
                       scratchpad *s)
{
    static const uint8_t jfif[] = {'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};
    const uint32_t tables = colour ? 2 : 1, components = colour ? 3 : 1;
    put_u16(w, 0xFFD8);
    put_marker(w, 0xE0, 2 + sizeof jfif);
    put_bytes(w, jfif, sizeof jfif);

    put_marker(w, 0xDB, 2 + 65 * tables);
    for (uint32_t t = 0; t < tables; t++) {
        uint8_t *const quant = s->u.pad; /* free until the first block */
        for (unsigned k = 0; k < 64; k++)
            quant[k] = scaled(fk_jpeg_quant[t][k], cfg->quality);
        fk_jpeg_put_byte(w, t);
        put_bytes(w, quant, 64);
        fk_jpeg_divisors_make(&s->divisors[t], quant);
    }

    put_marker(w, 0xC0, 8 + 3 * components);
    fk_jpeg_put_byte(w, 8);
    put_u16(w, f->height);
    put_u16(w, f->width);
    fk_jpeg_put_byte(w, components);
    for (uint32_t c = 0; c < components; c++) {
        fk_jpeg_put_byte(w, c + 1);
        fk_jpeg_put_byte(w, colour && c == 0 ? 0x22 : 0x11); /* luma has twice the samples */
        fk_jpeg_put_byte(w, c > 0);
    }

    const uint32_t specs = 2 + sizeof fk_jpeg_dc_spec[0] + sizeof fk_jpeg_ac_spec[0];
    put_marker(w, 0xC4, 2 + tables * specs);
    for (uint32_t t = 0; t < tables; t++) {
        fk_jpeg_put_byte(w, t);
        put_bytes(w, fk_jpeg_dc_spec[t], sizeof fk_jpeg_dc_spec[0]);
        fk_jpeg_put_byte(w, 0x10 + t);
        put_bytes(w, fk_jpeg_ac_spec[t], sizeof fk_jpeg_ac_spec[0]);
    }

    if (cfg->restart_interval != 0) {
        put_marker(w, 0xDD, 4);
        put_u16(w, cfg->restart_interval);
    }

    put_marker(w, 0xDA, 6 + 2 * components);
    fk_jpeg_put_byte(w, components);
    for (uint32_t c = 0; c < components; c++) {
        fk_jpeg_put_byte(w, c + 1);
        fk_jpeg_put_byte(w, c > 0 ? 0x11 : 0x00);
    }
    fk_jpeg_put_byte(w, 0);
    fk_jpeg_put_byte(w, 63);
    fk_jpeg_put_byte(w, 0);
}

static void put_block(fk_jpeg_writer *w, const uint8_t *samples, uint32_t stride, int16_t *dc,
                      int component, scratchpad *s)
{
    fk_jpeg_fdct(s->u.block.coef, samples, stride, &s->divisors[component], s->u.block.work);
    fk_jpeg_put_block(w, s->u.block.coef, *dc, component);
    *dc = s->u.block.coef[0];
}

/* No difference in DC, nothing else. */
static const int16_t like_the_last[64];

/* `dc` holds the last DC of luma, Cb and Cr. */
static void put_mcu(fk_jpeg_writer *w, const fk_frame *f, uint32_t x, uint32_t y, int colour,
                    int16_t dc[3], scratchpad *s)
{
    if (!colour) {
        uint32_t stride;
        const uint8_t *luma = fk_jpeg_load_grey(s->samples, &stride, f, x, y, s->u.pad);
        put_block(w, luma, stride, &dc[0], 0, s);
        return;
    }
    fk_jpeg_load_colour(s->samples, f, x, y, s->u.pad);
    for (uint32_t b = 0; b < 4; b++) {
        const uint32_t right = (b & 1) * 8, below = (b >> 1) * 8;
        if (x + right < f->width && y + below < f->height)
            put_block(w, s->samples + below * 16 + right, 16, &dc[0], 0, s);
        else /* all of it is padding that no decoder shows: as the last one, 6 bits */
            fk_jpeg_put_block(w, like_the_last, 0, 0);
    }
    put_block(w, s->samples + FK_JPEG_CB, 8, &dc[1], 1, s);
    put_block(w, s->samples + FK_JPEG_CR, 8, &dc[2], 1, s);
}

int fk_jpeg_encode(uint8_t *out, size_t cap, const fk_frame *f, const fk_jpeg_config *cfg,
                   void *scratch, size_t scratch_size)
{
    const int bad = fk_frame_check(f);
    if (bad < 0)
        return bad;
    if (cfg->quality < 1 || cfg->quality > 100 || cfg->mode > FK_JPEG_YUV420 ||
        (uintptr_t)scratch % _Alignof(scratchpad) != 0)
        return FK_ERR_INVAL;
    if (scratch_size < sizeof(scratchpad))
        return FK_ERR_TOOSMALL;
    scratchpad *const s = scratch;
    const int colour = cfg->mode == FK_JPEG_YUV420 && f->format != FK_PIXEL_GRAY8;
    const uint32_t side = colour ? 16 : 8;

    fk_jpeg_writer w;
    fk_jpeg_writer_init(&w, out, out + cap);
    put_header(&w, f, cfg, colour, s);
    int16_t dc[3] = {0, 0, 0};
    uint32_t coded = 0, restarts = 0; /* MCUs since the last restart; restarts so far */
    for (uint32_t y = 0; y < f->height && !w.overflow; y += side) {
        for (uint32_t x = 0; x < f->width && !w.overflow; x += side) {
            if (cfg->restart_interval != 0 && coded == cfg->restart_interval) {
                fk_jpeg_flush(&w);
                put_u16(&w, 0xFFD0u + (restarts++ & 7u));
                dc[0] = dc[1] = dc[2] = 0;
                coded = 0;
            }
            put_mcu(&w, f, x, y, colour, dc, s);
            coded++;
        }
    }
    fk_jpeg_flush(&w);
    put_u16(&w, 0xFFD9);
    return w.overflow ? FK_ERR_TOOSMALL : (int)(w.at - out);
}
