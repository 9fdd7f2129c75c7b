/* The portable twin of pairs_v7em.c: the same numbers on any core, whatever the
 * bytes of the stream. */
#include "pairs.h"

#include "pairs_inline.h"

#if !defined(FK_V7EM)

/* Sums of one pixel: `both` over whole numbers, `low` over their low bytes. They
 * wrap as the registers of the fast twin do. */
typedef struct {
    uint32_t both, low;
} sums;

static sums dot(const int16_t *x, unsigned pixels, const uint8_t *stream, uint32_t steps)
{
    sums s = {0, 0};
    for (uint32_t half = 0; half < 2 * steps; half++) {
        for (unsigned i = 0; i < 2; i++) {
            const int32_t weight = (int16_t)fk_get_u16le(stream + 4 * half + 2 * i);
            const int32_t tap = x[2 * pixels * half + i];
            s.both += (uint32_t)(tap * weight);
            s.low += (uint32_t)(tap * (int8_t)(weight & 0xFF));
        }
    }
    return s;
}

static void block(const int16_t *x, unsigned pixels, const uint8_t *stream, int8_t *out,
                  const fk_pairs_job *job)
{
    const size_t weights = (size_t)job->steps * FK_PAIRS_STEP_BYTES;
    for (uint32_t pair = 0; pair < job->pairs; pair++, out += 2) {
        const uint8_t *rows = stream + weights;
        for (unsigned p = 0; p < pixels; p++) {
            const sums s = dot(x + 2 * p, pixels, stream, job->steps);
            const int32_t high = (int32_t)(s.both - s.low) >> 7; /* 256 * S1, then twice S1 */
            out[p * job->stride] = fk_pairs_finish(s.low << 1, rows);
            if (2 * pair + 1 < job->stride) {
                out[p * job->stride + 1] = fk_pairs_finish((uint32_t)high, rows + FK_PAIRS_ROW_BYTES);
            }
        }
        stream = rows + 2 * FK_PAIRS_ROW_BYTES;
    }
}

void fk_pairs_block_3(const int16_t *x, const uint8_t *stream, int8_t *out, const fk_pairs_job *job)
{
    block(x, 3, stream, out, job);
}

void fk_pairs_block_1(const int16_t *x, const uint8_t *stream, int8_t *out, const fk_pairs_job *job)
{
    block(x, 1, stream, out, job);
}

static void widen(int16_t *x, const int8_t *const *pixel, unsigned pixels, uint32_t steps)
{
    for (uint32_t step = 0; step < steps; step++) {
        for (unsigned odd = 0; odd < 2; odd++) {
            for (unsigned p = 0; p < pixels; p++) {
                *x++ = pixel[p][4 * step + odd];
                *x++ = pixel[p][4 * step + odd + 2];
            }
        }
    }
}

void fk_pairs_widen_3(int16_t *x, const int8_t *const pixel[FK_PAIRS_PIXELS], uint32_t steps)
{
    widen(x, pixel, FK_PAIRS_PIXELS, steps);
}

void fk_pairs_widen_1(int16_t *x, const int8_t *pixel, uint32_t steps)
{
    widen(x, &pixel, 1, steps);
}

#endif
