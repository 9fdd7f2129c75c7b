/* AVX-VNNI: 32 products an instruction. See x86_kernels_inline.h. */
#include "x86_inline.h"

#if defined(FK_NN_X86)

#include <immintrin.h>

#include "requant_inline.h"
#include "window_inline.h"

#define V_TARGET __attribute__((target("avx2,avxvnni")))
#define V_FN V_TARGET __attribute__((always_inline)) static inline
#define V_ENTRY V_TARGET
#define V_UNROLL _Pragma("GCC unroll 16")

#include "x86_256_inline.h"

enum { V_FLIP = 0x80 };

V_FN V v_dot(V sum, V x, V w) { return _mm256_dpbusd_avx_epi32(sum, x, w); }
V_FN V v_unfit(V w)
{
    (void)w;
    return _mm256_setzero_si256();
}

#include "x86_kernels_inline.h"

const fk_x86_kernels fk_x86_avx_vnni = {conv, depthwise, avg_pool, add};

#endif
