/* The int8 kernels, one file each. They know nothing of images: what a layer
 * needs comes as a struct. Layout is NHWC with a batch of 1.
 *
 * Input and output may share memory. The planner counts on this order, for
 * every implementation of a kernel:
 *   windows (convolutions, pools)  rows upwards; a row of the output may lie
 *                                  over input that no later row and not this
 *                                  row needs
 *   1x1 convolutions, stride 1     pixels upwards; a pixel may lie over its own
 *                                  input: its inputs are read before it is
 *                                  written, in blocks of any size
 *   element by element             upwards; read before written
 * All others get separate memory. */
#ifndef FK_NN_KERNELS_H
#define FK_NN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* A window sliding over rows and columns. */
typedef struct {
    uint16_t in_h, in_w, in_c, out_h, out_w, out_c;
    uint16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    uint16_t pad_top, pad_left;  /* rows and columns of zero point before the input    */
    int8_t in_zero, out_zero;    /* zero points                                        */
    int8_t act_min, act_max;     /* the fused activation, as a clamp                   */
    uint8_t layout;              /* how `weights` are packed, 0 = as in the .tflite    */
    const int8_t *weights;       /* [out_c][kernel_h][kernel_w][in_c];
                                    depthwise [kernel_h][kernel_w][out_c]              */
    const uint8_t *channels;     /* per output channel int32 {bias, multiplier, shift},
                                    little-endian; -in_zero * weights is in the bias,
                                    so that taps outside the input read in_zero        */
} fk_window;

/* CONV_2D and FULLY_CONNECTED (a 1x1 window over `batch` pixels). Scratch: one
 * window of input. */
size_t fk_conv_s8_scratch_size(const fk_window *w);
void fk_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);

/* DEPTHWISE_CONV_2D; out_c is a multiple of in_c. Scratch: out_c sums. */
size_t fk_depthwise_s8_scratch_size(const fk_window *w);
void fk_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);

/* Mean and maximum over the part of the window that lies on the input. */
void fk_avg_pool_s8(int8_t *out, const int8_t *in, const fk_window *w);
void fk_max_pool_s8(int8_t *out, const int8_t *in, const fk_window *w);

/* Softmax over `depth` values, `rows` times. exps[d] is exp(-d * scale * beta)
 * as Q0.31 for a value d below the largest; beyond `exp_count` it is 0. */
typedef struct {
    uint32_t rows, depth;
    const uint8_t *exps; /* int32, little-endian                                       */
    uint32_t exp_count;  /* 1..256                                                     */
} fk_softmax;

void fk_softmax_s8(int8_t *out, const int8_t *in, const fk_softmax *s);

/* Two operands, element by element. dims are those of the output, outermost
 * first; bit d of a broadcast mask says that the operand has 1 there. */
typedef struct {
    uint32_t dims[4];
    uint8_t broadcast_a, broadcast_b;
    int8_t a_zero, b_zero, out_zero, act_min, act_max;
    uint8_t negate;          /* additions: bit 0 subtracts a, bit 1 subtracts b        */
    int32_t a_multiplier, b_multiplier, out_multiplier;
    int8_t a_shift, b_shift, out_shift; /* -31..30, of additions <= 0                  */
} fk_binary;

/* ADD and SUB: both operands at 2^20 times, scaled, summed, scaled back. */
void fk_add_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p);

/* MUL: only out_multiplier. */
void fk_mul_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p);

/* PRELU: b is alpha; a_multiplier where a >= zero, else b_multiplier of a * b. */
void fk_prelu_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p);

/* Any function of one value, `table[value + 128]`: LOGISTIC, TANH, RELU, ... */
void fk_lut_s8(int8_t *out, const int8_t *in, uint32_t size, const int8_t *table);

/* Moves a box of values from anywhere to anywhere: TRANSPOSE, SPLIT, PAD, ... */
typedef struct {
    uint32_t dims[4];
    int32_t in_stride[4], out_stride[4];
    uint32_t in_offset, out_offset;
} fk_copy;

void fk_copy_s8(int8_t *out, const int8_t *in, const fk_copy *c);

/* MEAN over the middle of [outer][reduce][inner]; `bias` is -zero point *
 * reduce, the multiplier holds 1 / reduce. */
typedef struct {
    uint32_t outer, reduce, inner;
    int32_t bias, multiplier;
    int8_t shift, out_zero;
} fk_mean;

void fk_mean_s8(int8_t *out, const int8_t *in, const fk_mean *m);

/* RESIZE_*: which input rows and columns an output pixel is made of. Nearest:
 * a uint16 for each. Bilinear: uint16 lower, uint16 upper, int32 weight of the
 * upper in 1/1024 (below 0 at the edges, where both are the same). */
typedef struct {
    uint16_t in_h, in_w, channels, out_h, out_w;
    const uint8_t *rows, *columns; /* little-endian, out_h and out_w entries           */
} fk_resize;

void fk_resize_nearest_s8(int8_t *out, const int8_t *in, const fk_resize *r);
void fk_resize_bilinear_s8(int8_t *out, const int8_t *in, const fk_resize *r);

/* TRANSPOSE_CONV, weights [out_c][kernel_h][kernel_w][in_c]; here the zero
 * point is not in the bias, as the taps that count differ from pixel to pixel. */
void fk_transpose_conv_s8(int8_t *out, const int8_t *in, const fk_window *w);

#endif
