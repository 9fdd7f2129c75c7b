"""The NumPy twin: what TFLite Micro's reference int8 kernels compute, a few lines for each operator.

It states the rule that the flight kernels must match bit for bit, so it is written to be read against them,
not to be fast (a 96x96 picture classifier takes about 20 ms). The arithmetic is gemmlowp's with
two roundings; the multipliers come from `quantise`.

    tensors = run("person.tflite", picture)      # {tensor index: array}, inputs and every node's outputs

What TFLite Micro does and a reader might not expect:
- RELU6 as an operator of its own clamps and never rescales: the output's scale is not looked at.
- CONCATENATION, PAD, MAX_POOL_2D, TRANSPOSE, RESIZE_* and the like move bytes: scales are taken as equal.
- FULLY_CONNECTED per tensor multiplies two scales in float32 (see `quantise`).
- SPACE_TO_BATCH_ND is the exception: TFLite Micro pads it with 0, here as in LiteRT it is the zero point.
- MEAN folds 1/count into its multiplier; AVERAGE_POOL_2D divides, halves away from zero.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from framekeep_models import fixedpoint as fp
from framekeep_models import quantise as q
from framekeep_models.tflite_model import AnyArray, Model, Operator, Tensor, load

I64 = fp.I64


class UnsupportedOperatorError(ValueError):
    """The twin has no rule for an operator of this name, type or form."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operator about to run: its tensors and the values of its inputs."""

    op: Operator
    ins: tuple[Tensor | None, ...]
    outs: tuple[Tensor, ...]
    values: tuple[AnyArray | None, ...]

    def tensor(self, i: int) -> Tensor:
        tensor = self.ins[i] if i < len(self.ins) else None
        if tensor is None:
            raise UnsupportedOperatorError(f"node {self.op.index} ({self.op.name}) lacks input {i}")
        return tensor

    def raw(self, i: int) -> AnyArray:
        value = self.values[i] if i < len(self.values) else None
        if value is None:
            raise UnsupportedOperatorError(f"node {self.op.index} ({self.op.name}) lacks input {i}")
        return value

    def has(self, i: int) -> bool:
        return i < len(self.values) and self.values[i] is not None

    def centred(self, i: int) -> I64:
        """Input i minus its zero point."""
        return self.raw(i).astype(np.int64) - zero(self.tensor(i))

    def ints(self, i: int) -> list[int]:
        return [int(v) for v in self.raw(i).ravel()]

    def option(self, name: str, default: Any = 0) -> Any:
        return self.op.options.get(name, default)

    @property
    def out(self) -> Tensor:
        return self.outs[0]

    def store(self, acc: I64, activation: str | None = None) -> AnyArray:
        """Adds the output's zero point and clamps, as every int8 kernel ends."""
        scale, zp = sc(self.out), zero(self.out)
        name = self.op.activation() if activation is None else activation
        low, high = q.activation_range(name, scale, zp)
        return np.clip(fp.wrap32(acc + zp), low, high).astype(np.int8)


def sc(t: Tensor) -> float:
    return float(t.scale[0])


def zero(t: Tensor) -> int:
    return int(t.zero_point[0]) if t.zero_point.size else 0


# --- convolutions and pooling ---


def out_size(n: Node, size: int, extent: int, stride: int) -> int:
    same = n.option("padding", "SAME") == "SAME"
    return -(-size // stride) if same else -(-(size - extent + 1) // stride)


def padding_before(n: Node, size: int, extent: int, stride: int, out: int) -> int:
    """Rows (or columns) of padding ahead of the first; SAME puts the odd one behind."""
    if n.option("padding", "SAME") == "VALID":
        return 0
    return max((out - 1) * stride + extent - size, 0) // 2


def taps(n: Node, x: AnyArray, kh: int, kw: int, fill: int) -> list[list[AnyArray]]:
    """For each kernel position, the input seen there by every output: [kh][kw] of [B, OH, OW, C].

    Everything outside the input reads as `fill`."""
    _, height, width, _ = x.shape
    sh, sw = n.option("stride_h", 1), n.option("stride_w", 1)
    dh, dw = n.option("dilation_h_factor", 1), n.option("dilation_w_factor", 1)
    out_h = out_size(n, height, (kh - 1) * dh + 1, sh)
    out_w = out_size(n, width, (kw - 1) * dw + 1, sw)
    top = padding_before(n, height, (kh - 1) * dh + 1, sh, out_h)
    left = padding_before(n, width, (kw - 1) * dw + 1, sw, out_w)
    bottom = max((out_h - 1) * sh + (kh - 1) * dh + 1 - height - top, 0)
    right = max((out_w - 1) * sw + (kw - 1) * dw + 1 - width - left, 0)
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    return [
        [
            x[:, r * dh : r * dh + (out_h - 1) * sh + 1 : sh, c * dw : c * dw + (out_w - 1) * sw + 1 : sw]
            for c in range(kw)
        ]
        for r in range(kh)
    ]


def scaled(n: Node, acc: I64, weights: Tensor, bias: int) -> I64:
    """Accumulators plus bias, by each output channel's multiplier."""
    if n.has(bias):
        acc = fp.wrap32(acc + n.raw(bias).astype(np.int64))
    x = n.tensor(2 if n.op.name == "TRANSPOSE_CONV" else 0)
    factors = q.conv_multipliers(sc(x), list(map(float, weights.scale)), sc(n.out), acc.shape[-1])
    return fp.multiply(acc, [m.mantissa for m in factors], [m.shift for m in factors])


def conv_2d(n: Node) -> AnyArray:
    x, w = n.centred(0).astype(np.float64), n.raw(1)  # float64 is exact below 2**53, and BLAS is fast
    out_c, kh, kw, in_c = w.shape
    seen = taps(n, x, kh, kw, 0)
    columns = np.stack([seen[r][c] for r in range(kh) for c in range(kw)], axis=-2)
    matrix = w.reshape(out_c, kh * kw, in_c).astype(np.float64)
    groups = x.shape[3] // in_c
    each = out_c // groups
    acc = np.concatenate(
        [
            np.tensordot(
                columns[..., g * in_c : (g + 1) * in_c],
                matrix[g * each : (g + 1) * each],
                axes=((3, 4), (1, 2)),
            )
            for g in range(groups)
        ],
        axis=-1,
    )
    return n.store(scaled(n, fp.wrap32(acc), n.tensor(1), 2))


def depthwise_conv_2d(n: Node) -> AnyArray:
    w = n.raw(1)[0].astype(np.int64)
    kh, kw, out_c = w.shape
    x = n.centred(0)
    x = np.repeat(x, out_c // x.shape[3], axis=3)  # output channel c reads input channel c // multiplier
    seen = taps(n, x, kh, kw, 0)
    acc = sum(seen[r][c] * w[r, c] for r in range(kh) for c in range(kw))
    return n.store(scaled(n, fp.wrap32(acc), n.tensor(1), 2))


def transpose_conv(n: Node) -> AnyArray:
    w, x = n.raw(1).astype(np.float64), n.centred(2).astype(np.float64)
    out_c, kh, kw, _ = w.shape
    _, out_h, out_w, _ = n.ints(0)
    batch, height, width, _ = x.shape
    sh, sw = n.option("stride_h", 1), n.option("stride_w", 1)
    top = padding_before(n, out_h, kh, sh, -(-out_h // sh))
    left = padding_before(n, out_w, kw, sw, -(-out_w // sw))
    rows = max((height - 1) * sh + kh, top + out_h)
    cols = max((width - 1) * sw + kw, left + out_w)
    canvas = np.zeros((batch, rows, cols, out_c))
    for r in range(kh):
        for c in range(kw):
            canvas[:, r : r + (height - 1) * sh + 1 : sh, c : c + (width - 1) * sw + 1 : sw] += (
                x @ w[:, r, c].T
            )
    acc = fp.wrap32(canvas[:, top : top + out_h, left : left + out_w])
    return n.store(scaled(n, acc, n.tensor(1), 3))


def fully_connected(n: Node) -> AnyArray:
    w = n.centred(1).astype(np.float64)
    x = n.centred(0).reshape(-1, w.shape[1]).astype(np.float64)
    acc = fp.wrap32(x @ w.T)
    if n.tensor(1).scale.size > 1:
        result = scaled(n, acc, n.tensor(1), 2)
    else:
        if n.has(2):
            acc = fp.wrap32(acc + n.raw(2).astype(np.int64))
        factor = q.fully_connected_multiplier(sc(n.tensor(0)), sc(n.tensor(1)), sc(n.out))
        result = fp.scale(acc, factor)
    kept = n.raw(0).shape[:-1] if n.option("keep_num_dims") else (-1,)
    return n.store(result).reshape(*kept, len(w))


def average_pool_2d(n: Node) -> AnyArray:
    kh, kw = n.option("filter_height"), n.option("filter_width")
    x = n.raw(0).astype(np.int64)
    total = sum(sum(row) for row in taps(n, x, kh, kw, 0))
    count = sum(sum(row) for row in taps(n, np.ones_like(x), kh, kw, 0))
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return clamp(n, mean)


def max_pool_2d(n: Node) -> AnyArray:
    kh, kw = n.option("filter_height"), n.option("filter_width")
    seen = taps(n, n.raw(0), kh, kw, q.INT8_MIN)
    return clamp(n, np.max([cell for row in seen for cell in row], axis=0))


def clamp(n: Node, values: AnyArray) -> AnyArray:
    low, high = q.activation_range(n.op.activation(), sc(n.out), zero(n.out))
    return np.clip(values, low, high).astype(np.int8)


# --- arithmetic between tensors ---


def add_or_sub(n: Node) -> AnyArray:
    if n.out.dtype != np.int8:
        return n.raw(0) + n.raw(1) if n.op.name == "ADD" else n.raw(0) - n.raw(1)
    p = q.add_params(sc(n.tensor(0)), sc(n.tensor(1)), sc(n.out))
    a = fp.scale(n.centred(0) << q.ADD_LEFT_SHIFT, p.input1)
    b = fp.scale(n.centred(1) << q.ADD_LEFT_SHIFT, p.input2)
    return n.store(fp.scale(a + b if n.op.name == "ADD" else a - b, p.output))


def mul(n: Node) -> AnyArray:
    if n.out.dtype != np.int8:
        return n.raw(0) * n.raw(1)
    factor = q.mul_multiplier(sc(n.tensor(0)), sc(n.tensor(1)), sc(n.out))
    return n.store(fp.scale(n.centred(0) * n.centred(1), factor))


def mean(n: Node) -> AnyArray:
    x = n.centred(0)
    axes = tuple({a % x.ndim for a in n.ints(1)})
    count = int(np.prod([x.shape[a] for a in axes]))
    factor = q.mean_multiplier(sc(n.tensor(0)), sc(n.out), count)
    return n.store(fp.scale(x.sum(axis=axes, keepdims=bool(n.option("keep_dims"))), factor))


# --- activations ---


def relu(n: Node) -> AnyArray:
    factor = q.rescale_multiplier(sc(n.tensor(0)), sc(n.out))
    return n.store(fp.scale(n.centred(0), factor), "RELU")


def relu6(n: Node) -> AnyArray:
    t = n.tensor(0)
    six = min(q.quantize_value(6.0, sc(t), zero(t)), q.INT8_MAX)
    return np.clip(n.raw(0), zero(t), six).astype(np.int8)


def leaky(n: Node, alpha: float, negative: I64) -> AnyArray:
    x = n.centred(0)
    identity = q.rescale_multiplier(sc(n.tensor(0)), sc(n.out))
    slope = q.leaky_multiplier(sc(n.tensor(0)), alpha, sc(n.out))
    return n.store(np.where(x >= 0, fp.scale(x, identity), fp.scale(negative, slope)))


def leaky_relu(n: Node) -> AnyArray:
    return leaky(n, n.option("alpha", 0.0), n.centred(0))


def prelu(n: Node) -> AnyArray:
    return leaky(n, sc(n.tensor(1)), n.centred(0) * n.centred(1))


def sigmoid(n: Node) -> AnyArray:
    """LOGISTIC (output at 1/256 from -128) and TANH (at 1/128 about 0)."""
    x = n.centred(0)
    p = q.sigmoid_params(sc(n.tensor(0)))
    inner = np.clip(x, 1 - p.radius, p.radius - 1)
    if n.op.name == "LOGISTIC":
        y = fp.logistic(fp.scale(inner, p.scale), q.SIGMOID_INTEGER_BITS)
        y = fp.rounding_divide_by_pot(y, 23) + q.INT8_MIN
    else:
        y = fp.tanh(fp.scale(inner, p.scale), q.SIGMOID_INTEGER_BITS)
        y = fp.rounding_divide_by_pot(y, 24)
    y = np.clip(y, q.INT8_MIN, q.INT8_MAX)
    y = np.where(x <= -p.radius, q.INT8_MIN, np.where(x >= p.radius, q.INT8_MAX, y))
    return y.astype(np.int8)


def hard_swish(n: Node) -> AnyArray:
    """x * relu6(x + 3) / 6 in 16 bits: the input at 128 times its resolution, times a gate in [0, 1]."""
    p = q.hard_swish_params(sc(n.tensor(0)), sc(n.out))
    if p.output_shift > 0:
        raise UnsupportedOperatorError("the output's scale is so small that TensorFlow Lite refuses it")
    if p.output_shift < -15 or not -15 <= p.reluish_shift <= 30:
        raise UnsupportedOperatorError("its scales take shifts for which 16 bits are not enough")
    hires = n.centred(0) << 7
    value = fp.saturating_rounding_doubling_high_mul(hires, p.output_mantissa, 16)
    gate = hires
    if p.reluish_shift > 0:
        gate = fp.saturating_shift_left(gate, p.reluish_shift - 1, 16)
    gate = fp.saturating_rounding_doubling_high_mul(gate, p.reluish_mantissa, 16)
    if p.reluish_shift > 0:
        gate = fp.saturating_shift_left(gate, 1, 16)
    if p.reluish_shift < 0:
        gate = fp.rounding_divide_by_pot(gate, -p.reluish_shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * value
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return n.store(fp.rounding_divide_by_pot(truncated, -p.output_shift), "NONE")


def softmax(n: Node) -> AnyArray:
    p = q.softmax_params(sc(n.tensor(0)), n.option("beta", 1.0))
    x = n.raw(0).astype(np.int64)
    diff = x - x.max(axis=-1, keepdims=True)
    counts = diff >= p.diff_min
    e = fp.exp_on_negative_values(fp.scale(np.where(counts, diff, 0), p.scale), q.SOFTMAX_INTEGER_BITS)
    total = np.where(counts, fp.rounding_divide_by_pot(e, q.SOFTMAX_SUM_BITS), 0).sum(-1, keepdims=True)
    headroom = 32 - np.vectorize(int.bit_length, otypes=[np.int64])(total.astype(object))
    reciprocal = fp.one_over_one_plus_x((total << headroom) - (1 << 31))
    y = fp.saturating_rounding_doubling_high_mul(reciprocal, e)
    y = fp.rounding_divide_by_pot(y, q.SOFTMAX_SUM_BITS - headroom + 31 - 8)
    return cast(
        AnyArray, np.clip(np.where(counts, y, 0) + q.INT8_MIN, q.INT8_MIN, q.INT8_MAX).astype(np.int8)
    )


# --- between types ---


def quantize(n: Node) -> AnyArray:
    source, out = n.tensor(0), n.out
    info = np.iinfo(out.dtype)
    if source.dtype == np.float32:
        x = (n.raw(0) / np.float32(out.scale[0])).astype(np.float64)
        y = np.copysign(np.floor(np.abs(x) + 0.5), x)
        y = np.clip(y, -(2.0**31), 2.0**31 - 1) + zero(out)
        return np.asarray(np.clip(y, info.min, info.max), out.dtype)
    factor = q.rescale_multiplier(sc(source), sc(out))
    return np.clip(fp.scale(n.centred(0), factor) + zero(out), info.min, info.max).astype(out.dtype)


def dequantize(n: Node) -> AnyArray:
    return (sc(n.tensor(0)) * n.centred(0)).astype(np.float32)


# --- moving values ---


def reshape(n: Node) -> AnyArray:
    return n.raw(0).reshape(n.ints(1) if n.has(1) else n.option("new_shape", ()))


def squeeze(n: Node) -> AnyArray:
    shape = n.raw(0).shape
    gone = [d % len(shape) for d in n.option("squeeze_dims", ())] or [
        a for a, s in enumerate(shape) if s == 1
    ]
    return n.raw(0).squeeze(tuple(gone))


def expand_dims(n: Node) -> AnyArray:
    return np.expand_dims(n.raw(0), n.ints(1)[0])


def tile(n: Node) -> AnyArray:
    return np.tile(n.raw(0), n.ints(1))


def space_to_batch_nd(n: Node) -> AnyArray:
    """Pads with the zero point, then deals the pixels out to one picture for each phase of the block."""
    (bh, bw), widths = n.ints(1), n.raw(2)
    pads = [(0, 0), *((int(a), int(b)) for a, b in widths), (0, 0)]
    x = np.pad(n.raw(0), pads, constant_values=zero(n.tensor(0)))
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // bh, bh, width // bw, bw, channels).transpose(2, 4, 0, 1, 3, 5)
    return x.reshape(-1, height // bh, width // bw, channels)


def batch_to_space_nd(n: Node) -> AnyArray:
    (bh, bw), ((top, bottom), (left, right)) = n.ints(1), n.raw(2).tolist()
    _, height, width, channels = n.raw(0).shape
    x = n.raw(0).reshape(bh, bw, -1, height, width, channels).transpose(2, 3, 0, 4, 1, 5)
    x = x.reshape(-1, height * bh, width * bw, channels)
    return x[:, top : height * bh - bottom, left : width * bw - right]


def pad(n: Node) -> AnyArray:
    widths = n.raw(1).reshape(-1, 2)
    fill = n.raw(2).ravel()[0] if n.has(2) else zero(n.tensor(0))
    return np.pad(n.raw(0), [(int(a), int(b)) for a, b in widths], constant_values=fill)


def concatenation(n: Node) -> AnyArray:
    return np.concatenate([n.raw(i) for i in range(len(n.values))], axis=n.option("axis"))


def split(n: Node) -> list[AnyArray]:
    return np.split(n.raw(1), len(n.outs), axis=n.ints(0)[0])


def strided_slice(n: Node) -> AnyArray:
    if n.option("ellipsis_mask") or n.option("new_axis_mask"):
        raise UnsupportedOperatorError(f"node {n.op.index} (STRIDED_SLICE) adds or elides dimensions")
    picks: list[int | slice] = []
    for axis, (begin, end, step) in enumerate(zip(n.ints(1), n.ints(2), n.ints(3), strict=True)):
        if n.option("shrink_axis_mask") >> axis & 1:
            picks.append(0 if n.option("begin_mask") >> axis & 1 else begin)
            continue
        start = None if n.option("begin_mask") >> axis & 1 else begin
        stop = None if n.option("end_mask") >> axis & 1 else end
        picks.append(slice(start, stop, step))
    return n.raw(0)[tuple(picks)]


def transpose(n: Node) -> AnyArray:
    return n.raw(0).transpose(n.ints(1))


def resize_nearest_neighbor(n: Node) -> AnyArray:
    x = n.raw(0)

    def pick(size: int, out: int) -> npt.NDArray[np.int64]:
        corners, half = n.option("align_corners", False), n.option("half_pixel_centers", False)
        ratio = np.float32(size - 1) / np.float32(out - 1) if corners and out > 1 else np.float32(size) / out
        at = (np.arange(out, dtype=np.float32) + np.float32(0.5 if half else 0.0)) * np.float32(ratio)
        index = np.floor(at.astype(np.float64) + 0.5) if corners else np.floor(at)
        return np.clip(index, 0, size - 1).astype(np.int64)

    height, width = n.ints(1)
    return x[:, pick(x.shape[1], height)][:, :, pick(x.shape[2], width)]


def resize_bilinear(n: Node) -> AnyArray:
    """Positions in 1/1024 pixels; the weighted sum of four is divided by 2**20, halves away from zero."""
    x = n.raw(0).astype(np.int64)

    def pick(size: int, out: int) -> tuple[I64, I64, I64]:
        corners, half = n.option("align_corners", False), n.option("half_pixel_centers", False)
        scale = (1024 * size + out // 2) // out
        if corners and out > 1:
            scale = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
        at = np.arange(out, dtype=np.int64) * scale + (scale // 2 - 512 if half else 0)
        low = np.maximum(np.trunc(at / 1024).astype(np.int64), 0)
        high = np.minimum(np.trunc((at + 1023) / 1024).astype(np.int64), size - 1)
        return low, high, at - 1024 * low

    height, width = n.ints(1)
    y0, y1, fy = pick(x.shape[1], height)
    x0, x1, fx = pick(x.shape[2], width)
    fy, fx = fy[:, None, None], fx[:, None]
    upper = x[:, y0][:, :, x0] * (1024 - fx) + x[:, y0][:, :, x1] * fx
    lower = x[:, y1][:, :, x0] * (1024 - fx) + x[:, y1][:, :, x1] * fx
    total = upper * (1024 - fy) + lower * fy
    return np.asarray(np.sign(total) * ((np.abs(total) + (1 << 19)) >> 20), np.int8)


# --- arithmetic of shapes, which converters leave in the graph where a batch size was open ---


def shape(n: Node) -> AnyArray:
    return np.array(n.raw(0).shape, n.out.dtype)


def pack(n: Node) -> AnyArray:
    return np.stack([n.raw(i) for i in range(len(n.values))], axis=n.option("axis"))


def gather(n: Node) -> AnyArray:
    return np.take(n.raw(0), n.raw(1), axis=n.option("axis"))


def cast_to(n: Node) -> AnyArray:
    return n.raw(0).astype(n.out.dtype)


def reduce_max(n: Node) -> AnyArray:
    return np.asarray(n.raw(0).max(axis=tuple(n.ints(1)), keepdims=bool(n.option("keep_dims"))))


def reduce_prod(n: Node) -> AnyArray:
    keep = bool(n.option("keep_dims"))
    return np.asarray(n.raw(0).prod(axis=tuple(n.ints(1)), keepdims=keep), n.out.dtype)


KERNELS: dict[str, Callable[[Node], AnyArray | list[AnyArray]]] = {
    "ADD": add_or_sub,
    "AVERAGE_POOL_2D": average_pool_2d,
    "BATCH_TO_SPACE_ND": batch_to_space_nd,
    "CAST": cast_to,
    "CONCATENATION": concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": expand_dims,
    "FULLY_CONNECTED": fully_connected,
    "GATHER": gather,
    "HARD_SWISH": hard_swish,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": sigmoid,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": mean,
    "MUL": mul,
    "PACK": pack,
    "PAD": pad,
    "PADV2": pad,
    "PRELU": prelu,
    "QUANTIZE": quantize,
    "REDUCE_MAX": reduce_max,
    "REDUCE_PROD": reduce_prod,
    "RELU": relu,
    "RELU6": relu6,
    "RESHAPE": reshape,
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "SHAPE": shape,
    "SOFTMAX": softmax,
    "SPACE_TO_BATCH_ND": space_to_batch_nd,
    "SPLIT": split,
    "SQUEEZE": squeeze,
    "STRIDED_SLICE": strided_slice,
    "SUB": add_or_sub,
    "TANH": sigmoid,
    "TILE": tile,
    "TRANSPOSE": transpose,
    "TRANSPOSE_CONV": transpose_conv,
}


def run(
    model: Model | str | Path | bytes,
    inputs: AnyArray | Sequence[AnyArray] | Mapping[int, AnyArray],
) -> dict[int, AnyArray]:
    """Runs a model and returns every tensor it computes, by tensor index, and its inputs.

    `inputs` is one array, a sequence in the model's order, or a mapping by tensor index; they must already
    have the model's type (int8, uint8 or float32) and are reshaped to its shape."""
    net = model if isinstance(model, Model) else load(model)
    given = inputs if isinstance(inputs, Mapping) else dict(zip(net.inputs, _listed(inputs), strict=True))
    values: dict[int, AnyArray] = {}
    for index in net.inputs:
        tensor = net.tensors[index]
        array = np.asarray(given[index])
        if array.dtype != tensor.dtype:
            raise ValueError(f"input {tensor.name} takes {tensor.dtype}, not {array.dtype}")
        values[index] = array.reshape(tensor.shape)
    for op in net.operators:
        values.update(run_node(net, op, values))
    return values


def outputs(model: Model, inputs: AnyArray | Sequence[AnyArray] | Mapping[int, AnyArray]) -> list[AnyArray]:
    """The model's outputs alone, in its order."""
    values = run(model, inputs)
    return [values[i] for i in model.outputs]


def _listed(inputs: AnyArray | Sequence[AnyArray] | Mapping[int, AnyArray]) -> list[AnyArray]:
    return [inputs] if isinstance(inputs, np.ndarray) else list(cast(Sequence[AnyArray], inputs))


def run_node(net: Model, op: Operator, values: Mapping[int, AnyArray]) -> dict[int, AnyArray]:
    """One operator, given the values it reads; returns its outputs by tensor index."""
    kernel = KERNELS.get(op.name)
    if kernel is None:
        raise UnsupportedOperatorError(f"node {op.index}: no rule for operator {op.name}")
    ins = tuple(net.tensors[i] if i >= 0 else None for i in op.inputs)
    args = tuple(None if t is None else (t.data if t.data is not None else values[t.index]) for t in ins)
    outs = tuple(net.tensors[i] for i in op.outputs)
    result = kernel(Node(op, ins, outs, args))
    arrays = result if isinstance(result, list) else [result]
    for tensor, array in zip(outs, arrays, strict=True):
        if array.dtype != tensor.dtype or (array.shape != tensor.shape and not tensor.dynamic):
            raise UnsupportedOperatorError(
                f"node {op.index} ({op.name}): computed {array.dtype} {array.shape}, "
                f"but the file says {tensor.dtype} {tensor.shape}"
            )
    return {t.index: a for t, a in zip(outs, arrays, strict=True)}
