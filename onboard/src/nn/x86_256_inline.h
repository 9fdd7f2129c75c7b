/* What the two 256-bit sets of x86-64 kernels share; V_FN and V_UNROLL are
 * defined where this is included. */
#ifndef FK_NN_X86_256_INLINE_H
#define FK_NN_X86_256_INLINE_H

#include <string.h>

#define V __m256i

enum { V_LANES = 8, V_PIXELS = 4 };

V_FN V v_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_FN void v_store(void *p, V x) { _mm256_storeu_si256((__m256i *)p, x); }
V_FN V v_load_part(const int8_t *p, size_t n)
{
    if (n >= 32) {
        return v_load(p);
    }
    int8_t bytes[32] = {0};
    memcpy(bytes, p, n);
    return v_load(bytes);
}
V_FN void v_store_part(void *p, V x, size_t n)
{
    int8_t bytes[32];
    v_store(bytes, x);
    memcpy(p, bytes, n);
}
V_FN V v_part(V x, size_t n)
{
    int8_t bytes[32];
    v_store(bytes, x);
    return v_load_part(bytes, n);
}
V_FN V v_set8(int x) { return _mm256_set1_epi8((char)x); }
V_FN V v_set32(int32_t x) { return _mm256_set1_epi32(x); }
V_FN V v_set64(int64_t x) { return _mm256_set1_epi64x(x); }
V_FN V v_xor(V a, V b) { return _mm256_xor_si256(a, b); }
V_FN V v_or(V a, V b) { return _mm256_or_si256(a, b); }
V_FN V v_and(V a, V b) { return _mm256_and_si256(a, b); }
V_FN V v_add(V a, V b) { return _mm256_add_epi32(a, b); }
V_FN V v_sub(V a, V b) { return _mm256_sub_epi32(a, b); }
V_FN V v_add64(V a, V b) { return _mm256_add_epi64(a, b); }
V_FN V v_mul_even(V a, V b) { return _mm256_mul_epi32(a, b); }
V_FN V v_odd(V x) { return _mm256_srli_epi64(x, 32); }
V_FN V v_right_31(V x) { return _mm256_srli_epi64(x, 31); }
V_FN V v_join_odd(V even, V odd) { return _mm256_blend_epi32(even, odd, 0xAA); }
V_FN V v_half(V x) { return _mm256_srli_epi32(x, 1); }
V_FN V v_clamp(V x, V low, V high) { return _mm256_min_epi32(_mm256_max_epi32(x, low), high); }
V_FN V v_sign(V x) { return _mm256_srai_epi32(x, 31); }
V_FN V v_shift_left(V x, int n) { return _mm256_slli_epi32(x, n); }
V_FN V v_left(V x, V n) { return _mm256_sllv_epi32(x, n); }
V_FN V v_right(V x, V n) { return _mm256_srav_epi32(x, n); }
V_FN V v_greater(V a, V b) { return _mm256_cmpgt_epi32(a, b); }
V_FN int v_any(V x) { return !_mm256_testz_si256(x, x); }
V_FN int32_t v_reduce(V x)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
    return _mm_cvtsi128_si32(s);
}
V_FN __m128i v_load_8(const void *p) { return _mm_loadl_epi64((const __m128i *)p); }
V_FN V v_widen(const int8_t *p) { return _mm256_cvtepi8_epi32(v_load_8(p)); }

V_FN V v_broadcast(const uint8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

V_FN void v_store_s8(int8_t *out, V x, int low, int high, size_t n)
{
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    __m128i bytes = _mm_packs_epi16(words, words);
    bytes = _mm_max_epi8(bytes, _mm_set1_epi8((char)low));
    bytes = _mm_min_epi8(bytes, _mm_set1_epi8((char)high));
    if (n == V_LANES) {
        _mm_storel_epi64((__m128i *)(void *)out, bytes);
    } else {
        int8_t rest[16];
        _mm_storeu_si128((__m128i *)(void *)rest, bytes);
        memcpy(out, rest, n);
    }
}

/* Four rows of 8 bytes to 8 columns of 4. */
V_FN V v_columns(const uint8_t *r0, const uint8_t *r1, const uint8_t *r2, const uint8_t *r3)
{
    const __m128i upper = _mm_unpacklo_epi8(v_load_8(r0), v_load_8(r1));
    const __m128i lower = _mm_unpacklo_epi8(v_load_8(r2), v_load_8(r3));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi16(upper, lower)),
                                   _mm_unpackhi_epi16(upper, lower), 1);
}

/* 8 rows of 8 int32. */
V_FN void v_transpose(V *r)
{
    V a[8], b[8];
    V_UNROLL
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    V_UNROLL
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        r[k] = _mm256_permute2x128_si256(b[k], b[4 + k], 0x20);
        r[4 + k] = _mm256_permute2x128_si256(b[k], b[4 + k], 0x31);
    }
}

#endif
