"""Random networks of a few operators each: branches, residual sums, several outputs, channels that are dead.

What one operator cannot show is what the compiler does between them: memory shared and reused, operators in
place or row by row, padding folded, constant and unread channels removed. `make(seed)` gives the same bytes
for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from framekeep_models.tflite_writer import Writer

Array = Any
SIDE_MAX, CHANNELS_MAX, ELEMENTS_MAX = 14, 20, 4096


@dataclass(frozen=True)
class Value:
    index: int
    shape: tuple[int, ...]
    scale: float
    zero: int

    @property
    def same(self) -> dict[str, Any]:
        return {"scale": self.scale, "zero_point": self.zero}


@dataclass
class Net:
    rng: np.random.Generator
    writer: Writer = field(default_factory=Writer)
    values: list[Value] = field(default_factory=list)

    def int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def pick(self, *choices: Any) -> Any:
        return choices[self.int(0, len(choices) - 1)]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def new(self, shape: tuple[int, ...], scale: float, zero: int) -> Value:
        scale = float(np.float32(scale))
        value = Value(self.writer.tensor(shape, scale=scale, zero_point=zero), shape, scale, zero)
        self.values.append(value)
        return value

    def like(self, shape: tuple[int, ...], value: Value) -> Value:
        return self.new(shape, value.scale, value.zero)

    def source(self) -> Value:
        """Most often the latest, else any: that makes branches."""
        maps = [v for v in self.values if len(v.shape) == 4]
        return maps[-1] if self.chance(0.7) else maps[self.int(0, len(maps) - 1)]

    def ints(self, values: Any) -> int:
        return self.writer.constant(np.asarray(values, np.int32))

    def kernel(self, shape: tuple[int, ...], axis: int, x: Value) -> tuple[list[int], float]:
        """Weights and bias, dead channels among them, and the spread of what comes out in real units."""
        count = shape[axis]
        weights = self.rng.integers(-127, 128, shape)
        terms = weights.size // count
        scales = (0.01 * 2.0 ** self.rng.uniform(-1, 1, count)).astype(np.float32)
        bias = self.rng.normal(0, 40 * np.sqrt(terms), count) * 60
        dead = self.rng.random(count) < self.pick(0.0, 0.0, 0.3, 0.6)
        kind = self.rng.integers(0, 3, count)
        where = [1] * len(shape)
        where[axis] = count
        weights = np.where((dead & (kind == 0)).reshape(where), 0, weights)  # constant by its weights
        bias = np.where(dead & (kind == 1), -(2.0**24), bias)  # constant by saturation below
        bias = np.where(dead & (kind == 2), 2.0**24, bias)  # and above
        constants = [
            self.writer.constant(weights, np.int8, scale=scales, axis=axis),
            self.writer.constant(bias, np.int32, scale=np.float32(x.scale) * scales),
        ]
        return constants, float(x.scale * scales.mean() * np.sqrt(terms) * 60 * 74)

    def zero_for(self, activation: str) -> int:
        return -128 if activation.startswith("RELU") and self.chance(0.7) else self.int(-128, 127)


def plane(net: Net, x: Value) -> dict[str, Any] | None:
    kernel, stride = net.pick(1, 1, 3, 3, 5), net.pick(1, 1, 1, 2)
    dilation = net.pick(1, 1, 1, 2) if stride == 1 else 1
    padding = net.pick("SAME", "SAME", "VALID")
    extent = (kernel - 1) * dilation + 1
    sides = [-(-s // stride) if padding == "SAME" else -(-(s - extent + 1) // stride) for s in x.shape[1:3]]
    if min(sides) < 1:
        return None
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding, "sides": sides}


def window_options(p: dict[str, Any]) -> dict[str, Any]:
    return {"padding": p["padding"], "stride_h": p["stride"], "stride_w": p["stride"]}


def conv(net: Net, depthwise: bool = False) -> bool:
    x = net.source()
    p = plane(net, x)
    if p is None:
        return False
    k, depth = p["kernel"], x.shape[3]
    channels = depth * net.pick(1, 1, 1, 2) if depthwise else net.int(1, CHANNELS_MAX)
    if channels > 2 * CHANNELS_MAX:
        return False
    shape = (1, k, k, channels) if depthwise else (channels, k, k, depth)
    constants, spread = net.kernel(shape, 3 if depthwise else 0, x)
    activation = net.pick("NONE", "RELU", "RELU6")
    y = net.new((1, *p["sides"], channels), spread / net.pick(20, 40, 80), net.zero_for(activation))
    net.writer.add(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [x.index, *constants],
        [y.index],
        **window_options(p),
        dilation_h_factor=p["dilation"],
        dilation_w_factor=p["dilation"],
        fused_activation_function=activation,
        **({"depth_multiplier": channels // depth} if depthwise else {}),
    )
    return True


def depthwise(net: Net) -> bool:
    return conv(net, depthwise=True)


def separable(net: Net) -> bool:
    """The commonest pair, on the latest value."""
    return conv(net, depthwise=True) and conv(net)


def pool(net: Net) -> bool:
    x = net.source()
    p = plane(net, x)
    if p is None or p["dilation"] != 1:
        return False
    y = net.like((1, *p["sides"], x.shape[3]), x)
    name = net.pick("MAX_POOL_2D", "AVERAGE_POOL_2D")
    size = {"filter_height": p["kernel"], "filter_width": p["kernel"]}
    net.writer.add(name, [x.index], [y.index], **window_options(p), **size)
    return True


def binary(net: Net) -> bool:
    x = net.source()
    partners = [v for v in net.values if v.shape == x.shape]
    z = partners[net.int(0, len(partners) - 1)]
    name = net.pick("ADD", "ADD", "SUB", "MUL")
    scale = x.scale * z.scale * 60 if name == "MUL" else max(x.scale, z.scale)
    activation = net.pick("NONE", "NONE", "RELU")
    y = net.new(x.shape, scale * 2.0 ** net.rng.uniform(-1, 2), net.zero_for(activation))
    net.writer.add(name, [x.index, z.index], [y.index], fused_activation_function=activation)
    return True


def with_constant(net: Net) -> bool:
    x = net.source()
    values = net.rng.integers(-128, 128, net.pick((x.shape[3],), (1, 1, 1, x.shape[3]), ()))
    two = {"scale": float(np.float32(2.0 ** net.rng.uniform(-8, -4))), "zero_point": net.int(-20, 20)}
    constant = net.writer.constant(values, np.int8, **two)
    name = net.pick("ADD", "SUB", "MUL")
    scale = x.scale * two["scale"] * 60 if name == "MUL" else max(x.scale, two["scale"])
    y = net.new(x.shape, scale * 2.0 ** net.rng.uniform(-1, 2), net.int(-128, 127))
    net.writer.add(name, [x.index, constant], [y.index])
    return True


def gate(net: Net) -> bool:
    """Squeeze and excite: every channel times a number of its own."""
    x = net.source()
    squeezed = net.new((1, 1, 1, x.shape[3]), x.scale, x.zero)
    net.writer.add("MEAN", [x.index, net.ints([1, 2])], [squeezed.index], keep_dims=True)
    weight = net.new(squeezed.shape, 1 / 256, -128)
    net.writer.add("LOGISTIC", [squeezed.index], [weight.index])
    y = net.new(x.shape, x.scale / 2, net.int(-128, 127))
    net.writer.add("MUL", [x.index, weight.index], [y.index])
    return True


def activation(net: Net) -> bool:
    x = net.source()
    name = net.pick("RELU", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "QUANTIZE", "RELU6")
    fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "RELU6": (x.scale, x.zero)}
    scale, zero = fixed.get(name, (x.scale * 2.0 ** net.rng.uniform(-1, 1), net.int(-128, 127)))
    options = {"alpha": 0.1} if name == "LEAKY_RELU" else {}
    net.writer.add(name, [x.index], [net.new(x.shape, scale, zero).index], **options)
    return True


def pad(net: Net) -> bool:
    x = net.source()
    widths = [(0, 0), *((net.int(0, 2), net.int(0, 2)) for _ in range(2)), (0, net.pick(0, 0, 0, 2))]
    shape = tuple(s + sum(w) for s, w in zip(x.shape, widths, strict=True))
    net.writer.add("PAD", [x.index, net.ints(widths)], [net.like(shape, x).index])
    return True


def concat(net: Net) -> bool:
    x = net.source()
    partners = [v for v in net.values if len(v.shape) == 4 and v.shape[:3] == x.shape[:3]]
    parts = []
    for part in [x, *(partners[net.int(0, len(partners) - 1)] for _ in range(net.int(1, 2)))]:
        if (part.scale, part.zero) == (x.scale, x.zero):
            parts.append(part)
        else:  # joined values share a scale, as converters see to
            parts.append(net.like(part.shape, x))
            net.writer.add("QUANTIZE", [part.index], [parts[-1].index])
    channels = sum(p.shape[3] for p in parts)
    if channels > 2 * CHANNELS_MAX:
        return False
    y = net.like((*x.shape[:3], channels), x)
    net.writer.add("CONCATENATION", [p.index for p in parts], [y.index], axis=3)
    return True


def slices(net: Net) -> bool:
    x = net.source()
    if x.shape[3] < 2:
        return False
    if x.shape[3] % 2 == 0 and net.chance(0.5):
        halves = [net.like((*x.shape[:3], x.shape[3] // 2), x) for _ in range(2)]
        net.writer.add("SPLIT", [net.ints(3), x.index], [h.index for h in halves], num_splits=2)
        return True
    begin = net.int(0, x.shape[3] - 1)
    y = net.like((*x.shape[:3], x.shape[3] - begin), x)
    bounds = [net.ints(v) for v in ([0, 0, 0, begin], [0, 0, 0, 0], [1, 1, 1, 1])]
    net.writer.add("STRIDED_SLICE", [x.index, *bounds], [y.index], begin_mask=7, end_mask=15)
    return True


def resize(net: Net) -> bool:
    x = net.source()
    if max(x.shape[1:3]) * 2 > SIDE_MAX:
        return False
    size = (x.shape[1] * 2, x.shape[2] * 2)
    half = net.chance(0.5)
    name = net.pick("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")
    y = net.like((1, *size, x.shape[3]), x)
    net.writer.add(name, [x.index, net.ints(size)], [y.index], half_pixel_centers=half)
    return True


def upconv(net: Net) -> bool:
    x = net.source()
    if max(x.shape[1:3]) * 2 > SIDE_MAX:
        return False
    channels = net.int(1, 8)
    constants, spread = net.kernel((channels, 3, 3, x.shape[3]), 0, x)
    shape = (1, x.shape[1] * 2, x.shape[2] * 2, channels)
    y = net.new(shape, spread / 40, net.int(-128, 127))
    inputs = [net.ints(shape), constants[0], x.index, constants[1]]
    net.writer.add("TRANSPOSE_CONV", inputs, [y.index], padding="SAME", stride_h=2, stride_w=2)
    return True


def shuffle(net: Net) -> bool:
    x = net.source()
    if x.shape[3] % 2:
        return False
    apart = (*x.shape[:3], 2, x.shape[3] // 2)
    split, turned = net.like(apart, x), net.like((*x.shape[:3], x.shape[3] // 2, 2), x)
    net.writer.add("RESHAPE", [x.index, net.ints(apart)], [split.index], new_shape=apart)
    net.writer.add("TRANSPOSE", [split.index, net.ints([0, 1, 2, 4, 3])], [turned.index])
    back = net.like(x.shape, x)
    net.writer.add("RESHAPE", [turned.index, net.ints(x.shape)], [back.index], new_shape=x.shape)
    return True


def classify(net: Net) -> Value:
    """Mean or flatten, a fully connected layer, perhaps a softmax."""
    x = net.source()
    features = int(np.prod(x.shape)) if net.chance(0.5) else x.shape[3]
    flat = net.new((1, features), x.scale, x.zero)
    if features == x.shape[3] and np.prod(x.shape) != features:
        net.writer.add("MEAN", [x.index, net.ints([1, 2])], [flat.index], keep_dims=False)
    else:
        net.writer.add("RESHAPE", [x.index, net.ints([1, features])], [flat.index], new_shape=(1, features))
    classes = net.int(2, 6)
    scale = float(np.float32(0.01))
    weights = net.writer.constant(net.rng.integers(-127, 128, (classes, features)), np.int8, scale=scale)
    bias = net.rng.integers(-2000, 2000, classes)
    constant = net.writer.constant(bias, np.int32, scale=float(np.float32(flat.scale) * np.float32(scale)))
    logits = net.new((1, classes), flat.scale * scale * np.sqrt(features) * 60, net.int(-40, 40))
    net.writer.add("FULLY_CONNECTED", [flat.index, weights, constant], [logits.index])
    if net.chance(0.5):
        return logits
    probabilities = net.new((1, classes), 1 / 256, -128)
    net.writer.add("SOFTMAX", [logits.index], [probabilities.index])
    return probabilities


STEPS: list[tuple[Callable[[Net], bool], int]] = [  # with how often each is drawn
    (conv, 5), (depthwise, 2), (separable, 4), (pool, 2), (binary, 4), (with_constant, 1), (gate, 1),
    (activation, 2), (pad, 2), (concat, 2), (slices, 2), (resize, 1), (upconv, 1), (shuffle, 1),
]  # fmt: skip


@dataclass(frozen=True)
class Made:
    seed: int
    model: bytes
    shape: tuple[int, ...]


def make(seed: int, steps: int | None = None) -> Made:
    net = Net(np.random.default_rng([0xF7A3E, seed]))
    side = net.int(3, SIDE_MAX)
    x = net.new((1, side, net.pick(side, net.int(3, SIDE_MAX)), net.pick(1, 3, 3, 8)), 1 / 255, -128)
    kinds, weights = zip(*STEPS, strict=True)
    odds = np.array(weights) / sum(weights)
    done = 0
    for _ in range(100):
        if done >= (steps or net.int(2, 12)):
            break
        if np.prod(net.source().shape) <= ELEMENTS_MAX:
            done += kinds[int(net.rng.choice(len(kinds), p=odds))](net)
    outputs = [classify(net).index if net.chance(0.5) else net.values[-1].index]
    extra = [v.index for v in net.values[1:] if v.index not in outputs]
    if extra and net.chance(0.3):
        outputs.append(extra[net.int(0, len(extra) - 1)])
    return Made(seed, net.writer.build([x.index], outputs), x.shape)
