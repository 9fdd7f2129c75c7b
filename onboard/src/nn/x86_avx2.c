/* AVX2: 32 products in five instructions. See x86_kernels_inline.h.
 *
 * VPMADDUBSW wants one operand unsigned and saturates the sum of two products at
 * 16 bits. |x| times w with the sign of x is the product, and stays below 2^15
 * for two of them as long as no weight is -128: such layers, which no TFLite
 * converter makes, are left to the portable kernels. */
#include "x86_inline.h"

#if defined(FK_NN_X86)

#include <immintrin.h>

#include "requant_inline.h"
#include "window_inline.h"

#define V_TARGET __attribute__((target("avx2")))
#define V_FN V_TARGET __attribute__((always_inline)) static inline
#define V_ENTRY V_TARGET
#define V_UNROLL _Pragma("GCC unroll 16")

#include "x86_256_inline.h"

enum { V_FLIP = 0 };

V_FN V v_dot(V sum, V x, V w)
{
    const V pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(w, x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
V_FN V v_unfit(V w) { return _mm256_cmpeq_epi8(w, v_set8(-128)); }

#include "x86_kernels_inline.h"

const fk_x86_kernels fk_x86_avx2 = {conv, depthwise, avg_pool, add};

#endif
