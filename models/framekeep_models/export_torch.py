"""Exports a trained torch network to an int8 .tflite, by post-training quantisation.

    export(net, pictures, "net.tflite", input_scale=1 / 255, input_zero_point=-128, labels=["none", "ship"])

`net` is any nn.Module over NCHW made of: Conv2d and SameConv2d (also depthwise), BatchNorm2d after them,
Linear, ConvTranspose2d, ReLU, ReLU6, LeakyReLU, Hardswish, Sigmoid, Tanh, Softmax, AvgPool2d, MaxPool2d,
AdaptiveAvgPool2d(1) or mean over (2, 3), sums, products, cat over channels, Flatten, Upsample, ZeroPad2d,
Dropout; functional forms as well. Several outputs (a tuple) become several outputs. End a classifier in
Softmax or in plain logits, a grid detector in a 1x1 convolution.

`calibration` is [N, H, W, C]: a few hundred typical pictures. Either float, in the units `net` takes, or
uint8 pixels p, which the device feeds as int8 p - 128: `net` must then take (p - 128 - zero point) * scale,
which is p / 255 for the default and (p - 128) / 128 for scale 1/128 and zero point 0.

Conventions are those of TFLite's converter: weights symmetric int8, one scale per output channel (one per
tensor for Linear); activations asymmetric int8 by the range seen; biases int32 at the product of scales.
For stride 2 use SameConv2d, which needs no PAD operator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from framekeep_models.tflite_writer import Writer
from framekeep_models.torch_graph import (
    ExportError,
    Layer,
    SameConv2d,
    kernel_extent,
    layers,
    same_padding,
    trace,
)

__all__ = ["ExportError", "SameConv2d", "export"]

Array = npt.NDArray[Any]
_BATCH = 32
_TINY = 1e-9
# These move values or mix them within their range: input and output share one scale.
_KEEPS_SCALE = {"avg_pool", "max_pool", "cat", "flatten", "upsample", "pad", "relu6"}
_FIXED_SCALE = {"softmax": (1 / 256, -128), "sigmoid": (1 / 256, -128), "tanh": (1 / 128, 0)}
_ACTIVATIONS = {
    "relu": "RELU",
    "relu6": "RELU6",
    "leaky_relu": "LEAKY_RELU",
    "hard_swish": "HARD_SWISH",
    "sigmoid": "LOGISTIC",
    "tanh": "TANH",
    "softmax": "SOFTMAX",
}


@dataclass(frozen=True, slots=True)
class _Value:
    """A written activation."""

    index: int
    shape: tuple[int, ...]  # as TFLite has it: NHWC or [1, features]
    scale: float
    zero_point: int


def export(
    module: nn.Module,
    calibration: Array,
    out_path: str | Path,
    *,
    input_scale: float = 1 / 255,
    input_zero_point: int = -128,
    labels: Sequence[str] = (),
    description: str = "",
    percentile: float = 100.0,
) -> Path:
    """Writes `out_path` and returns it. A `percentile` below 100 cuts outliers off the ranges seen."""
    traced = trace(module)
    graph, outputs = layers(traced)
    if calibration.dtype == np.uint8:
        calibration = (calibration.astype(np.float32) - 128 - input_zero_point) * np.float32(input_scale)
    ranges, shapes = _calibrate(traced, calibration, percentile)
    scales = _scales(graph, ranges, (input_scale, input_zero_point))
    emit = _Emitter(Writer(description), scales, shapes)
    for layer in graph:
        emit.layer(layer)
    first = emit.values[id(graph[0])].index
    last = [emit.values[id(layer)].index for layer in outputs]
    return emit.net.save(out_path, [first], last, labels)


class _Observer(fx.Interpreter):  # type: ignore[misc]
    """Runs the float network and keeps the range and shape of every value."""

    def __init__(self, traced: fx.GraphModule, percentile: float) -> None:
        super().__init__(traced)
        self.percentile = percentile
        self.ranges: dict[fx.Node, tuple[float, float]] = {}
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            low, high = self.ranges.get(n, (0.0, 0.0))
            if self.percentile < 100:
                values = result.detach().numpy()
                a, b = np.percentile(values, [100 - self.percentile, self.percentile])
            else:
                a, b = float(result.min()), float(result.max())
            self.ranges[n] = (min(low, float(a)), max(high, float(b)))
            self.shapes[n] = tuple(result.shape[1:])
        return result


def _calibrate(
    traced: fx.GraphModule, pictures: Array, percentile: float
) -> tuple[dict[fx.Node, tuple[float, float]], dict[fx.Node, tuple[int, ...]]]:
    if pictures.ndim != 4 or len(pictures) == 0:
        raise ExportError(f"calibration must be [N, H, W, C] with N > 0, not {pictures.shape}")
    observer = _Observer(traced, percentile)
    with torch.no_grad():
        for start in range(0, len(pictures), _BATCH):
            batch = np.ascontiguousarray(pictures[start : start + _BATCH].transpose(0, 3, 1, 2))
            observer.run(torch.from_numpy(batch.astype(np.float32)))
    return observer.ranges, observer.shapes


def _scales(
    graph: list[Layer], ranges: dict[fx.Node, tuple[float, float]], given: tuple[float, int]
) -> dict[int, tuple[float, int]]:
    """(scale, zero point) of every layer's output; layers tied by `_KEEPS_SCALE` share theirs."""
    root = {id(layer): id(layer) for layer in graph}

    def find(key: int) -> int:
        while root[key] != key:
            key = root[key]
        return key

    for layer in graph:
        if layer.kind in _KEEPS_SCALE:
            for source in layer.inputs:
                root[find(id(source))] = find(id(layer))
    groups: dict[int, list[Layer]] = {}
    for layer in graph:
        groups.setdefault(find(id(layer)), []).append(layer)
    result: dict[int, tuple[float, int]] = {}
    for members in groups.values():
        fixed = [_FIXED_SCALE[m.kind] for m in members if m.kind in _FIXED_SCALE]
        fixed += [given for m in members if m.kind == "input"]
        if len(set(fixed)) > 1:
            raise ExportError("values of different fixed scales are joined: requantise one of them first")
        scale = fixed[0] if fixed else _affine(_union(ranges[m.node] for m in members))
        result.update({id(m): (float(np.float32(scale[0])), scale[1]) for m in members})
    return result


def _union(ranges: Iterator[tuple[float, float]]) -> tuple[float, float]:
    pairs = list(ranges)
    return min(a for a, _ in pairs), max(b for _, b in pairs)


def _affine(bounds: tuple[float, float]) -> tuple[float, int]:
    """The int8 scale and zero point whose range covers `bounds`, with zero exactly representable."""
    low, high = bounds
    scale = float(np.float32(max(high - low, _TINY) / 255))
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


class _Emitter:
    """Writes one layer after another."""

    def __init__(
        self, net: Writer, scales: dict[int, tuple[float, int]], shapes: dict[fx.Node, tuple[int, ...]]
    ) -> None:
        self.net = net
        self.scales = scales
        self.shapes = shapes
        self.values: dict[int, _Value] = {}

    def layer(self, layer: Layer) -> None:
        write = getattr(self, "on_" + layer.kind, None)
        if layer.kind == "softmax" and layer.attrs["dim"] % len(self._shape(layer)) != 1:
            raise ExportError(f"{layer.node.name}: only softmax over channels is exported")
        if layer.kind in _ACTIVATIONS:
            options = {"alpha": float(layer.attrs["alpha"])} if layer.kind == "leaky_relu" else {}
            self._emit(layer, _ACTIVATIONS[layer.kind], [self._in(layer).index], **options)
        elif write is None:
            raise ExportError(f"{layer.node.name}: {layer.kind} is not exported")
        else:
            write(layer)

    # --- helpers ---

    def _in(self, layer: Layer, which: int = 0) -> _Value:
        return self.values[id(layer.inputs[which])]

    def _shape(self, layer: Layer) -> tuple[int, ...]:
        shape = self.shapes[layer.node]
        return (1, shape[1], shape[2], shape[0]) if len(shape) == 3 else (1, *shape)

    def _declare(self, layer: Layer, shape: tuple[int, ...] | None = None) -> _Value:
        scale, zero = self.scales[id(layer)]
        shape = shape or self._shape(layer)
        index = self.net.tensor(shape, scale=scale, zero_point=zero, name=layer.node.name)
        value = _Value(index, shape, scale, zero)
        self.values[id(layer)] = value
        return value

    def _emit(self, layer: Layer, name: str, inputs: list[int], **options: Any) -> None:
        if layer.activation != "NONE":
            options["fused_activation_function"] = layer.activation
        self.net.add(name, inputs, [self._declare(layer).index], **options)

    def _weights(
        self, values: Array, axis: int, per_channel: bool, bias: Array | None, x: _Value
    ) -> list[int]:
        """Constants for weights and bias; a scale grows where the bias would not fit its int32."""
        others = tuple(d for d in range(values.ndim) if d != axis)
        peak = np.abs(values).max(axis=others) if per_channel else np.abs(values).max(keepdims=True).ravel()
        bias = np.zeros(values.shape[axis]) if bias is None else bias
        need = np.abs(bias) / (x.scale * 2.0**30)
        need = need if per_channel else need.max(keepdims=True)
        scale = np.maximum.reduce([peak / 127, need, np.full_like(peak, _TINY)]).astype(np.float32)
        shape = [-1 if d == axis else 1 for d in range(values.ndim)] if per_channel else [1] * values.ndim
        quantised = np.clip(np.rint(values / scale.reshape(shape)), -127, 127)
        bias_scale = np.float32(x.scale) * scale
        return [
            self.net.constant(quantised, np.int8, scale=scale, axis=axis if per_channel else 0),
            self.net.constant(np.rint(bias / bias_scale.astype(np.float64)), np.int32, scale=bias_scale),
        ]

    def _tensors(self, layer: Layer) -> tuple[Array, Array | None]:
        assert layer.weight is not None
        return layer.weight.numpy(), None if layer.bias is None else layer.bias.numpy()

    # --- one method for each kind ---

    def on_input(self, layer: Layer) -> None:
        self._declare(layer)

    def on_conv(self, layer: Layer) -> None:
        conv, x = layer.attrs["layer"], self._in(layer)
        weight, bias = self._tensors(layer)
        padding, x = self._conv_padding(layer, x)
        options = {
            "padding": padding,
            "stride_h": conv.stride[0],
            "stride_w": conv.stride[1],
            "dilation_h_factor": conv.dilation[0],
            "dilation_w_factor": conv.dilation[1],
        }
        if conv.groups == 1:
            constants = self._weights(weight.transpose(0, 2, 3, 1), 0, True, bias, x)
            self._emit(layer, "CONV_2D", [x.index, *constants], **options)
        elif conv.groups == conv.in_channels:
            constants = self._weights(weight[:, 0].transpose(1, 2, 0)[None], 3, True, bias, x)
            options["depth_multiplier"] = conv.out_channels // conv.in_channels
            self._emit(layer, "DEPTHWISE_CONV_2D", [x.index, *constants], **options)
        else:
            raise ExportError(
                f"{layer.node.name}: grouped convolutions other than depthwise are not exported"
            )

    def _conv_padding(self, layer: Layer, x: _Value) -> tuple[str, _Value]:
        """SAME, VALID, or VALID behind a PAD operator where torch pads as neither does."""
        conv = layer.attrs["layer"]
        if layer.attrs["same"] and "explicit" not in layer.attrs:
            return "SAME", x
        left, right, top, bottom = layer.attrs.get("explicit", (0, 0, 0, 0))
        if layer.attrs["same"] or isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise ExportError(f"{layer.node.name}: this mixture of paddings is not exported")
        ph, pw = conv.padding
        rows, columns = (top + ph, bottom + ph), (left + pw, right + pw)
        if (rows, columns) == ((0, 0), (0, 0)):
            return "VALID", x
        if rows == same_padding(conv, x.shape[1], 0) and columns == same_padding(conv, x.shape[2], 1):
            return "SAME", x
        return "VALID", self._padded(x, rows, columns)

    def _padded(self, x: _Value, rows: tuple[int, int], columns: tuple[int, int]) -> _Value:
        shape = (1, x.shape[1] + sum(rows), x.shape[2] + sum(columns), x.shape[3])
        out = self.net.tensor(shape, scale=x.scale, zero_point=x.zero_point)
        widths = self.net.constant([(0, 0), rows, columns, (0, 0)], np.int32)
        self.net.add("PAD", [x.index, widths], [out])
        return _Value(out, shape, x.scale, x.zero_point)

    def on_pad(self, layer: Layer) -> None:
        left, right, top, bottom = layer.attrs["pads"]
        widths = self.net.constant([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
        self._emit(layer, "PAD", [self._in(layer).index, widths])

    def on_conv_transpose(self, layer: Layer) -> None:
        conv, x = layer.attrs["layer"], self._in(layer)
        weight, bias = self._tensors(layer)
        shape = self._shape(layer)
        same = all(
            2 * conv.padding[a] == kernel_extent(conv, a) - conv.stride[a]
            and shape[1 + a] == x.shape[1 + a] * conv.stride[a]
            for a in (0, 1)
        )
        if conv.groups != 1 or conv.dilation != (1, 1) or not (same or conv.padding == (0, 0)):
            raise ExportError(f"{layer.node.name}: only transposed convolutions padded as SAME or VALID")
        constants = self._weights(weight.transpose(1, 2, 3, 0), 0, True, bias, x)
        size = self.net.constant(shape, np.int32)
        self._emit(
            layer,
            "TRANSPOSE_CONV",
            [size, constants[0], x.index, constants[1]],
            padding="SAME" if same else "VALID",
            stride_h=conv.stride[0],
            stride_w=conv.stride[1],
        )

    def on_linear(self, layer: Layer) -> None:
        x = self._in(layer)
        weight, bias = self._tensors(layer)
        if len(x.shape) != 2:
            raise ExportError(f"{layer.node.name}: flatten before a Linear layer")
        before = self.shapes[layer.inputs[0].inputs[0].node] if layer.inputs[0].kind == "flatten" else ()
        if len(before) == 3:  # torch flattens CHW, TFLite HWC
            weight = weight.reshape(-1, *before).transpose(0, 2, 3, 1).reshape(weight.shape)
        self._emit(layer, "FULLY_CONNECTED", [x.index, *self._weights(weight, 0, False, bias, x)])

    def on_flatten(self, layer: Layer) -> None:
        shape = self._shape(layer)
        size = self.net.constant(shape, np.int32)
        self._emit(layer, "RESHAPE", [self._in(layer).index, size], new_shape=shape)

    def on_add(self, layer: Layer) -> None:
        if len(layer.inputs) == 1 and len(layer.node.args) == 2 and layer.node.args[0] is layer.node.args[1]:
            layer.inputs = layer.inputs * 2
        if len(layer.inputs) != 2:
            raise ExportError(f"{layer.node.name}: {layer.kind} with a constant is not exported")
        self._emit(layer, layer.kind.upper(), [self._in(layer, 0).index, self._in(layer, 1).index])

    on_sub = on_mul = on_add

    def on_cat(self, layer: Layer) -> None:
        rank = len(self._shape(layer))
        if layer.attrs["dim"] % rank != 1:
            raise ExportError(f"{layer.node.name}: only concatenation of channels is exported")
        self._emit(
            layer,
            "CONCATENATION",
            [self._in(layer, i).index for i in range(len(layer.inputs))],
            axis=rank - 1,
        )

    def on_mean(self, layer: Layer) -> None:
        dims = layer.attrs["dim"]
        if sorted(d % 4 for d in ([dims] if isinstance(dims, int) else dims or [])) != [2, 3]:
            raise ExportError(f"{layer.node.name}: only the mean over height and width is exported")
        axes = self.net.constant([1, 2], np.int32)
        self._emit(layer, "MEAN", [self._in(layer).index, axes], keep_dims=bool(layer.attrs["keepdim"]))

    def on_adaptive_pool(self, layer: Layer) -> None:
        if layer.attrs["output_size"] not in (1, (1, 1), [1, 1]):
            raise ExportError(f"{layer.node.name}: only AdaptiveAvgPool2d(1) is exported")
        axes = self.net.constant([1, 2], np.int32)
        self._emit(layer, "MEAN", [self._in(layer).index, axes], keep_dims=True)

    def on_avg_pool(self, layer: Layer) -> None:
        self._pool(layer, "AVERAGE_POOL_2D", same_allowed=False)

    def on_max_pool(self, layer: Layer) -> None:
        self._pool(layer, "MAX_POOL_2D", same_allowed=True)

    def _pool(self, layer: Layer, name: str, same_allowed: bool) -> None:
        pool, x = layer.attrs["layer"], self._in(layer)
        pads = tuple((p, p) for p in pool.padding)
        same = pads == (same_padding(pool, x.shape[1], 0), same_padding(pool, x.shape[2], 1))
        if pool.ceil_mode or (pads != ((0, 0), (0, 0)) and not (same and same_allowed)):
            raise ExportError(
                f"{layer.node.name}: this padding of a pool is not exported; use ZeroPad2d or none"
            )
        self._emit(
            layer,
            name,
            [x.index],
            padding="VALID" if pads == ((0, 0), (0, 0)) else "SAME",
            filter_height=pool.kernel_size[0],
            filter_width=pool.kernel_size[1],
            stride_h=pool.stride[0],
            stride_w=pool.stride[1],
        )

    def on_upsample(self, layer: Layer) -> None:
        size = self.net.constant(self._shape(layer)[1:3], np.int32)
        mode, corners = layer.attrs["mode"], bool(layer.attrs["corners"])
        inputs = [self._in(layer).index, size]
        if mode == "nearest":
            self._emit(layer, "RESIZE_NEAREST_NEIGHBOR", inputs)
        elif mode == "bilinear":
            self._emit(
                layer, "RESIZE_BILINEAR", inputs, align_corners=corners, half_pixel_centers=not corners
            )
        else:
            raise ExportError(f"{layer.node.name}: upsampling by {mode} is not exported")
