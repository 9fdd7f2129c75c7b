/* Depthwise convolutions with MVE: four output pixels and a channel at a time.
 *
 * For 16 channels, the rows under a row of output are interleaved (VST4): for
 * each column and channel a word of four rows. A gather of the words of four
 * columns is then a whole window of a channel, and VMLADAV with the weights in
 * the same order is its sum: 9 products of a 3x3 window in two instructions,
 * about 7 an output with rounding (mve_finish_inline.h) and interleaving. */
#include "mve_inline.h"

#if defined(FK_NN_MVE)

#include "mve_finish_inline.h"

#define UNUSED __attribute__((unused)) /* the assembly finds them in registers */

enum { PIXELS = 4, VECTOR = 16, SIDE = 4, COLUMN = VECTOR * SIDE };

int fk_mve_depthwise_s8_fits(const fk_window *w)
{
    return w->kernel_h <= SIDE && w->kernel_w <= SIDE && w->dilation_w == 1 && w->in_c == w->out_c;
}

/* Columns of input that groups of four outputs look at, whole windows of four. */
static size_t columns_of(const fk_window *w)
{
    const size_t outputs = ((size_t)w->out_w + PIXELS - 1) / PIXELS * PIXELS;
    return (outputs - 1) * w->stride_w + SIDE;
}

size_t fk_mve_depthwise_s8_scratch_size(const fk_window *w)
{
    return COLUMN * (columns_of(w) + SIDE);
}

/* Four rows of 16 values to 16 words. */
static inline void interleave(int8_t *to, const int8_t *r0, const int8_t *r1, const int8_t *r2,
                              const int8_t *r3, mve_pred16_t lanes)
{
    const int8x16x4_t x = {{vldrbq_z_s8(r0, lanes), vldrbq_z_s8(r1, lanes), vldrbq_z_s8(r2, lanes),
                            vldrbq_z_s8(r3, lanes)}};
    vst4q_s8(to, x);
}

/* Weights of 16 channels; taps beyond the kernel are 0. */
static void interleave_weights(int8_t *to, const fk_window *w, unsigned c, mve_pred16_t lanes)
{
    static const int8_t zeros[VECTOR];
    const int8_t *rows[SIDE];
    for (unsigned kx = 0; kx < SIDE; kx++, to += COLUMN) {
        for (unsigned ky = 0; ky < SIDE; ky++) {
            rows[ky] = kx < w->kernel_w && ky < w->kernel_h
                           ? w->weights + ((size_t)ky * w->kernel_w + kx) * w->out_c + c
                           : zeros;
        }
        interleave(to, rows[0], rows[1], rows[2], rows[3], lanes);
    }
}

/* `n` columns outside the input. */
static int8_t *outside_columns(int8_t *to, int n, int8_t value)
{
    for (int i = 0; i < SIDE * n; i++, to += VECTOR) {
        vstrbq_s8(to, vdupq_n_s8(value));
    }
    return to;
}

/* Columns of four rows that advance by `step`, 0 for a row outside. */
__attribute__((noinline)) static int8_t *inside_columns(int8_t *to, const int8_t *const *rows,
                                                        const size_t *step, int n,
                                                        mve_pred16_t lanes)
{
    const int8_t *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
    const size_t s0 = step[0], s1 = step[1], s2 = step[2], s3 = step[3];
    for (; n > 0; n--, to += COLUMN) {
        interleave(to, r0, r1, r2, r3, lanes);
        r0 += s0;
        r1 += s1;
        r2 += s2;
        r3 += s3;
    }
    return to;
}

/* The columns under output row `oy`, channels from `c`. */
static void interleave_rows(int8_t *to, const int8_t *in, const fk_window *w, unsigned oy, unsigned c,
                            mve_pred16_t lanes)
{
    int8_t outside[VECTOR];
    const int8_t *rows[SIDE];
    size_t step[SIDE];
    const int columns = (int)((w->out_w - 1u) * w->stride_w + w->kernel_w);
    const int before = w->pad_left < columns ? w->pad_left : columns;
    const int inside = w->in_w < columns - before ? w->in_w : columns - before;
    vstrbq_s8(outside, vdupq_n_s8(w->in_zero));
    for (unsigned ky = 0; ky < SIDE; ky++) {
        const int y = (int)(oy * w->stride_h + ky * w->dilation_h) - w->pad_top;
        const int there = ky < w->kernel_h && y >= 0 && y < w->in_h;
        rows[ky] = there ? in + (size_t)y * w->in_w * w->in_c + c : outside;
        step[ky] = there ? w->in_c : 0;
    }
    to = outside_columns(to, before, w->in_zero);
    to = inside_columns(to, rows, step, inside, lanes);
    (void)outside_columns(to, columns - before - inside, w->in_zero);
}

static inline int32_t window_sum(const int8_t *columns, uint32x4_t words, int8x16_t weights)
{
    const int32_t *base = (const int32_t *)(const void *)columns;
    return vmladavq_s8(vreinterpretq_s8_s32(vldrwq_gather_offset_s32(base, words)), weights);
}

/* What a row of outputs of some channels is made with, read by the assembly. */
typedef struct {
    const uint8_t *channels; /* 0 */
    uint32_t step;           /* 4: bytes of columns from an output to the next            */
    uint32_t outputs;        /* 8 */
    int32_t low, high, zero; /* 12, 16, 20 */
    uint32_t depth;          /* 24: bytes from an output to the next                      */
    uint32_t groups;         /* 28: of four outputs                                       */
    uint32_t count;          /* 32: of channels                                           */
} job;

/* A row of outputs of channels whose shifts go right: 28 instructions for four
 * outputs. In assembly because the compiler moves the sums through memory. */
__attribute__((naked, noinline)) static void
channel_rows(UNUSED int8_t *out, UNUSED const int8_t *columns, UNUSED const int8_t *taps,
             UNUSED const job *j)
{
    __asm__ volatile("push    {r4-r11, lr}\n"
                     "vpush   {d8-d15}\n"
                     "sub     sp, #28\n"
                     "ldr     r4, [r3, #12]\n"
                     "vdup.32 q3, r4\n"
                     "ldr     r4, [r3, #16]\n"
                     "vdup.32 q4, r4\n"
                     "ldr     r4, [r3, #20]\n"
                     "vdup.32 q5, r4\n"
                     "movs    r4, #0\n"
                     "vidup.u32 q2, r4, #1\n"
                     "movs    r4, #64\n"
                     "vmul.i32 q6, q2, r4\n" /* words of a channel in four columns */
                     "ldr     r11, [r3, #24]\n"
                     "vmul.i32 q2, q2, r11\n" /* the four outputs */
                     "lsl     r11, r11, #2\n"
                     "ldrd    r4, r5, [r3, #28]\n" /* groups, channels */
                     "ldr     r6, [r3, #8]\n"
                     "ldr     r7, [r3]\n"
                     "ldr     r3, [r3, #4]\n"
                     "strd    r4, r6, [sp, #8]\n" /* groups, outputs */
                     "mov     r4, r11\n"
                     "2:\n" /* a channel */
                     "str     r5, [sp, #16]\n"
                     "strd    r0, r1, [sp]\n"
                     "vldrw.u32 q1, [r2, q6]\n"
                     "adds    r2, #4\n"
                     "str     r2, [sp, #20]\n"
                     "ldm     r7!, {r2, r5, r9}\n" /* bias, multiplier, shift */
                     "ldrd    lr, r11, [sp, #8]\n"
                     "dls     lr, lr\n"
                     "1:\n"
                     "vldrw.u32 q0, [r1, q6]\n"
                     "add     r1, r3\n"
                     "vmladav.s8 r6, q0, q1\n"
                     "vldrw.u32 q0, [r1, q6]\n"
                     "add     r1, r3\n"
                     "vmladav.s8 r8, q0, q1\n"
                     "vldrw.u32 q0, [r1, q6]\n"
                     "add     r1, r3\n"
                     "vmladav.s8 r10, q0, q1\n"
                     "vldrw.u32 q0, [r1, q6]\n"
                     "add     r1, r3\n"
                     "vmladav.s8 r12, q0, q1\n"
                     "vmov    q0[2], q0[0], r6, r10\n"
                     "vmov    q0[3], q0[1], r8, r12\n"
                     "vadd.i32 q0, q0, r2\n"
                     "vqrdmulh.s32 q0, q0, r5\n"
                     "vshr.s32 q7, q0, #31\n"
                     "vqadd.s32 q0, q0, q7\n"
                     "vrshl.s32 q0, r9\n"
                     "vqadd.s32 q0, q0, q5\n"
                     "vmin.s32 q0, q0, q4\n"
                     "vmax.s32 q0, q0, q3\n"
                     "vctp.32 r11\n"
                     "vpst\n"
                     "vstrbt.32 q0, [r0, q2]\n"
                     "add     r0, r4\n"
                     "sub     r11, #4\n"
                     "le      lr, 1b\n"
                     "ldrd    r0, r1, [sp]\n"
                     "ldrd    r5, r2, [sp, #16]\n"
                     "adds    r0, #1\n"
                     "adds    r1, #4\n"
                     "subs    r5, #1\n"
                     "bne     2b\n"
                     "add     sp, #28\n"
                     "vpop    {d8-d15}\n"
                     "pop     {r4-r11, pc}\n");
}

static int all_right(const uint8_t *channels, unsigned count)
{
    int right = 1;
    for (unsigned i = 0; i < count; i++) {
        right &= fk_get_i32le(channels + i * FK_FKM_CHANNEL_BYTES + FK_FKM_CHANNEL_SHIFT) < 0;
    }
    return right;
}

/* The same for any shift. */
static void channel_row_of_any(int8_t *out, const int8_t *columns, const int8_t *taps,
                               const uint8_t *channel, const fk_window *w)
{
    const fk_mve_outputs o = fk_mve_outputs_of(w);
    const uint32x4_t words = vmulq_n_u32(vidupq_n_u32(0, 1), COLUMN);
    const int32_t *base = (const int32_t *)(const void *)taps;
    const int8x16_t weights = vreinterpretq_s8_s32(vldrwq_gather_offset_s32(base, words));
    const size_t step = (size_t)COLUMN * w->stride_w, next = PIXELS * (size_t)w->out_c;
    for (int left = w->out_w; left > 0; left -= PIXELS, out += next, columns += PIXELS * step) {
        const int32x4_t sums = {window_sum(columns, words, weights),
                                window_sum(columns + step, words, weights),
                                window_sum(columns + 2 * step, words, weights),
                                window_sum(columns + 3 * step, words, weights)};
        fk_mve_finish(out, sums, channel, &o, vctp32q((uint32_t)left));
    }
}

void fk_mve_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    int8_t *taps = (int8_t *)scratch, *columns = taps + SIDE * COLUMN;
    job j = {NULL,        (uint32_t)COLUMN * w->stride_w, w->out_w, w->act_min, w->act_max,
             w->out_zero, w->out_c, ((uint32_t)w->out_w + 3u) / 4u, 0};
    for (unsigned oy = 0; oy < w->out_h; oy++, out += (size_t)w->out_w * w->out_c) {
        for (unsigned c = 0; c < w->out_c; c += VECTOR) {
            const unsigned n = w->out_c - c < VECTOR ? w->out_c - c : VECTOR;
            const mve_pred16_t lanes = vctp8q(n);
            if (oy == 0 || w->out_c > VECTOR) {
                interleave_weights(taps, w, c, lanes);
            }
            interleave_rows(columns, in, w, oy, c, lanes);
            j.channels = w->channels + c * FK_FKM_CHANNEL_BYTES;
            j.count = n;
            if (all_right(j.channels, n)) {
                channel_rows(out + c, columns, taps, &j);
                continue;
            }
            for (unsigned i = 0; i < n; i++) {
                channel_row_of_any(out + c + i, columns + SIDE * i, taps + SIDE * i,
                                   j.channels + i * FK_FKM_CHANNEL_BYTES, w);
            }
        }
    }
}

#endif
