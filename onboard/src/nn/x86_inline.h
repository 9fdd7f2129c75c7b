/* What the x86-64 kernels share: how a layer's workspace is laid out.
 *
 * The weights stay in the image as they are, [out][taps]; each run repacks them
 * into a workspace, a hundredth of the work of all but tiny layers, so that any
 * image runs fast on a host and the host needs no layout of its own.
 *
 * The input is copied once to the workspace with its padding around it, so that no
 * kernel looks at an edge, and so that output and input may share memory in
 * any way. */
#ifndef FK_NN_X86_INLINE_H
#define FK_NN_X86_INLINE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

#if defined(__x86_64__)
#define FK_NN_X86 1

enum {
    FK_X86_LANES = 16,  /* channels are padded to a multiple, that of the widest vectors   */
    FK_X86_TAPS = 4,    /* products that one instruction sums                              */
    FK_X86_ALIGN = 64,
    FK_X86_WORKSPACE = 1 << 20, /* layers that want more are left to the portable kernels */
    FK_X86_MAPS = 1 << 20
};

/* Workspace: requantisation by output channel, packed weights, padded input. */
typedef struct {
    int fits;           /* 0: the portable kernel is used                                  */
    int flat;           /* every output pixel has one input pixel: a single row of them    */
    size_t rows, columns;   /* of the padded input                                         */
    size_t pixel, pitch;    /* bytes from a column, a row to the next                      */
    size_t steps;       /* of FK_X86_TAPS taps: conv per kernel row; depthwise per column  */
    size_t channels;    /* outputs, padded                                                 */
    size_t weights, input;  /* offsets in the workspace; the channels' rows are at 0         */
    size_t size;        /* of all                                                          */
} fk_x86_plan;

/* Per output channel, each an array of plan->channels int32. */
enum {
    FK_X86_BIAS, FK_X86_MULTIPLIER, FK_X86_ROUNDING, FK_X86_RIGHT, FK_X86_LEFT, FK_X86_ROWS
};

void fk_x86_plan_conv(fk_x86_plan *plan, const fk_window *w);
void fk_x86_plan_depthwise(fk_x86_plan *plan, const fk_window *w);

/* How the sums of a layer are scaled. In the simple kind they are below 2^30 and
 * all shifts go right by 1..20; ROUNDING is a half, and the output's zero point
 * is in it. In the general kind ROUNDING is the mask of the bits shifted out. */
enum { FK_X86_GENERAL = 1, FK_X86_SIMPLE = 2 };

/* Fills the channels' rows for sums of `taps` products; returns the kind, or 0
 * for a multiplier that no compiler writes. */
int fk_x86_prepare(int32_t *rows, const fk_x86_plan *plan, const fk_window *w, size_t taps);

/* One set of kernels; conv and depthwise return 0 where they leave the layer to
 * the portable twin. */
typedef struct {
    int (*conv)(int8_t *out, const int8_t *in, const fk_window *w, const fk_x86_plan *plan,
                uint8_t *workspace);
    int (*depthwise)(int8_t *out, const int8_t *in, const fk_window *w, const fk_x86_plan *plan,
                     uint8_t *workspace);
    void (*avg_pool)(int8_t *out, const int8_t *in, const fk_window *w);
    int (*add)(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p);
} fk_x86_kernels;

extern const fk_x86_kernels fk_x86_avx2, fk_x86_avx_vnni, fk_x86_avx512_vnni;

/* The best of `fk_backend` that this processor and its system support. */
int fk_x86_detect(void);
int fk_x86_available(int backend);

#endif
#endif
