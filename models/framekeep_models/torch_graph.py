"""A trained torch module as a list of the layers TFLite knows: batch norm folded, activations fused.

The module is traced with torch.fx, so an ordinary `forward` with residual sums, concatenations and several
outputs is understood. What has no int8 counterpart is refused by name.
"""

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import fx, nn
from torch.nn import functional as F

Pair = tuple[int, int]


class ExportError(ValueError):
    """The module holds something that cannot become an int8 .tflite; the text names it."""


class SameConv2d(nn.Conv2d):  # type: ignore[misc]
    """A convolution padded as TFLite's SAME, for any stride: the odd row and column go below and behind.

    torch pads both sides alike, which at stride 2 on an even size shifts the picture by one pixel and,
    exported, costs an extra PAD operator."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top, bottom = same_padding(self, x.shape[2], 0)
        left, right = same_padding(self, x.shape[3], 1)
        return super().forward(F.pad(x, (left, right, top, bottom)))


def same_padding(layer: Any, size: int, axis: int) -> Pair:
    """Rows ahead and behind that SAME adds to `size` (axis 0: height, 1: width)."""
    stride, extent = _pair(layer.stride)[axis], kernel_extent(layer, axis)
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def kernel_extent(layer: Any, axis: int) -> int:
    dilation = _pair(getattr(layer, "dilation", 1))[axis]
    return (_pair(layer.kernel_size)[axis] - 1) * dilation + 1


def _pair(value: Any) -> Pair:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


@dataclass
class Layer:
    """One operator to be. `node` is the traced value its output stands for, activation included."""

    kind: str
    inputs: list["Layer"]
    node: fx.Node
    weight: torch.Tensor | None = None  # as torch keeps it
    bias: torch.Tensor | None = None
    activation: str = "NONE"
    attrs: dict[str, Any] = field(default_factory=dict)


class _Tracer(fx.Tracer):  # type: ignore[misc]
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, SameConv2d) or super().is_leaf_module(m, module_qualified_name)


def trace(module: nn.Module) -> fx.GraphModule:
    module = copy.deepcopy(module).cpu().float().eval()
    if isinstance(module, tuple(cls for cls, _ in _MODULES)):
        module = nn.Sequential(module)  # a layer by itself would be traced into
    try:
        return fx.GraphModule(module, _Tracer().trace(module))
    except (fx.proxy.TraceError, TypeError) as error:
        raise ExportError(f"cannot trace the module: {error}") from error


_FUNCTIONS: dict[Any, str] = {
    operator.add: "add", torch.add: "add", operator.iadd: "add", "add": "add", "add_": "add",
    operator.sub: "sub", torch.sub: "sub", "sub": "sub",
    operator.mul: "mul", torch.mul: "mul", operator.imul: "mul", "mul": "mul",
    torch.cat: "cat", torch.flatten: "flatten", "flatten": "flatten",
    torch.mean: "mean", "mean": "mean",
    F.relu: "relu", torch.relu: "relu", "relu": "relu", F.relu6: "relu6",
    F.leaky_relu: "leaky_relu", F.hardswish: "hard_swish",
    torch.sigmoid: "sigmoid", "sigmoid": "sigmoid", F.sigmoid: "sigmoid",
    torch.tanh: "tanh", "tanh": "tanh", F.tanh: "tanh",
    F.softmax: "softmax", torch.softmax: "softmax", "softmax": "softmax",
    F.avg_pool2d: "avg_pool", F.max_pool2d: "max_pool", F.adaptive_avg_pool2d: "adaptive_pool",
    F.interpolate: "upsample", F.pad: "pad", F.dropout: "pass", "contiguous": "pass",
}  # fmt: skip

_MODULES: list[tuple[type[nn.Module], str]] = [
    (nn.Conv2d, "conv"), (nn.Linear, "linear"), (nn.ConvTranspose2d, "conv_transpose"),
    (nn.BatchNorm2d, "batch_norm"), (nn.BatchNorm1d, "batch_norm"),
    (nn.ReLU6, "relu6"), (nn.ReLU, "relu"), (nn.LeakyReLU, "leaky_relu"), (nn.Hardswish, "hard_swish"),
    (nn.Sigmoid, "sigmoid"), (nn.Tanh, "tanh"), (nn.Softmax, "softmax"),
    (nn.AdaptiveAvgPool2d, "adaptive_pool"), (nn.AvgPool2d, "avg_pool"), (nn.MaxPool2d, "max_pool"),
    (nn.Upsample, "upsample"), (nn.ZeroPad2d, "pad"), (nn.Flatten, "flatten"),
    (nn.Dropout, "pass"), (nn.Dropout2d, "pass"), (nn.Identity, "pass"),
]  # fmt: skip

_FUSE = {"relu": "RELU", "relu6": "RELU6"}
_HAS_FUSED = {"conv", "linear", "add", "sub", "mul", "avg_pool", "max_pool"}


def layers(traced: fx.GraphModule) -> tuple[list[Layer], list[Layer]]:
    """The layers in order of execution, the first being the input, and those that are outputs."""
    made: dict[fx.Node, Layer] = {}
    order: list[Layer] = []
    outputs: list[Layer] = []
    for node in traced.graph.nodes:
        if node.op == "output":
            found = node.args[0]
            values = list(found.values()) if isinstance(found, dict) else found
            outputs = [made[n] for n in (values if isinstance(values, (list, tuple)) else [values])]
        elif node.op == "placeholder":
            if order:
                raise ExportError("the module takes more than one input")
            made[node] = Layer("input", [], node)
            order.append(made[node])
        else:
            layer = _layer(traced, node, made)
            made[node] = layer
            if layer not in order:
                order.append(layer)
    used: set[int] = set()
    for layer in reversed(order):  # a pad absorbed by its convolution is read by nobody
        if layer in outputs or id(layer) in used:
            used.add(id(layer))
            used.update(id(source) for source in layer.inputs)
    return [layer for layer in order if id(layer) in used or layer.kind == "input"], outputs


def _layer(traced: fx.GraphModule, node: fx.Node, made: dict[fx.Node, Layer]) -> Layer:
    kind, module = _kind(traced, node)
    sources = [made[n] for n in node.all_input_nodes if n in made]
    if kind == "pass":
        return sources[0]
    source = sources[0]
    alone = len(source.node.users) == 1 and source.activation == "NONE"
    if kind in _FUSE and source.kind in _HAS_FUSED and alone:
        source.activation, source.node = _FUSE[kind], node
        return source
    if kind == "batch_norm":
        if source.kind not in ("conv", "linear", "conv_transpose") or not alone:
            raise ExportError(f"{node.name}: a batch norm must follow a convolution nobody else reads")
        _fold(source, cast(nn.BatchNorm2d, module))
        source.node = node
        return source
    layer = Layer(kind, sources, node, attrs=_attributes(kind, node, module))
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        layer.weight = module.weight.detach().double()
        layer.bias = None if module.bias is None else module.bias.detach().double()
    if kind == "conv" and source.kind == "pad" and len(source.node.users) == 1:
        layer.attrs["explicit"] = source.attrs["pads"]
        layer.inputs = source.inputs
    return layer


def _kind(traced: fx.GraphModule, node: fx.Node) -> tuple[str, Any]:
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        for cls, kind in _MODULES:
            if isinstance(module, cls):
                return kind, module
        raise ExportError(f"{node.name}: {type(module).__name__} has no int8 counterpart here")
    kind = _FUNCTIONS.get(node.target, "")
    if node.op not in ("call_function", "call_method") or not kind:
        raise ExportError(f"{node.name}: {node.target} has no int8 counterpart here")
    return kind, None


def _fold(layer: Layer, norm: nn.BatchNorm2d) -> None:
    """w' = w * g / sqrt(v + eps), b' = (b - m) * g / sqrt(v + eps) + beta."""
    assert layer.weight is not None and norm.running_var is not None and norm.running_mean is not None
    gain = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        gain = gain * norm.weight.detach().double()
    axis = 1 if layer.kind == "conv_transpose" else 0
    shape = [-1 if d == axis else 1 for d in range(layer.weight.ndim)]
    layer.weight = layer.weight * gain.reshape(shape)
    bias = layer.bias if layer.bias is not None else torch.zeros_like(gain)
    shift = norm.bias.detach().double() if norm.bias is not None else 0.0
    layer.bias = (bias - norm.running_mean.double()) * gain + shift


def _attributes(kind: str, node: fx.Node, module: Any) -> dict[str, Any]:
    def arg(position: int, name: str, default: Any = None) -> Any:
        if module is not None:
            return getattr(module, name, default)
        return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)

    read: Callable[[], dict[str, Any]] | None = {
        "conv": lambda: {"layer": module, "same": isinstance(module, SameConv2d)},
        "conv_transpose": lambda: {"layer": module},
        "leaky_relu": lambda: {"alpha": arg(1, "negative_slope", 0.01)},
        "softmax": lambda: {"dim": arg(1, "dim")},
        "cat": lambda: {"dim": arg(1, "dim", 0)},
        "mean": lambda: {"dim": arg(1, "dim"), "keepdim": arg(2, "keepdim", False)},
        "flatten": lambda: {"start": arg(1, "start_dim", 1 if module is not None else 0)},
        "adaptive_pool": lambda: {"output_size": arg(1, "output_size")},
        "avg_pool": lambda: {"layer": _Pool(arg)},
        "max_pool": lambda: {"layer": _Pool(arg)},
        "upsample": lambda: {"mode": arg(3, "mode", "nearest"), "corners": arg(4, "align_corners")},
        "pad": lambda: {"pads": tuple(module.padding if module is not None else cast(Any, node.args[1]))},
    }.get(kind)
    return read() if read else {}


class _Pool:
    """The geometry of a pooling layer, from a module or from a call's arguments."""

    def __init__(self, arg: Callable[..., Any]) -> None:
        self.kernel_size = _pair(arg(1, "kernel_size"))
        self.stride = _pair(arg(2, "stride") or self.kernel_size)
        self.padding = _pair(arg(3, "padding", 0))
        self.ceil_mode = bool(arg(99, "ceil_mode", False))
