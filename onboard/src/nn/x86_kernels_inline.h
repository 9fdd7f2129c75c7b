/* The x86-64 kernels, once for each vector extension. The file that includes
 * this has defined
 *
 *   V, V_LANES      the vector and how many int32 it holds
 *   V_FN            attributes of every function: static, inlined, its target
 *   V_PIXELS        output pixels that a tile of a convolution works on
 *   V_FLIP          0x80 if v_dot takes its first operand unsigned, else 0
 *   v_dot(s, x, w)  s + sums of 4 products of bytes, exact, wrapping at 32 bits
 *
 * and the small functions named v_*. Where V_FLIP is set the input's bytes are
 * xored with it, which adds 128 to each; -128 * (sum of weights) in the bias
 * takes it off again.
 *
 * Rounding is gemmlowp's double rounding (requant_inline.h): a high product of
 * 64 bits rounded to nearest, halves upwards, then a shift that rounds halves
 * away from 0 because 1 is taken off for a negative number. */
#ifndef FK_NN_X86_KERNELS_INLINE_H
#define FK_NN_X86_KERNELS_INLINE_H

#include <string.h>

enum { V_BYTES = 4 * V_LANES, V_MAX_TAPS = 65536 };

/* Copies and flips; what was read is never written. */
V_FN void copy_flipped(uint8_t *out, const int8_t *in, size_t n)
{
    const V flip = v_set8(V_FLIP);
    size_t i = 0;
    for (; i + V_BYTES <= n; i += V_BYTES) {
        v_store(out + i, v_xor(v_load(in + i), flip));
    }
    if (i < n) {
        v_store_part(out + i, v_xor(v_load_part(in + i, n - i), flip), n - i);
    }
}

/* The input with its padding around it. Bytes between a pixel's channels and
 * the next pixel are left as they are: their weights are 0. */
V_FN void copy_input(uint8_t *out, const int8_t *in, const fk_window *w, const fk_x86_plan *plan)
{
    const size_t depth = w->in_c;
    const int outside = (uint8_t)w->in_zero ^ V_FLIP;
    if (plan->flat && plan->pixel == depth) {
        copy_flipped(out, in, plan->columns * depth);
        return;
    }
    const size_t width = plan->flat ? plan->columns : w->in_w;
    const size_t height = plan->flat ? 1 : w->in_h;
    const size_t left = w->pad_left < plan->columns ? w->pad_left : plan->columns;
    const size_t inner = width < plan->columns - left ? width : plan->columns - left;
    for (size_t row = 0; row < plan->rows; row++, out += plan->pitch) {
        if (row < w->pad_top || row - w->pad_top >= height) {
            memset(out, outside, plan->pitch);
            continue;
        }
        const int8_t *from = in + (row - w->pad_top) * width * depth;
        memset(out, outside, left * plan->pixel);
        uint8_t *to = out + left * plan->pixel;
        if (plan->pixel == depth) {
            copy_flipped(to, from, inner * depth);
        } else {
            for (size_t x = 0; x < inner; x++) {
                copy_flipped(to + x * plan->pixel, from + x * depth, depth);
            }
        }
        memset(to + inner * plan->pixel, outside, plan->pitch - (left + inner) * plan->pixel);
    }
}

/* How a vector of sums becomes bytes; see fk_x86_prepare. */
typedef struct {
    V multiplier, odd_multiplier, rounding, right, left;
    int zero, low, high, kind;
} v_finish_rows;

V_FN v_finish_rows load_finish(const int32_t *rows, size_t channels, const fk_window *w, int kind)
{
    v_finish_rows f;
    f.multiplier = v_load(rows + FK_X86_MULTIPLIER * channels);
    f.odd_multiplier = v_odd(f.multiplier);
    f.rounding = v_load(rows + FK_X86_ROUNDING * channels);
    f.right = v_load(rows + FK_X86_RIGHT * channels);
    f.left = v_load(rows + FK_X86_LEFT * channels);
    f.zero = w->out_zero;
    f.low = w->act_min;
    f.high = w->act_max;
    f.kind = kind;
    return f;
}

/* (x * multiplier) / 2^31 to nearest, |x| < 2^30. */
V_FN V high_product(V x, V multiplier, V odd_multiplier)
{
    const V half = v_set64((int64_t)1 << 31), twice = v_add(x, x);
    const V even = v_add64(v_mul_even(twice, multiplier), half);
    const V odd = v_add64(v_mul_even(v_odd(twice), odd_multiplier), half);
    return v_join_odd(v_odd(even), odd);
}

/* The same for any x. */
V_FN V high_product_of_any(V x, V multiplier, V odd_multiplier)
{
    const V half = v_set64(1 << 30);
    const V even = v_add64(v_mul_even(x, multiplier), half);
    const V odd = v_add64(v_mul_even(v_odd(x), odd_multiplier), half);
    return v_join_odd(v_right_31(even), v_add64(odd, odd));
}

/* Any shift 0..31 and any sum: a remainder above the half rounds up. */
V_FN V scale_general(V sum, const v_finish_rows *f)
{
    const V high =
        high_product_of_any(v_left(sum, f->left), f->multiplier, f->odd_multiplier);
    const V remainder = v_and(high, f->rounding);
    const V half = v_sub(v_half(f->rounding), v_sign(high));
    const V scaled = v_sub(v_right(high, f->right), v_greater(remainder, half));
    const V zero = v_set32(f->zero); /* added after the clamp: no sum can wrap             */
    return v_add(v_clamp(scaled, v_set32(f->low - f->zero), v_set32(f->high - f->zero)), zero);
}

/* About 15 instructions a vector; the saturation does the full-range clamp. */
V_FN void finish(int8_t *out, V sum, const v_finish_rows *f, size_t n)
{
    if (f->kind != FK_X86_SIMPLE) {
        v_store_s8(out, scale_general(sum, f), f->low, f->high, n);
        return;
    }
    const V high = high_product(sum, f->multiplier, f->odd_multiplier);
    const V scaled = v_right(v_add(v_add(high, f->rounding), v_sign(sum)), f->right);
    v_store_s8(out, scaled, f->low, f->high, n);
}

/* Weights of V_LANES outputs, [output][taps] at `from`, as vectors of 4 taps of
 * each: kernel row by kernel row, each padded to whole vectors. `count` outputs
 * are there. Returns the sum of the weights of each output. */
V_FN V pack_block(uint8_t *to, const int8_t *from, size_t taps, size_t count, size_t kernel_rows,
                  size_t row_bytes, V *unfit)
{
    V rows[V_LANES], sums = v_set32(0);
    const V ones = v_set8(1);
    for (size_t ky = 0; ky < kernel_rows; ky++) {
        for (size_t at = 0; at < row_bytes; at += V_BYTES) {
            const size_t n = row_bytes - at < V_BYTES ? row_bytes - at : V_BYTES;
            const int8_t *source = from + ky * row_bytes + at;
            V_UNROLL
            for (size_t r = 0; r < V_LANES; r++) {
                rows[r] = r < count ? v_load_part(source + r * taps, n) : v_set32(0);
            }
            v_transpose(rows);
            V_UNROLL
            for (size_t step = 0; step < V_LANES; step++) {
                if (4 * step < n) {
                    v_store(to, rows[step]);
                    sums = v_dot(sums, ones, rows[step]);
                    *unfit = v_or(*unfit, v_unfit(rows[step]));
                    to += V_BYTES;
                }
            }
        }
    }
    return sums;
}

/* Packs all weights and takes the flip off the biases. 0 if v_dot would not be
 * exact with these weights. */
V_FN int pack_conv(uint8_t *to, int32_t *bias, const fk_window *w, const fk_x86_plan *plan)
{
    const size_t row_bytes = (size_t)w->kernel_w * w->in_c, taps = row_bytes * w->kernel_h;
    const size_t block = plan->steps * w->kernel_h * V_BYTES;
    V unfit = v_set32(0);
    for (size_t c = 0; c < w->out_c; c += V_LANES, to += block) {
        const size_t left = w->out_c - c;
        const V sums = pack_block(to, w->weights + c * taps, taps, left < V_LANES ? left : V_LANES,
                                  w->kernel_h, row_bytes, &unfit);
        if (V_FLIP) {
            v_store(bias + c, v_sub(v_load(bias + c), v_shift_left(sums, 7)));
        }
    }
    return !v_any(unfit);
}

/* V_PIXELS pixels times `vectors` vectors of outputs. One v_dot is V_BYTES
 * products; for each there is 1 / vectors of a broadcast and 1 / V_PIXELS of a
 * load. */
V_FN void tile(int8_t *const *out, const uint8_t *const *x, const uint8_t *weights, size_t block,
               const int32_t *bias, const v_finish_rows *f, size_t vectors, size_t last,
               const fk_window *w, const fk_x86_plan *plan)
{
    V sum[V_PIXELS][2];
    V_UNROLL
    for (size_t p = 0; p < V_PIXELS; p++) {
        for (size_t v = 0; v < vectors; v++) {
            sum[p][v] = v_load(bias + v * V_LANES);
        }
    }
    size_t at = 0;
    for (size_t ky = 0; ky < w->kernel_h; ky++, at += plan->pitch * w->dilation_h) {
        for (size_t step = 0; step < plan->steps; step++, weights += V_BYTES) {
            const V w0 = v_load(weights);
            const V w1 = v_load(weights + (vectors > 1 ? block : 0));
            V_UNROLL
            for (size_t p = 0; p < V_PIXELS; p++) {
                const V taps = v_broadcast(x[p] + at + 4 * step);
                sum[p][0] = v_dot(sum[p][0], taps, w0);
                if (vectors > 1) {
                    sum[p][1] = v_dot(sum[p][1], taps, w1);
                }
            }
        }
    }
    V_UNROLL
    for (size_t p = 0; p < V_PIXELS; p++) {
        for (size_t v = 0; v < vectors; v++) {
            finish(out[p] + v * V_LANES, sum[p][v], f + v, v + 1 == vectors ? last : V_LANES);
        }
    }
}

/* Where a tile's pixels come from and go to. The last tile repeats its pixel. */
V_FN void tile_pixels(int8_t **out, const uint8_t **x, size_t first, size_t total, int8_t *out0,
                      const uint8_t *in0, const fk_window *w, const fk_x86_plan *plan)
{
    size_t row = plan->flat ? 0 : first / w->out_w;
    size_t column = plan->flat ? first : first % w->out_w;
    const size_t width = plan->flat ? total : w->out_w;
    for (size_t p = 0; p < V_PIXELS; p++) {
        out[p] = out0 + (first + p < total ? first + p : total - 1) * w->out_c;
        x[p] = in0 + row * w->stride_h * plan->pitch + column * w->stride_w * plan->pixel;
        if (first + p + 1 < total && ++column == width) {
            column = 0;
            row++;
        }
    }
}

/* One pixel: the weights are used once, so they are taken as they lie, along
 * the taps, four outputs at a time. */
V_FN int one_pixel(int8_t *out, const uint8_t *x, const int32_t *rows, const fk_window *w,
                   const fk_x86_plan *plan, size_t taps, int kind)
{
    const V flip = v_set8(V_FLIP);
    V unfit = v_set32(0), total = v_set32(0);
    int32_t sums[V_LANES];
    for (size_t at = 0; V_FLIP != 0 && at < taps; at += V_BYTES) {
        const size_t n = taps - at < V_BYTES ? taps - at : V_BYTES;
        total = v_dot(total, flip, v_xor(v_load_part((const int8_t *)x + at, n), v_part(flip, n)));
    }
    for (size_t c = 0; c < w->out_c; c += V_LANES) {
        const size_t n = w->out_c - c < V_LANES ? w->out_c - c : V_LANES;
        for (size_t i = 0; i < n; i++) {
            const int8_t *weights = w->weights + (c + i) * taps;
            V sum = v_set32(0);
            size_t at = 0;
            for (; at + V_BYTES <= taps; at += V_BYTES) {
                const V row = v_load(weights + at);
                unfit = v_or(unfit, v_unfit(row));
                sum = V_FLIP ? v_dot(sum, v_xor(row, flip), v_xor(v_load(x + at), flip))
                             : v_dot(sum, v_load(x + at), row);
            }
            if (at < taps) {
                const size_t rest = taps - at;
                const V row = v_load_part(weights + at, rest);
                const V taken = v_load_part((const int8_t *)x + at, rest);
                unfit = v_or(unfit, v_unfit(row));
                sum = V_FLIP ? v_dot(sum, v_xor(row, flip), v_xor(taken, v_part(flip, rest)))
                             : v_dot(sum, taken, row);
            }
            sums[i] = v_reduce(v_sub(sum, total));
        }
        const v_finish_rows f = load_finish(rows + c, plan->channels, w, kind);
        for (size_t i = n; i < V_LANES; i++) {
            sums[i] = 0;
        }
        finish(out + c, v_add(v_load(sums), v_load(rows + FK_X86_BIAS * plan->channels + c)), &f, n);
    }
    return !v_any(unfit);
}

V_ENTRY static int conv(int8_t *out, const int8_t *in, const fk_window *w, const fk_x86_plan *plan,
                        uint8_t *workspace)
{
    int32_t *rows = (int32_t *)(void *)workspace;
    uint8_t *weights = workspace + plan->weights, *input = workspace + plan->input;
    const size_t taps = (size_t)w->kernel_h * w->kernel_w * w->in_c;
    const size_t total = (size_t)w->out_h * w->out_w;
    const int kind = fk_x86_prepare(rows, plan, w, taps);
    if (!kind) {
        return 0;
    }
    if (total == 1 && plan->flat) {
        int8_t *result = (int8_t *)weights; /* out may lie over in */
        copy_input(input, in, w, plan);
        if (!one_pixel(result, input, rows, w, plan, taps, kind)) {
            return 0;
        }
        memcpy(out, result, w->out_c);
        return 1;
    }
    int32_t *bias = rows + FK_X86_BIAS * plan->channels;
    if (!pack_conv(weights, bias, w, plan)) {
        return 0;
    }
    copy_input(input, in, w, plan);
    const size_t block = plan->steps * w->kernel_h * V_BYTES;
    const uint8_t *x[V_PIXELS];
    int8_t *to[V_PIXELS];
    for (size_t c = 0; c < w->out_c; weights += 2 * block, c += 2 * V_LANES) {
        const size_t left = w->out_c - c;
        const v_finish_rows f[2] = {
            load_finish(rows + c, plan->channels, w, kind),
            load_finish(rows + c + (left > V_LANES ? V_LANES : 0), plan->channels, w, kind)};
        for (size_t first = 0; first < total; first += V_PIXELS) {
            tile_pixels(to, x, first, total, out + c, input, w, plan);
            if (left > V_LANES) {
                tile(to, x, weights, block, bias + c, f, 2,
                     left < 2 * V_LANES ? left - V_LANES : V_LANES, w, plan);
            } else {
                tile(to, x, weights, block, bias + c, f, 1, left, w, plan);
            }
        }
    }
    return 1;
}

/* Weights [rows][columns][channels] of V_LANES channels: for each column, rows
 * by fours, as a vector of 4 taps of each channel. */
V_FN V pack_columns(uint8_t *to, const int8_t *from, const fk_window *w, size_t steps, size_t count,
                    V *unfit)
{
    V sums = v_set32(0);
    const V ones = v_set8(1);
    uint8_t taps[FK_X86_TAPS][V_LANES];
    for (size_t kx = 0; kx < w->kernel_w; kx++) {
        for (size_t step = 0; step < steps; step++, to += V_BYTES) {
            memset(taps, 0, sizeof taps);
            for (size_t i = 0; i < FK_X86_TAPS && 4 * step + i < w->kernel_h; i++) {
                const size_t ky = 4 * step + i;
                memcpy(taps[i], from + (ky * w->kernel_w + kx) * w->out_c, count);
            }
            const V packed = v_columns(taps[0], taps[1], taps[2], taps[3]);
            v_store(to, packed);
            sums = v_dot(sums, ones, packed);
            *unfit = v_or(*unfit, v_unfit(packed));
        }
    }
    return sums;
}

/* Four rows of the padded input at one place, channels side by side. Rows below
 * the kernel's last have weights 0 and repeat it. */
V_FN V input_columns(const uint8_t *x, size_t row_step, size_t rows)
{
    return v_columns(x, x + (rows > 1 ? row_step : 0), x + (rows > 2 ? 2 * row_step : 0),
                     x + (rows > 3 ? 3 * row_step : 0));
}

/* Three columns, up to four rows: per V_LANES outputs 3 v_dot and, at stride 1,
 * one new column of input, which the next two outputs use again. */
V_FN void depthwise_row_3(int8_t *out, const uint8_t *x, const uint8_t *weights, V bias,
                          const v_finish_rows *f, size_t n, const fk_window *w,
                          const fk_x86_plan *plan)
{
    const V w0 = v_load(weights), w1 = v_load(weights + V_BYTES), w2 = v_load(weights + 2 * V_BYTES);
    const size_t down = plan->pitch * w->dilation_h, right = plan->pixel, rows = w->kernel_h;
    if (w->stride_w == 1) {
        V c0 = input_columns(x, down, rows), c1 = input_columns(x + right, down, rows);
        for (size_t ox = 0; ox < w->out_w; ox++, x += right, out += w->out_c) {
            const V c2 = input_columns(x + 2 * right, down, rows);
            finish(out, v_dot(v_dot(v_dot(bias, c0, w0), c1, w1), c2, w2), f, n);
            c0 = c1;
            c1 = c2;
        }
        return;
    }
    for (size_t ox = 0; ox < w->out_w; ox++, x += right * w->stride_w, out += w->out_c) {
        const V c0 = input_columns(x, down, rows), c1 = input_columns(x + right, down, rows);
        const V c2 = input_columns(x + 2 * right, down, rows);
        finish(out, v_dot(v_dot(v_dot(bias, c0, w0), c1, w1), c2, w2), f, n);
    }
}

/* Any kernel: a v_dot for each column and four rows. */
V_FN void depthwise_row(int8_t *out, const uint8_t *x, const uint8_t *weights, V bias,
                        const v_finish_rows *f, size_t n, const fk_window *w,
                        const fk_x86_plan *plan)
{
    const size_t down = plan->pitch * w->dilation_h;
    for (size_t ox = 0; ox < w->out_w; ox++, x += plan->pixel * w->stride_w, out += w->out_c) {
        const uint8_t *weight = weights;
        V sum = bias;
        for (size_t kx = 0; kx < w->kernel_w; kx++) {
            for (size_t ky = 0; ky < w->kernel_h; ky += FK_X86_TAPS, weight += V_BYTES) {
                const V taps = input_columns(x + kx * plan->pixel + ky * down, down, w->kernel_h - ky);
                sum = v_dot(sum, taps, v_load(weight));
            }
        }
        finish(out, sum, f, n);
    }
}

V_ENTRY static int depthwise(int8_t *out, const int8_t *in, const fk_window *w,
                             const fk_x86_plan *plan, uint8_t *workspace)
{
    int32_t *rows = (int32_t *)(void *)workspace, *bias = rows + FK_X86_BIAS * plan->channels;
    uint8_t *weights = workspace + plan->weights, *input = workspace + plan->input;
    const size_t block = plan->steps * w->kernel_w * V_BYTES;
    const int kind = fk_x86_prepare(rows, plan, w, (size_t)w->kernel_h * w->kernel_w);
    V unfit = v_set32(0);
    if (!kind) {
        return 0;
    }
    for (size_t c = 0; c < w->out_c; c += V_LANES) {
        const size_t left = w->out_c - c, n = left < V_LANES ? left : V_LANES;
        const V sums = pack_columns(weights + c / V_LANES * block, w->weights + c, w, plan->steps,
                                    n, &unfit);
        if (V_FLIP) {
            v_store(bias + c, v_sub(v_load(bias + c), v_shift_left(sums, 7)));
        }
    }
    if (v_any(unfit)) {
        return 0;
    }
    copy_input(input, in, w, plan);
    for (size_t c = 0; c < w->out_c; c += V_LANES, weights += block) {
        const size_t left = w->out_c - c, n = left < V_LANES ? left : V_LANES;
        const v_finish_rows f = load_finish(rows + c, plan->channels, w, kind);
        for (size_t oy = 0; oy < w->out_h; oy++) {
            const uint8_t *x = input + oy * w->stride_h * plan->pitch + c;
            int8_t *to = out + oy * w->out_w * w->out_c + c;
            if (w->kernel_w == 3 && w->kernel_h <= FK_X86_TAPS) {
                depthwise_row_3(to, x, weights, v_load(bias + c), &f, n, w, plan);
            } else {
                depthwise_row(to, x, weights, v_load(bias + c), &f, n, w, plan);
            }
        }
    }
    return 1;
}

/* An operand of an addition at 2^20 times, scaled. */
typedef struct {
    V zero, multiplier, odd_multiplier, rounding, right, signs;
    int negate;
} v_operand;

V_FN v_operand operand(int zero, int32_t multiplier, int shift, int negate)
{
    v_operand o;
    o.zero = v_set32(zero);
    o.multiplier = o.odd_multiplier = v_set32(multiplier);
    o.right = v_set32(-shift);
    o.rounding = v_set32(shift ? 1 << (-shift - 1) : 0);
    o.signs = v_set32(shift ? -1 : 0);
    o.negate = negate;
    return o;
}

V_FN V scaled_operand(V x, const v_operand *o)
{
    const V wide = v_shift_left(v_sub(x, o->zero), 20);
    const V high = high_product(wide, o->multiplier, o->odd_multiplier);
    const V sign = v_and(v_sign(wide), o->signs);
    const V scaled = v_right(v_add(v_add(high, o->rounding), sign), o->right);
    return o->negate ? v_sub(v_set32(0), scaled) : scaled;
}

/* Element by element with equal shapes; about 40 instructions a vector. */
V_ENTRY static int add(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
    const int right = -p->out_shift;
    if (p->broadcast_a || p->broadcast_b || right < 1 || right > 20) {
        return 0;
    }
    const size_t size = (size_t)p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3];
    const v_operand oa = operand(p->a_zero, p->a_multiplier, p->a_shift, p->negate & 1);
    const v_operand ob = operand(p->b_zero, p->b_multiplier, p->b_shift, p->negate & 2);
    v_finish_rows f;
    f.multiplier = f.odd_multiplier = v_set32(p->out_multiplier);
    f.rounding = v_set32((1 << (right - 1)) + p->out_zero * (1 << right));
    f.right = v_set32(right);
    f.left = v_set32(0);
    f.zero = p->out_zero;
    f.low = p->act_min;
    f.high = p->act_max;
    f.kind = FK_X86_SIMPLE;
    for (size_t i = 0; i < size; i += V_LANES) {
        const size_t n = size - i < V_LANES ? size - i : V_LANES;
        int8_t rest[2][V_LANES] = {{0}};
        const int8_t *x = a + i, *y = b + i;
        if (n < V_LANES) {
            x = memcpy(rest[0], x, n);
            y = memcpy(rest[1], y, n);
        }
        const V sum = v_add(scaled_operand(v_widen(x), &oa), scaled_operand(v_widen(y), &ob));
        finish(out + i, sum, &f, n);
    }
    return 1;
}

/* Sums of V_LANES channels over the part of a window that lies on the input. */
V_ENTRY static void avg_pool(int8_t *out, const int8_t *in, const fk_window *w)
{
    for (unsigned oy = 0; oy < w->out_h; oy++) {
        const fk_span rows = fk_window_span(oy, w->stride_h, w->kernel_h, w->pad_top, w->in_h);
        for (unsigned ox = 0; ox < w->out_w; ox++, out += w->out_c) {
            const fk_span columns =
                fk_window_span(ox, w->stride_w, w->kernel_w, w->pad_left, w->in_w);
            const int32_t count = rows.end > rows.first && columns.end > columns.first
                                      ? (rows.end - rows.first) * (columns.end - columns.first)
                                      : 0;
            for (size_t c = 0; c < w->out_c; c += V_LANES) {
                const size_t n = w->out_c - c < V_LANES ? w->out_c - c : V_LANES;
                V sum = v_set32(0);
                for (int y = rows.first; y < rows.end; y++) {
                    for (int x = columns.first; x < columns.end; x++) {
                        int8_t rest[V_LANES] = {0};
                        const int8_t *from = in + ((size_t)y * w->in_w + (size_t)x) * w->in_c + c;
                        sum = v_add(sum, v_widen(n < V_LANES ? memcpy(rest, from, n) : from));
                    }
                }
                int32_t sums[V_LANES];
                v_store(sums, sum);
                for (size_t i = 0; i < n; i++) {
                    const int32_t half = sums[i] > 0 ? count / 2 : -(count / 2);
                    const int32_t mean = count ? (sums[i] + half) / count : 0;
                    out[c + i] = fk_clamp_s8(mean, 0, w->act_min, w->act_max);
                }
            }
        }
    }
}

#endif
