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

#endif
