/* The DCT of Arai, Agui and Nakajima: 5 multiplications and 29 additions for 8 samples;
 * what remains of the scale goes into the divisors. Rows come first and keep FRACTION bits
 * below the point, made by multiplying alone, with no rounding; columns then use the upper
 * half of a 64-bit product, one instruction on Armv7E-M. */
#include "codec/fdct.h"

#include "base/v7em.h"
#include "codec/tables.h"

enum { FRACTION = 14 };

/* cos(k pi/16) sqrt(2) are the scales s of the outputs (1 for k = 0); here 2^14 / s. */
static const uint16_t inverse_scale[8] = {16384, 11812, 12540, 13933, 16384, 20853, 30274, 59384};

void fk_jpeg_divisors_make(fk_jpeg_divisors *out, const uint8_t *quant)
{
    for (unsigned u = 0; u < 8; u++) {
        for (unsigned v = 0; v < 8; v++) {
            /* an output is coefficient * 8 s_u s_v * 2^FRACTION; the product is divided by
             * 2^32, so the reciprocal is 2^15 / (s_u s_v q) */
            const uint32_t scale = (uint32_t)inverse_scale[u] * inverse_scale[v]; /* << 28 */
            const uint32_t divisor = (uint32_t)quant[fk_jpeg_zigzag[u * 8 + v]] << 13;
            out->reciprocal[u * 8 + v] = (int32_t)(scale / divisor + (scale % divisor >= divisor / 2));
        }
    }
}

/* Upper half of a product. */
static inline int32_t high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b) >> 32);
}

/* The same, rounded to nearest, halves up. */
static inline int32_t high_rounded(int32_t a, int32_t b)
{
#if defined(FK_V7EM)
    int32_t out;
    __asm__("smmulr %0, %1, %2" : "=r"(out) : "r"(a), "r"(b));
    return out;
#else
    return (int32_t)(((int64_t)a * b + 0x80000000) >> 32);
#endif
}

/* Factors of the row pass, in 2^FRACTION, and of the column pass, in 2^31. */
enum {
    ROW_0_38 = 6270,  /* cos 6pi/16                            */
    ROW_0_54 = 8867,  /* cos 2pi/16 - cos 6pi/16               */
    ROW_0_71 = 11585,  /* cos 4pi/16                            */
    ROW_1_31 = 21407, /* cos 2pi/16 + cos 6pi/16               */
    ROW_1 = 1 << FRACTION,
    COL_0_38 = 821806413,
    COL_0_54 = 1162209775,
    COL_0_71 = 1518500250,
    COL_0_31 = 658338954, /* 1.31 less 1 */
};

static void transform_row(int32_t *out, const uint8_t *in)
{
    const int32_t s0 = in[0] + in[7], d0 = in[0] - in[7];
    const int32_t s1 = in[1] + in[6], d1 = in[1] - in[6];
    const int32_t s2 = in[2] + in[5], d2 = in[2] - in[5];
    const int32_t s3 = in[3] + in[4], d3 = in[3] - in[4];

    const int32_t e0 = s0 + s3, e3 = s0 - s3, e1 = s1 + s2, e2 = s1 - s2;
    const int32_t z1 = (e2 + e3) * ROW_0_71;
    out[0] = (e0 + e1) * ROW_1;
    out[4] = (e0 - e1) * ROW_1;
    out[2] = e3 * ROW_1 + z1;
    out[6] = e3 * ROW_1 - z1;

    const int32_t o0 = d3 + d2, o1 = d2 + d1, o2 = d1 + d0;
    const int32_t z5 = (o0 - o2) * ROW_0_38;
    const int32_t z2 = o0 * ROW_0_54 + z5;
    const int32_t z4 = o2 * ROW_1_31 + z5;
    const int32_t z3 = o1 * ROW_0_71;
    const int32_t z11 = d0 * ROW_1 + z3, z13 = d0 * ROW_1 - z3;
    out[5] = z13 + z2;
    out[3] = z13 - z2;
    out[1] = z11 + z4;
    out[7] = z11 - z4;
}

static void transform_column(int16_t *out, const int32_t *in, const int32_t *r,
                             const uint8_t *zigzag, int32_t level)
{
    const int32_t s0 = in[0] + in[56], d0 = in[0] - in[56];
    const int32_t s1 = in[8] + in[48], d1 = in[8] - in[48];
    const int32_t s2 = in[16] + in[40], d2 = in[16] - in[40];
    const int32_t s3 = in[24] + in[32], d3 = in[24] - in[32];

    const int32_t e0 = s0 + s3, e3 = s0 - s3, e1 = s1 + s2, e2 = s1 - s2;
    const int32_t z1 = high(e2 + e3, COL_0_71) * 2;
    out[zigzag[0]] = (int16_t)high_rounded(e0 + e1 - level, r[0]);
    out[zigzag[4]] = (int16_t)high_rounded(e0 - e1, r[4]);
    out[zigzag[2]] = (int16_t)high_rounded(e3 + z1, r[2]);
    out[zigzag[6]] = (int16_t)high_rounded(e3 - z1, r[6]);

    const int32_t o0 = d3 + d2, o1 = d2 + d1, o2 = d1 + d0;
    const int32_t z5 = high(o0 - o2, COL_0_38);
    const int32_t z2 = (high(o0, COL_0_54) + z5) * 2;
    const int32_t z4 = (high(o2, COL_0_31) + z5) * 2 + o2;
    const int32_t z3 = high(o1, COL_0_71) * 2;
    const int32_t z11 = d0 + z3, z13 = d0 - z3;
    out[zigzag[5]] = (int16_t)high_rounded(z13 + z2, r[5]);
    out[zigzag[3]] = (int16_t)high_rounded(z13 - z2, r[3]);
    out[zigzag[1]] = (int16_t)high_rounded(z11 + z4, r[1]);
    out[zigzag[7]] = (int16_t)high_rounded(z11 - z4, r[7]);
}

void fk_jpeg_fdct(int16_t *out, const uint8_t *in, uint32_t stride, const fk_jpeg_divisors *divisors,
                  int32_t *work)
{
    for (unsigned v = 0; v < 8; v++)
        transform_row(work + 8 * v, in + v * stride);
    int32_t level = 128 * 64 << FRACTION; /* all the samples' level shift lands in the DC */
    for (unsigned u = 0; u < 8; u++, level = 0)
        transform_column(out, work + u, divisors->reciprocal + 8 * u, fk_jpeg_zigzag + 8 * u, level);
}
