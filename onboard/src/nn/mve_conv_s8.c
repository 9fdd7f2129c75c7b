/* Convolutions with MVE: four output pixels and a channel at a time.
 *
 * The four windows of input lie side by side in scratch, so that a layer may
 * write over its input. For 16 taps of a channel: a load of weights, four of
 * inputs, four VMLADAVA of 16 products: 10 instructions for 64 products, 0.16
 * each, and about 8 an output (see mve_finish_inline.h for the rounding). */
#include "mve_inline.h"

#if defined(FK_NN_MVE)

#include <arm_mve.h>

#define UNUSED __attribute__((unused)) /* the assembly finds them in registers */

enum { PIXELS = 4, VECTOR = 16 };

static size_t taps_of(const fk_window *w)
{
    return (size_t)w->kernel_h * w->kernel_w * w->in_c;
}

size_t fk_mve_conv_s8_scratch_size(const fk_window *w)
{
    return PIXELS * taps_of(w);
}

/* Whole vectors, the last one masked by the loop: 3 instructions for 16 bytes. */
static inline void copy(int8_t *to, const int8_t *from, size_t n)
{
    __asm__ volatile("wlstp.8 lr, %[n], 2f\n"
                     "1:\n"
                     "vldrb.8 q0, [%[from]], #16\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp    lr, 1b\n"
                     "2:\n"
                     : [to] "+r"(to), [from] "+r"(from)
                     : [n] "r"(n)
                     : "lr", "q0", "memory");
}

static inline void fill(int8_t *to, int8_t value, size_t n)
{
    const int8x16_t all = vdupq_n_s8(value);
    for (size_t i = 0; i < n; i += VECTOR) {
        vstrbq_p_s8(to + i, all, vctp8q((uint32_t)(n - i)));
    }
}

/* A window that crosses an edge, taps outside as zero point. */
__attribute__((noinline)) static void gather_edge(int8_t *patch, const int8_t *in,
                                                  const fk_window *w, int top, int left)
{
    const size_t depth = w->in_c;
    for (unsigned ky = 0; ky < w->kernel_h; ky++) {
        const int y = top + (int)(ky * w->dilation_h);
        const int8_t *row = in + (size_t)y * w->in_w * depth;
        for (unsigned kx = 0; kx < w->kernel_w; kx++, patch += depth) {
            const int x = left + (int)(kx * w->dilation_w);
            if (y < 0 || y >= w->in_h || x < 0 || x >= w->in_w) {
                fill(patch, w->in_zero, depth);
            } else {
                copy(patch, row + (size_t)x * depth, depth);
            }
        }
    }
}

/* The window of input under one output pixel. */
static void gather(int8_t *patch, const int8_t *in, const fk_window *w, int top, int left)
{
    const size_t row_bytes = (size_t)w->in_c * w->kernel_w;
    const size_t pitch = (size_t)w->in_w * w->in_c * w->dilation_h;
    const int bottom = top + (w->kernel_h - 1) * w->dilation_h;
    if (top < 0 || bottom >= w->in_h || left < 0 || left + w->kernel_w > w->in_w ||
        w->dilation_w != 1) {
        gather_edge(patch, in, w, top, left);
        return;
    }
    const int8_t *row = in + ((size_t)top * w->in_w + (size_t)left) * w->in_c;
    for (unsigned ky = w->kernel_h; ky > 0; ky--) {
        copy(patch, row, row_bytes);
        patch += row_bytes;
        row += pitch;
    }
}

/* What a block is to do, read by the assembly below. */
typedef struct {
    uint32_t taps;           /* 0 */
    const uint8_t *channels; /* 4 */
    const int8_t *end;       /* 8: of the first pixel's outputs                           */
    uint32_t past;           /* 12: bytes that whole vectors read past the taps           */
    int32_t low, high, zero; /* 16, 20, 24 */
    uint32_t step;           /* 28: bytes from an output pixel to the next                */
    uint32_t lanes;          /* 32: predicate of the pixels that are there                */
} job;

/* Four pixels through all channels. In assembly because sums, inputs, weights
 * and the row of the channel table take every register, and because the loop's
 * own predication deals with the last, partial vector: 30 instructions a channel
 * and 10 for each 16 taps. The rounding is that of mve_finish_inline.h. */
__attribute__((naked, noinline)) static void block(UNUSED int8_t *out, UNUSED const int8_t *patches,
                                                   UNUSED const int8_t *weights,
                                                   UNUSED const job *j)
{
    __asm__ volatile("push    {r4-r11, lr}\n"
                     "vpush   {d8-d11}\n"
                     "sub     sp, #12\n"
                     "ldrd    r4, r5, [r3, #8]\n"
                     "strd    r4, r5, [sp]\n"
                     "ldr     r4, [r3, #16]\n"
                     "vdup.32 q3, r4\n"
                     "ldr     r4, [r3, #20]\n"
                     "vdup.32 q4, r4\n"
                     "ldr     r4, [r3, #24]\n"
                     "vdup.32 q5, r4\n"
                     "movs    r4, #0\n"
                     "vidup.u32 q2, r4, #1\n"
                     "ldr     r4, [r3, #28]\n"
                     "vmul.i32 q2, q2, r4\n"
                     "ldr     r4, [r3, #32]\n"
                     "vmsr    p0, r4\n"
                     "ldr     r12, [r3, #4]\n"
                     "ldr     r3, [r3]\n"
                     "1:\n" /* a channel */
                     "mov     r5, r1\n"
                     "add     r7, r1, r3\n"
                     "add     r9, r7, r3\n"
                     "add     r11, r9, r3\n"
                     "movs    r4, #0\n"
                     "movs    r6, #0\n"
                     "mov     r8, #0\n"
                     "mov     r10, #0\n"
                     "wlstp.8 lr, r3, 3f\n"
                     "2:\n"
                     "vldrb.8 q0, [r2], #16\n"
                     "vldrb.8 q1, [r5], #16\n"
                     "vmladava.s8 r4, q1, q0\n"
                     "vldrb.8 q1, [r7], #16\n"
                     "vmladava.s8 r6, q1, q0\n"
                     "vldrb.8 q1, [r9], #16\n"
                     "vmladava.s8 r8, q1, q0\n"
                     "vldrb.8 q1, [r11], #16\n"
                     "vmladava.s8 r10, q1, q0\n"
                     "letp    lr, 2b\n"
                     "3:\n"
                     "ldm     r12!, {r5, r7, r9}\n" /* bias, multiplier, shift */
                     "vmov    q0[2], q0[0], r4, r8\n"
                     "vmov    q0[3], q0[1], r6, r10\n"
                     "vadd.i32 q0, q0, r5\n"
                     "cmp     r9, #0\n"
                     "bge     5f\n"
                     "vqrdmulh.s32 q0, q0, r7\n"
                     "vshr.s32 q1, q0, #31\n"
                     "vqadd.s32 q0, q0, q1\n"
                     "vrshl.s32 q0, r9\n"
                     "4:\n"
                     "vqadd.s32 q0, q0, q5\n"
                     "vmin.s32 q0, q0, q4\n"
                     "vmax.s32 q0, q0, q3\n"
                     "vpst\n"
                     "vstrbt.32 q0, [r0, q2]\n"
                     "ldrd    r4, r5, [sp]\n"
                     "adds    r0, #1\n"
                     "sub     r2, r2, r5\n"
                     "cmp     r0, r4\n"
                     "bne     1b\n"
                     "add     sp, #12\n"
                     "vpop    {d8-d11}\n"
                     "pop     {r4-r11, pc}\n"
                     "5:\n" /* a shift to the left comes first */
                     "vshl.s32 q0, r9\n"
                     "vqrdmulh.s32 q0, q0, r7\n"
                     "b       4b\n");
}

void fk_mve_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    int8_t *patches = (int8_t *)scratch;
    const size_t taps = taps_of(w);
    const uint32_t total = (uint32_t)w->out_h * w->out_w;
    const int flat = taps == w->in_c && w->stride_h == 1 && w->stride_w == 1 && w->pad_top == 0 &&
                     w->pad_left == 0 && w->in_w == w->out_w && w->in_h >= w->out_h;
    job j = {(uint32_t)taps, w->channels, NULL,       (uint32_t)(VECTOR - 1 - (taps - 1) % VECTOR),
             w->act_min,     w->act_max,  w->out_zero, w->out_c,
             0};
    unsigned oy = 0, ox = 0;
    for (uint32_t done = 0; done < total; done += PIXELS, out += PIXELS * (size_t)w->out_c) {
        const uint32_t n = total - done < PIXELS ? total - done : PIXELS;
        if (flat) {
            copy(patches, in + done * taps, n * taps);
        }
        for (uint32_t i = 0; i < n && !flat; i++) {
            gather(patches + i * taps, in, w, (int)(oy * w->stride_h) - w->pad_top,
                   (int)(ox * w->stride_w) - w->pad_left);
            if (++ox == w->out_w) {
                ox = 0;
                oy++;
            }
        }
        j.end = out + w->out_c;
        j.lanes = vctp32q(n);
        block(out, patches, w->weights, &j);
    }
}

#endif
