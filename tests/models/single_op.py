"""Random models of one operator each, for holding kernels against one another.

    case = make("CONV_2D", seed)          # the same seed gives the same bytes for ever
    case.model                            # a .tflite of one operator
    case.inputs                           # several lists of input arrays: random, saturating, constant

Shapes, strides, dilations, paddings, activations, zero points (both ends included) and scales are drawn so
that multipliers reach from 2**-31 to beyond 1. They stay where TFLite Micro's C++ is defined: an accumulator
shifted left, or a result plus its zero point, never leaves int32.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from framekeep_models.tflite_writer import Writer

Array = Any
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
INT8 = np.arange(-128, 128, dtype=np.int16).astype(np.int8)


@dataclass(frozen=True)
class Case:
    operator: str
    seed: int
    model: bytes
    inputs: list[list[Array]]

    def __str__(self) -> str:
        return f"{self.operator}-{self.seed}"


@dataclass
class Draw:
    """A random number generator that speaks of models, and the model being made."""

    rng: np.random.Generator
    net: Writer = field(default_factory=Writer)
    fed: list[tuple[tuple[int, ...], Any]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def int(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *choices: Any) -> Any:
        return choices[self.int(0, len(choices) - 1)]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def zero_point(self) -> int:
        return int(self.pick(-128, 127, 0, self.int(-128, 127), self.int(-128, 127)))

    def scale(self, low: float = -12, high: float = 4) -> float:
        return float(np.float32(2.0 ** self.rng.uniform(low, high)))

    def input(self, shape: tuple[int, ...], dtype: Any = np.int8, **quantisation: Any) -> int:
        index = self.net.tensor(shape, dtype, **quantisation)
        self.inputs.append(index)
        self.fed.append((shape, dtype))
        return index

    def output(self, shape: tuple[int, ...], dtype: Any = np.int8, **quantisation: Any) -> int:
        index = self.net.tensor(shape, dtype, **quantisation)
        self.outputs.append(index)
        return index

    def picture(self, most: int = 9) -> tuple[int, int, int, int]:
        channels = self.int(1, 9) if self.chance(0.8) else self.int(10, 40)
        return (1, self.int(1, most), self.int(1, most), channels)

    def shape(self, most: int = 7) -> tuple[int, ...]:
        return (1, *(self.int(1, most) for _ in range(self.int(1, 3))))

    def weights(self, shape: tuple[int, ...]) -> Array:
        low = self.pick(-127, -127, -128)
        values = self.rng.integers(low, 128, shape)
        return np.where(self.rng.random(shape) < self.pick(0.0, 0.0, 0.5), 0, values).astype(np.int8)

    def values(self, kind: str, shape: tuple[int, ...], dtype: Any) -> Array:
        if dtype == np.float32:
            spread = {"random": 3.0, "saturating": 1e6, "low": 1e-3, "high": 30.0}[kind]
            return (self.rng.standard_normal(shape) * spread).astype(np.float32)
        info = np.iinfo(dtype)
        if kind == "random":
            size = int(np.prod(shape))
            if size == 256:
                return np.arange(info.min, info.max + 1).astype(dtype).reshape(shape)
            return self.rng.integers(info.min, info.max + 1, shape).astype(dtype)
        if kind == "saturating":
            return np.where(self.rng.random(shape) < 0.5, info.min, info.max).astype(dtype)
        return np.full(shape, info.min if kind == "low" else info.max, dtype)

    def case(self, operator: str, seed: int) -> Case:
        blob = self.net.build(self.inputs, self.outputs)
        kinds = ("random", "saturating", "low", "high")
        return Case(operator, seed, blob, [[self.values(k, s, t) for s, t in self.fed] for k in kinds])


# --- windows ---


def _plane(d: Draw, height: int, width: int, dilated: bool) -> dict[str, Any]:
    """Geometry over both axes that leaves at least one output."""
    while True:
        padding = d.pick("SAME", "VALID")
        sizes = {}
        for axis, size in (("h", height), ("w", width)):
            kernel, stride = d.int(1, 5), d.int(1, 3)
            dilation = d.pick(1, 1, 2, 3) if dilated else 1
            extent = (kernel - 1) * dilation + 1
            out = -(-size // stride) if padding == "SAME" else -(-(size - extent + 1) // stride)
            sizes[axis] = (kernel, stride, dilation, out)
        if sizes["h"][3] >= 1 and sizes["w"][3] >= 1:
            return {"padding": padding, **sizes}


def _multiplier_scales(d: Draw, x: float, out: float, terms: int, count: int) -> Array:
    """Filter scales: half of the time sensible for `terms` products, else anywhere from 2**-31 to above 1."""
    sensible = 2.0**-7 / np.sqrt(terms)
    if d.chance(0.6):
        factors = sensible * 2.0 ** d.rng.uniform(-2, 2, count)
    else:
        # |accumulator| < 2**15 * terms + bias of at most 2**24, and the product must stay below 2**30
        top = min(30 - np.log2(2.0**15 * terms + 2.0**24), 4.0)
        factors = 2.0 ** d.rng.uniform(-31, top, count)
    return (factors * out / x).astype(np.float32)


def _filter_and_bias(
    d: Draw, weights: Array, axis: int, scales: tuple[float, float], p_channels: float
) -> list[int]:
    """Constants of a convolution from x at scales[0] to y at scales[1]; per channel with this probability."""
    x_scale, out_scale = scales
    per_channel = d.chance(p_channels)
    count = weights.shape[axis]
    terms = weights.size // count
    steps = _multiplier_scales(d, x_scale, out_scale, terms, count if per_channel else 1)
    constants = [d.net.constant(weights, np.int8, scale=steps, axis=axis)]
    if d.chance(0.8):
        reach = 2.0 ** d.int(4, 24) if d.chance(0.3) else 100.0 * terms
        bias = d.rng.uniform(-reach, reach, count).astype(np.int32)
        constants.append(d.net.constant(bias, np.int32, scale=np.float32(x_scale) * steps))
    return constants


def conv_2d(d: Draw, depthwise: bool = False) -> None:
    shape = d.picture()
    plane = _plane(d, shape[1], shape[2], dilated=True)
    (kh, sh, dh, oh), (kw, sw, dw, ow) = plane["h"], plane["w"]
    multiplier = d.pick(1, 1, 2, 3)
    channels = shape[3] * multiplier if depthwise else d.int(1, 9)
    weights = d.weights((1, kh, kw, channels) if depthwise else (channels, kh, kw, shape[3]))
    x_scale, out_scale = d.scale(), d.scale()
    x = d.input(shape, scale=x_scale, zero_point=d.zero_point())
    constants = _filter_and_bias(d, weights, 3 if depthwise else 0, (x_scale, out_scale), 0.8)
    y = d.output((1, oh, ow, channels), scale=out_scale, zero_point=d.zero_point())
    options: dict[str, Any] = {"depth_multiplier": multiplier} if depthwise else {}
    d.net.add(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [x, *constants],
        [y],
        padding=plane["padding"],
        stride_h=sh,
        stride_w=sw,
        dilation_h_factor=dh,
        dilation_w_factor=dw,
        fused_activation_function=d.pick(*ACTIVATIONS),
        **options,
    )


def depthwise_conv_2d(d: Draw) -> None:
    conv_2d(d, depthwise=True)


def transpose_conv(d: Draw) -> None:
    shape = d.picture(6)
    padding = d.pick("SAME", "VALID")
    (kh, kw), (sh, sw) = (d.int(1, 4), d.int(1, 4)), (d.int(1, 3), d.int(1, 3))
    if padding == "SAME":
        out = (shape[1] * sh - d.int(0, sh - 1), shape[2] * sw - d.int(0, sw - 1))
    else:
        out = ((shape[1] - 1) * sh + max(kh, sh), (shape[2] - 1) * sw + max(kw, sw))
    channels = d.int(1, 8)
    x_scale, out_scale = d.scale(), d.scale()
    weights = d.weights((channels, kh, kw, shape[3]))
    x = d.input(shape, scale=x_scale, zero_point=d.zero_point())
    constants = _filter_and_bias(d, weights, 0, (x_scale, out_scale), 0.8)
    size = d.net.constant((1, *out, channels), np.int32)
    y = d.output((1, *out, channels), scale=out_scale, zero_point=d.zero_point())
    d.net.add(
        "TRANSPOSE_CONV",
        [size, constants[0], x, *constants[1:]],
        [y],
        padding=padding,
        stride_h=sh,
        stride_w=sw,
        fused_activation_function=d.pick(*ACTIVATIONS),
    )


def fully_connected(d: Draw) -> None:
    shape = d.pick((1, d.int(1, 80)), (1, d.int(1, 4), d.int(1, 4), d.int(1, 9)))
    outputs, terms = d.int(1, 20), int(np.prod(shape))
    x_scale, out_scale = d.scale(), d.scale()
    x = d.input(shape, scale=x_scale, zero_point=d.zero_point())
    constants = _filter_and_bias(d, d.weights((outputs, terms)), 0, (x_scale, out_scale), 0.3)
    y = d.output((1, outputs), scale=out_scale, zero_point=d.zero_point())
    d.net.add("FULLY_CONNECTED", [x, *constants], [y], fused_activation_function=d.pick(*ACTIVATIONS))


def _pool(d: Draw, name: str) -> None:
    shape = d.picture()
    plane = _plane(d, shape[1], shape[2], dilated=False)
    (kh, sh, _, oh), (kw, sw, _, ow) = plane["h"], plane["w"]
    same = {"scale": d.scale(), "zero_point": d.zero_point()}
    x, y = d.input(shape, **same), d.output((1, oh, ow, shape[3]), **same)
    d.net.add(
        name,
        [x],
        [y],
        padding=plane["padding"],
        stride_h=sh,
        stride_w=sw,
        filter_height=kh,
        filter_width=kw,
        fused_activation_function=d.pick(*ACTIVATIONS),
    )


def average_pool_2d(d: Draw) -> None:
    _pool(d, "AVERAGE_POOL_2D")


def max_pool_2d(d: Draw) -> None:
    _pool(d, "MAX_POOL_2D")


# --- between two tensors ---


def _binary(d: Draw, name: str) -> None:
    shape = d.picture()
    other: tuple[int, ...] = d.pick(shape, shape, (1, 1, 1, shape[3]), (shape[3],), (1, 1, 1, 1), ())
    s1, s2 = d.scale(), d.scale()
    product = s1 * s2 * 64 if name == "MUL" else max(s1, s2)
    out_scale = float(np.float32(product * 2.0 ** d.rng.uniform(-4, 8)))
    x = d.input(shape, scale=s1, zero_point=d.zero_point())
    two = {"scale": s2, "zero_point": d.zero_point()}
    if other == shape or (d.chance(0.5) and len(other) == 4):
        z = d.input(other, **two)
    else:
        z = d.net.constant(d.weights(other), np.int8, **two)
    pair = [x, z] if other == shape or d.chance(0.7) else [z, x]
    y = d.output(shape, scale=out_scale, zero_point=d.zero_point())
    d.net.add(name, pair, [y], fused_activation_function=d.pick(*ACTIVATIONS))


def add(d: Draw) -> None:
    _binary(d, "ADD")


def sub(d: Draw) -> None:
    _binary(d, "SUB")


def mul(d: Draw) -> None:
    _binary(d, "MUL")


def mean(d: Draw) -> None:
    shape = d.picture()
    axes = d.pick((1, 2), (1, 2), (2, 1), (1,), (2,), (3,), (-1,), (1, 2, 3))
    keep = d.chance(0.5)
    gone = {a % 4 for a in axes}
    out = tuple(1 if a in gone else s for a, s in enumerate(shape) if keep or a not in gone)
    s = d.scale()
    same_scale = d.chance(0.3)
    quant = {"scale": s, "zero_point": d.zero_point()}
    x = d.input(shape, **quant)
    if not same_scale:
        quant = {"scale": float(np.float32(s * 2.0 ** d.rng.uniform(-4, 4))), "zero_point": d.zero_point()}
    y = d.output(out, **quant)
    d.net.add("MEAN", [x, d.net.constant(axes, np.int32)], [y], keep_dims=keep)


# --- one value at a time; 256 values are all there are ---


def _unary(d: Draw, name: str, out: dict[str, Any], x_scale: float, **options: Any) -> None:
    shape = d.pick((1, 256), (1, 16, 16, 1), d.picture())
    x = d.input(shape, scale=x_scale, zero_point=out.pop("x_zero", d.zero_point()))
    d.net.add(name, [x], [d.output(shape, **out)], **options)


def _requantised(d: Draw, x_scale: float) -> dict[str, Any]:
    wide = d.rng.uniform(-4, 4) if d.chance(0.7) else d.rng.uniform(-12, 31)
    return {"scale": float(np.float32(x_scale * 2.0**wide)), "zero_point": d.zero_point()}


def relu(d: Draw) -> None:
    s = d.scale()
    _unary(d, "RELU", _requantised(d, s), s)


def relu6(d: Draw) -> None:
    s, zero = d.scale(), d.zero_point()
    _unary(d, "RELU6", {"scale": s, "zero_point": zero, "x_zero": zero}, s)


def leaky_relu(d: Draw) -> None:
    s = d.scale()
    _unary(d, "LEAKY_RELU", _requantised(d, s), s, alpha=float(np.float32(d.rng.uniform(0.001, 0.999))))


def prelu(d: Draw) -> None:
    shape = d.picture()
    s = d.scale()
    x = d.input(shape, scale=s, zero_point=d.zero_point())
    alphas = d.net.constant(
        d.weights((1, 1, shape[3])), np.int8, scale=d.scale(-9, -6), zero_point=d.pick(0, 0, d.int(-128, 127))
    )
    d.net.add("PRELU", [x, alphas], [d.output(shape, **_requantised(d, s))])


def hard_swish(d: Draw) -> None:
    s = d.scale(-9, 0)
    wide = {"scale": float(np.float32(s * 2.0 ** d.rng.uniform(-4, 2))), "zero_point": d.zero_point()}
    _unary(d, "HARD_SWISH", wide, s)


def logistic(d: Draw) -> None:
    _unary(d, "LOGISTIC", {"scale": 1 / 256, "zero_point": -128}, d.scale(-12, 1))


def tanh(d: Draw) -> None:
    _unary(d, "TANH", {"scale": 1 / 128, "zero_point": 0}, d.scale(-12, 1))


def softmax(d: Draw) -> None:
    shape = d.pick((1, d.int(1, 40)), d.picture(4), (1, 256))
    x = d.input(shape, scale=d.scale(-10, 3), zero_point=d.zero_point())
    y = d.output(shape, scale=1 / 256, zero_point=-128)
    d.net.add("SOFTMAX", [x], [y], beta=d.pick(1.0, 1.0, float(np.float32(d.rng.uniform(0.1, 4)))))


def quantize(d: Draw) -> None:
    source, target = d.pick(
        (np.int8, np.int8), (np.uint8, np.int8), (np.int8, np.uint8), (np.float32, np.int8)
    )
    s = d.scale()
    shape = d.pick((1, 256), d.picture())

    def zero(dtype: Any) -> int:
        return d.zero_point() + (128 if dtype == np.uint8 else 0)

    if source == np.float32:
        x = d.input(shape, np.float32)
        out = {"scale": d.scale(-9, 0), "zero_point": zero(target)}
    else:
        x = d.input(shape, source, scale=s, zero_point=zero(source))
        out = {**_requantised(d, s), "zero_point": zero(target)}
    d.net.add("QUANTIZE", [x], [d.output(shape, target, **out)])


def dequantize(d: Draw) -> None:
    x = d.input(d.pick((1, 256), d.picture()), scale=d.scale(), zero_point=d.zero_point())
    d.net.add("DEQUANTIZE", [x], [d.output(d.fed[0][0], np.float32)])


# --- moving values ---


def _same(d: Draw) -> dict[str, Any]:
    return {"scale": d.scale(), "zero_point": d.zero_point()}


def reshape(d: Draw) -> None:
    shape, same = d.picture(), _same(d)
    size = int(np.prod(shape))
    new = d.pick((1, size), (1, shape[1] * shape[2], shape[3]), (1, shape[3], shape[1], shape[2]), (size,))
    x, y = d.input(shape, **same), d.output(new, **same)
    d.net.add("RESHAPE", [x, d.net.constant(new, np.int32)], [y], new_shape=new)


def squeeze(d: Draw) -> None:
    n, same = d.int(1, 9), _same(d)
    dims = d.pick((1, 2), (1,), (2,))
    shape = (1, 1, 1, n)
    out = tuple(s for a, s in enumerate(shape) if a not in dims)
    d.net.add("SQUEEZE", [d.input(shape, **same)], [d.output(out, **same)], squeeze_dims=dims)


def _pad_widths(d: Draw, shape: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    widths = np.array([(0, 0), *((d.int(0, 3), d.int(0, 3)) for _ in shape[1:])], np.int32)
    return widths, tuple(int(s + w.sum()) for s, w in zip(shape, widths, strict=True))


def pad(d: Draw) -> None:
    shape, same = d.pick(d.picture(), d.shape()), _same(d)
    widths, out = _pad_widths(d, shape)
    d.net.add("PAD", [d.input(shape, **same), d.net.constant(widths)], [d.output(out, **same)])


def padv2(d: Draw) -> None:
    shape, same = d.picture(), _same(d)
    widths, out = _pad_widths(d, shape)
    fill = d.net.constant([d.int(-128, 127)], np.int8, **same)
    d.net.add("PADV2", [d.input(shape, **same), d.net.constant(widths), fill], [d.output(out, **same)])


def concatenation(d: Draw) -> None:
    shape, same = d.pick(d.picture(5), d.shape(5)), _same(d)
    axis = d.int(1, len(shape) - 1)
    parts = [tuple(d.int(1, 5) if a == axis else s for a, s in enumerate(shape)) for _ in range(d.int(1, 4))]
    out = tuple(sum(p[axis] for p in parts) if a == axis else s for a, s in enumerate(shape))
    inputs = [d.input(p, **same) for p in parts]
    d.net.add(
        "CONCATENATION", inputs, [d.output(out, **same)], axis=axis - (len(shape) if d.chance(0.3) else 0)
    )


def split(d: Draw) -> None:
    shape, same = d.picture(4), _same(d)
    axis, parts = d.int(1, 3), d.int(1, 4)
    whole = tuple(s * parts if a == axis else s for a, s in enumerate(shape))
    where = d.net.constant(axis - (4 if d.chance(0.3) else 0), np.int32)
    x = d.input(whole, **same)
    d.net.add("SPLIT", [where, x], [d.output(shape, **same) for _ in range(parts)], num_splits=parts)


def strided_slice(d: Draw) -> None:
    shape, same = d.picture(), _same(d)
    while True:
        begin, end, step = [0], [1], [1]
        for size in shape[1:]:
            step.append(d.pick(1, 1, 2, 3, -1, -2))
            begin.append(d.int(-size, size - 1))
            end.append(d.int(-size - 1, size + 1))
        masks = {f"{name}_mask": d.int(0, 15) & d.int(0, 15) for name in ("begin", "end")}
        shrink = 0 if d.chance(0.7) else 1 << d.int(1, 3)
        dims: list[int] = []
        for a, size in enumerate(shape):
            if shrink >> a & 1:
                continue
            start = None if masks["begin_mask"] >> a & 1 else begin[a]
            stop = None if masks["end_mask"] >> a & 1 else end[a]
            dims.append(len(range(size)[start : stop : step[a]]))
        if all(s > 0 for s in dims):
            break
    for a in range(4):
        if shrink >> a & 1:
            step[a], end[a] = 1, begin[a] + 1
    constants = [d.net.constant(v, np.int32) for v in (begin, end, step)]
    x, y = d.input(shape, **same), d.output(tuple(dims), **same)
    d.net.add("STRIDED_SLICE", [x, *constants], [y], shrink_axis_mask=shrink, **masks)


def transpose(d: Draw) -> None:
    shape, same = d.pick(d.picture(), d.shape()), _same(d)
    order = [0, *(int(a) + 1 for a in d.rng.permutation(len(shape) - 1))]
    out = tuple(shape[a] for a in order)
    x = d.input(shape, **same)
    d.net.add("TRANSPOSE", [x, d.net.constant(order, np.int32)], [d.output(out, **same)])


def _resize(d: Draw, name: str) -> None:
    shape, same = d.picture(), _same(d)
    corners, half = d.pick((False, False), (True, False), (False, True))
    size = d.pick((shape[1] * 2, shape[2] * 2), (d.int(1, 14), d.int(1, 14)))
    x, y = d.input(shape, **same), d.output((1, *size, shape[3]), **same)
    constants = d.net.constant(size, np.int32)
    d.net.add(name, [x, constants], [y], align_corners=corners, half_pixel_centers=half)


def resize_nearest_neighbor(d: Draw) -> None:
    _resize(d, "RESIZE_NEAREST_NEIGHBOR")


def resize_bilinear(d: Draw) -> None:
    _resize(d, "RESIZE_BILINEAR")


_MAKERS: dict[str, Callable[[Draw], None]] = {
    maker.__name__.upper(): maker
    for maker in (
        add, average_pool_2d, concatenation, conv_2d, depthwise_conv_2d, dequantize, fully_connected,
        hard_swish, leaky_relu, logistic, max_pool_2d, mean, mul, pad, padv2, prelu, quantize, relu, relu6,
        reshape, resize_bilinear, resize_nearest_neighbor, softmax, split, squeeze, strided_slice, sub, tanh,
        transpose, transpose_conv,
    )
}  # fmt: skip

OPERATORS = tuple(_MAKERS)


def make(operator: str, seed: int) -> Case:
    draw = Draw(np.random.default_rng([zlib.crc32(operator.encode()), seed]))
    _MAKERS[operator](draw)
    return draw.case(operator, seed)


def cases(each: int, first: int = 0) -> Iterator[Case]:
    """`each` models of every operator."""
    for operator in OPERATORS:
        for seed in range(first, first + each):
            yield make(operator, seed)
