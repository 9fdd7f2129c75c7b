#include "codec/entropy.h"

#include "codec/tables.h"
#include "fk/bytes.h"

void fk_jpeg_writer_init(fk_jpeg_writer *w, uint8_t *out, uint8_t *end)
{
    *w = (fk_jpeg_writer){.at = out, .end = end, .room = 32};
}

void fk_jpeg_put_byte(fk_jpeg_writer *w, uint32_t byte)
{
    if (w->at == w->end)
        w->overflow = 1;
    else
        *w->at++ = (uint8_t)byte;
}

/* A byte of coded data: 0xFF is followed by a 0, so that it is no marker. */
static void put_stuffed(fk_jpeg_writer *w, uint32_t byte)
{
    fk_jpeg_put_byte(w, byte);
    if (byte == 0xFF)
        fk_jpeg_put_byte(w, 0);
}

static void put_word(fk_jpeg_writer *w, uint32_t v)
{
    const uint32_t no_ff = (~v - 0x01010101u) & v & 0x80808080u; /* 0 if no byte is 0xFF */
    if (no_ff == 0 && w->end - w->at >= 4) {
        fk_put_u32be(w->at, v);
        w->at += 4;
        return;
    }
    for (int shift = 24; shift >= 0; shift -= 8)
        put_stuffed(w, (v >> shift) & 0xFFu);
}

/* Appends the low `count` bits (1..26) of `value`; the others are 0. */
static inline void put_bits(fk_jpeg_writer *w, uint32_t value, uint32_t count)
{
    if (count < w->room) {
        w->room -= count;
        w->bits |= value << w->room;
        return;
    }
    const uint32_t left = count - w->room;
    put_word(w, w->bits | value >> left);
    w->room = 32 - left;
    w->bits = left == 0 ? 0 : value << w->room;
}

void fk_jpeg_flush(fk_jpeg_writer *w)
{
    uint32_t bits = w->bits | ((2u << (w->room - 1)) - 1u);
    for (int used = 32 - (int)w->room; used > 0; used -= 8, bits <<= 8)
        put_stuffed(w, bits >> 24);
    w->bits = 0;
    w->room = 32;
}

/* Bits of |v|, for v != 0. */
static inline uint32_t size_of(int32_t v)
{
    return 32u - (uint32_t)__builtin_clz((unsigned)(v < 0 ? -v : v));
}

/* The `size` bits that say which value of that size: one less for negative ones. */
static inline uint32_t amplitude(int32_t v, uint32_t size)
{
    return (uint32_t)(v + (v >> 31)) & ((1u << size) - 1u);
}

/* One past the last coefficient that is not 0, at least 1. */
static unsigned used(const int16_t *coef)
{
    unsigned n = 64;
    for (; n > 4; n -= 4) { /* most blocks end early: four zeros at a time */
        uint64_t four;
        __builtin_memcpy(&four, coef + n - 4, sizeof four); /* inlined, also when freestanding */
        if (four != 0)
            break;
    }
    while (n > 1 && coef[n - 1] == 0)
        n--;
    return n;
}

void fk_jpeg_put_block(fk_jpeg_writer *writer, const int16_t *coef, int32_t dc_before, int component)
{
    const uint32_t *const ac = fk_jpeg_ac_code[component];
    fk_jpeg_writer w = *writer; /* a local copy lives in registers */

    const int32_t diff = coef[0] - dc_before;
    const uint32_t dc_size = diff == 0 ? 0 : size_of(diff);
    const uint32_t dc_code = fk_jpeg_dc_code[component][dc_size];
    put_bits(&w, dc_code >> 5 | amplitude(diff, dc_size), dc_code & 31u);

    const unsigned n = used(coef);
    uint32_t run = 0; /* zeros before this coefficient, times 10 */
    for (unsigned k = 1; k < n; k++) {
        const int32_t v = coef[k];
        if (v == 0) {
            run += 10;
            continue;
        }
        for (; run >= 160; run -= 160)
            put_bits(&w, ac[FK_JPEG_AC_ZRL] >> 5, ac[FK_JPEG_AC_ZRL] & 31u);
        const uint32_t size = size_of(v);
        const uint32_t code = ac[run + size];
        put_bits(&w, code >> 5 | amplitude(v, size), code & 31u);
        run = 0;
    }
    if (n < 64)
        put_bits(&w, ac[FK_JPEG_AC_EOB] >> 5, ac[FK_JPEG_AC_EOB] & 31u);
    *writer = w;
}
