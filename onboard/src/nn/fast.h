/* Which implementation of the kernels runs: the portable one, or one for this
 * core. All give the same results bit for bit.
 *
 * On x86-64 the processor is asked once, at the first use; what those kernels
 * need beside the arena is memory of the library's own, so that a model's arena
 * is as large on a host as in flight. On Cortex-M the compiler's target decides. */
#ifndef FK_NN_FAST_H
#define FK_NN_FAST_H

#include <stddef.h>
#include <stdint.h>

#include "nn/kernels.h"

typedef enum {
    FK_BACKEND_PORTABLE = 0,
    FK_BACKEND_AVX2 = 1,
    FK_BACKEND_AVX_VNNI = 2,
    FK_BACKEND_AVX512_VNNI = 3,
    FK_BACKEND_MVE = 4,
    FK_BACKEND_COUNT
} fk_backend;

/* The one in use, and whether this build on this processor has `backend`. */
int fk_backend_chosen(void);
int fk_backend_available(int backend);

/* For tests: uses `backend` from now on. FK_ERR_UNSUPPORTED where it is not
 * available. Not for use while another thread runs a model. */
int fk_backend_force(int backend);

/* "portable", "avx2", ...; "" for a number that is none. */
const char *fk_backend_name(int backend);

/* Memory for whole feature maps beside the arena, this thread's until its next
 * call; NULL where there is not as much. A host computes faster layer by layer
 * than row by row. */
uint8_t *fk_fast_maps(size_t size);

/* The kernels of the same name in kernels.h, by the backend in use. */
size_t fk_fast_conv_s8_scratch_size(const fk_window *w);
void fk_fast_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);
size_t fk_fast_depthwise_s8_scratch_size(const fk_window *w);
void fk_fast_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch);
void fk_fast_avg_pool_s8(int8_t *out, const int8_t *in, const fk_window *w);
void fk_fast_add_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p);

#endif
