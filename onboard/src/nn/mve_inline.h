/* Kernels for cores with Helium, Armv8.1-M's vector extension (Cortex-M55). */
#ifndef FK_NN_MVE_INLINE_H
#define FK_NN_MVE_INLINE_H

#include "kernels.h"

#if defined(__ARM_FEATURE_MVE)
#define FK_NN_MVE 1

/* As the kernels of kernels.h. Depthwise layers that fit takes: up to 4x4 taps,
 * one output channel for each of the input. */
size_t fk_mve_conv_s8_scratch_size(const fk_window *w);
void fk_mve_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);
int fk_mve_depthwise_s8_fits(const fk_window *w);
size_t fk_mve_depthwise_s8_scratch_size(const fk_window *w);
void fk_mve_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);

/* 0, and nothing done, where shapes differ or an operand is negated. */
int fk_mve_add_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p);

#endif
#endif
