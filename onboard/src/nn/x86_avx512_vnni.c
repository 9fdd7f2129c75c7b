/* AVX-512 with VNNI: 64 products an instruction. See x86_kernels_inline.h. */
#include "x86_inline.h"

#if defined(FK_NN_X86)

#include <immintrin.h>

#include <string.h>

#include "requant_inline.h"
#include "window_inline.h"

#define V_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define V_FN V_TARGET __attribute__((always_inline)) static inline
#define V_ENTRY V_TARGET
#define V_UNROLL _Pragma("GCC unroll 16")
#define V __m512i

enum { V_LANES = 16, V_PIXELS = 8, V_FLIP = 0x80 };

V_FN V v_load(const void *p) { return _mm512_loadu_si512(p); }
V_FN void v_store(void *p, V x) { _mm512_storeu_si512(p, x); }
V_FN __mmask64 v_mask(size_t n) { return n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0; }
V_FN V v_load_part(const int8_t *p, size_t n) { return _mm512_maskz_loadu_epi8(v_mask(n), p); }
V_FN void v_store_part(void *p, V x, size_t n) { _mm512_mask_storeu_epi8(p, v_mask(n), x); }
V_FN V v_part(V x, size_t n) { return _mm512_maskz_mov_epi8(v_mask(n), x); }
V_FN V v_set8(int x) { return _mm512_set1_epi8((char)x); }
V_FN V v_set32(int32_t x) { return _mm512_set1_epi32(x); }
V_FN V v_set64(int64_t x) { return _mm512_set1_epi64(x); }
V_FN V v_xor(V a, V b) { return _mm512_xor_si512(a, b); }
V_FN V v_or(V a, V b) { return _mm512_or_si512(a, b); }
V_FN V v_and(V a, V b) { return _mm512_and_si512(a, b); }
V_FN V v_add(V a, V b) { return _mm512_add_epi32(a, b); }
V_FN V v_sub(V a, V b) { return _mm512_sub_epi32(a, b); }
V_FN V v_add64(V a, V b) { return _mm512_add_epi64(a, b); }
V_FN V v_mul_even(V a, V b) { return _mm512_mul_epi32(a, b); }
V_FN V v_odd(V x) { return _mm512_srli_epi64(x, 32); }
V_FN V v_right_31(V x) { return _mm512_srli_epi64(x, 31); }
V_FN V v_join_odd(V even, V odd) { return _mm512_mask_mov_epi32(even, 0xAAAA, odd); }
V_FN V v_half(V x) { return _mm512_srli_epi32(x, 1); }
V_FN V v_clamp(V x, V low, V high) { return _mm512_min_epi32(_mm512_max_epi32(x, low), high); }
V_FN V v_sign(V x) { return _mm512_srai_epi32(x, 31); }
V_FN V v_shift_left(V x, unsigned n) { return _mm512_slli_epi32(x, n); }
V_FN V v_left(V x, V n) { return _mm512_sllv_epi32(x, n); }
V_FN V v_right(V x, V n) { return _mm512_srav_epi32(x, n); }
V_FN V v_greater(V a, V b) { return _mm512_movm_epi32(_mm512_cmpgt_epi32_mask(a, b)); }
V_FN V v_dot(V sum, V x, V w) { return _mm512_dpbusd_epi32(sum, x, w); }
V_FN V v_unfit(V w)
{
    (void)w;
    return _mm512_setzero_si512();
}
V_FN int v_any(V x) { return _mm512_test_epi32_mask(x, x) != 0; }
V_FN int32_t v_reduce(V x) { return _mm512_reduce_add_epi32(x); }
V_FN V v_widen(const int8_t *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

V_FN V v_broadcast(const uint8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

V_FN void v_store_s8(int8_t *out, V x, int low, int high, size_t n)
{
    __m128i bytes = _mm512_cvtsepi32_epi8(x);
    bytes = _mm_max_epi8(bytes, _mm_set1_epi8((char)low));
    bytes = _mm_min_epi8(bytes, _mm_set1_epi8((char)high));
    if (n == V_LANES) {
        _mm_storeu_si128((__m128i *)(void *)out, bytes);
    } else {
        _mm_mask_storeu_epi8(out, (__mmask16)((1u << n) - 1), bytes);
    }
}

/* Four rows of 16 bytes to 16 columns of 4. */
V_FN V v_columns(const uint8_t *r0, const uint8_t *r1, const uint8_t *r2, const uint8_t *r3)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)r0));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)r1), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)r2), 2);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)r3), 3);
    return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(order, x), bytes);
}

/* 16 rows of 16 int32. */
V_FN void v_transpose(V *r)
{
    V a[16], b[16];
    V_UNROLL
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    V_UNROLL
    for (int i = 0; i < 16; i += 4) { /* b[i + k]: column 4 * lane + k of rows i..i+3 */
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        const V low0 = _mm512_shuffle_i32x4(b[k], b[4 + k], 0x44);
        const V low1 = _mm512_shuffle_i32x4(b[8 + k], b[12 + k], 0x44);
        const V high0 = _mm512_shuffle_i32x4(b[k], b[4 + k], 0xEE);
        const V high1 = _mm512_shuffle_i32x4(b[8 + k], b[12 + k], 0xEE);
        r[k] = _mm512_shuffle_i32x4(low0, low1, 0x88);
        r[4 + k] = _mm512_shuffle_i32x4(low0, low1, 0xDD);
        r[8 + k] = _mm512_shuffle_i32x4(high0, high1, 0x88);
        r[12 + k] = _mm512_shuffle_i32x4(high0, high1, 0xDD);
    }
}

#include "x86_kernels_inline.h"

const fk_x86_kernels fk_x86_avx512_vnni = {conv, depthwise, avg_pool, add};

#endif
