"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, AVERAGE_POOL_2D, MAX_POOL_2D."""

from typing import Any

import numpy as np

from framekeep_models.lower import Lowering, batch_of_one, describe, lowers, quantisation
from framekeep_models.ops_window import (
    TAPS_MAX,
    AvgPool,
    Conv,
    Depthwise,
    Geometry,
    MaxPool,
    TransposeConv,
)
from framekeep_models.program import Int32Array, ModelError
from framekeep_models.quantise import (
    Multiplier,
    activation_range,
    conv_multipliers,
    fully_connected_multiplier,
)
from framekeep_models.tflite_model import Operator, Tensor

INT32_MAX = 2**31 - 1
REACH_MAX = 1 << 24  # of onboard/src/nn/op_window.c
SCALE_NEAR = 1e-6  # by which TensorFlow Lite lets the scales of a pool's two sides differ
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def clamp(node: Operator, out: Tensor) -> tuple[int, int]:
    """The fused activation on an int8 output (a uint8 one has been moved to int8)."""
    if node.activation() not in ACTIVATIONS:
        raise ModelError(f"fused activation {node.activation()} is not supported")
    scale, zero = quantisation(out)
    if node.activation() in ("RELU6", "RELU_N1_TO_1") and 6 / scale > INT32_MAX:  # TFLite Micro refuses it
        raise ModelError(f"{describe(out)} has a scale so small that its activation's end is no int32")
    low, high = activation_range(node.activation(), scale, zero)
    if low > high:
        raise ModelError(f"fused activation {node.activation()} leaves no value of {describe(out)}")
    return low, high


def geometry(state: Lowering, node: Operator, kernel: tuple[int, int]) -> Geometry:
    in_shape, out_shape = batch_of_one(state.tensor(node, 0)), batch_of_one(state.out(node))
    option = node.options.get
    stride = (int(option("stride_h", 1)), int(option("stride_w", 1)))
    dilation = (int(option("dilation_h_factor", 1)), int(option("dilation_w_factor", 1)))
    if min(stride + dilation + kernel) < 1:
        raise ModelError("a stride, dilation or kernel size below 1")
    pad = []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        if option("padding", "SAME") == "SAME":
            expected = -(-in_shape[axis] // stride[axis])
            missing = max((expected - 1) * stride[axis] + extent - in_shape[axis], 0)
        else:
            expected = (in_shape[axis] - extent) // stride[axis] + 1
            missing = 0
        if expected != out_shape[axis] or expected < 1:
            raise ModelError(f"{describe(state.out(node))} has {out_shape[axis]} where {expected} follows")
        pad.append(missing // 2)
        if (expected - 1) * stride[axis] + extent - 1 > REACH_MAX:
            raise ModelError(f"windows that reach over more than {REACH_MAX} rows or columns")
    if max(in_shape + out_shape) > 0xFFFF:
        raise ModelError("a side above 65535")
    return Geometry(in_shape, out_shape, kernel, stride, dilation, (pad[0], pad[1]))


def weights_of(state: Lowering, node: Operator) -> Tensor:
    tensor = state.tensor(node, 1)
    state.constant(node, 1)
    if tensor.dtype != np.int8:
        raise ModelError(f"weights {describe(tensor)} are {tensor.dtype}, not int8")
    if tensor.scale.size == 0 or np.any(tensor.zero_point != 0):
        raise ModelError(f"weights {describe(tensor)} are not quantised symmetrically around 0")
    if np.any(tensor.scale < 0):
        raise ModelError(f"weights {describe(tensor)} have a scale below 0")
    return tensor


def bias_of(state: Lowering, node: Operator, channels: int, position: int = 2) -> Int32Array:
    if not state.has(node, position):
        return np.zeros(channels, np.int32)
    bias, tensor = state.constant(node, position), state.tensor(node, position)
    if bias.dtype != np.int32 or bias.size != channels:
        raise ModelError(f"bias {describe(tensor)} is {bias.dtype}[{bias.size}], not int32[{channels}]")
    return np.asarray(bias.reshape(-1))


def channel_table(multipliers: list[Multiplier]) -> dict[str, Int32Array]:
    if any(m.shift > 30 for m in multipliers):
        raise ModelError("a multiplier of 2^30 or more")
    mantissas, shifts = zip(*multipliers, strict=True)
    return {"multiplier": np.array(mantissas, np.int32), "shift": np.array(shifts, np.int32)}


def scales_per_channel(state: Lowering, node: Operator, weights: Tensor, channels: int) -> dict[str, Any]:
    if weights.scale.size not in (1, channels):
        raise ModelError(
            f"weights {describe(weights)} have {weights.scale.size} scales for {channels} channels"
        )
    in_scale, _ = quantisation(state.tensor(node, 0))
    out_scale, _ = quantisation(state.out(node))
    return channel_table(conv_multipliers(in_scale, list(map(float, weights.scale)), out_scale, channels))


def common(state: Lowering, node: Operator) -> dict[str, Any]:
    """The fields that every window has; the output's buffer is made here."""
    source, act = state.source(node), clamp(node, state.out(node))
    output = state.new_buffer(state.out(node))
    return {
        "inputs": (source,),
        "output": output,
        "nodes": (node.index,),
        "in_zero": state.buffers[source].zero_point,
        "out_zero": state.buffers[output].zero_point,
        "act": act,
    }


@lowers("CONV_2D")
def conv_2d(state: Lowering, node: Operator) -> None:
    weights = weights_of(state, node)
    data = state.constant(node, 1)
    if data.ndim != 4:
        raise ModelError(f"weights {describe(weights)} have {data.ndim} dimensions, not 4")
    geo = geometry(state, node, (data.shape[1], data.shape[2]))
    channels = geo.out_shape[2]
    if data.shape[0] != channels or data.shape[3] != geo.in_shape[2]:
        raise ModelError(f"weights of shape {list(data.shape)} for {geo.in_shape[2]} to {channels} channels")
    table = scales_per_channel(state, node, weights, channels)
    bias = bias_of(state, node, channels)
    state.ops.append(Conv(**common(state, node), geometry=geo, weights=data, bias=bias, **table))


@lowers("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(state: Lowering, node: Operator) -> None:
    weights = weights_of(state, node)
    data = state.constant(node, 1)
    if data.ndim != 4 or data.shape[0] != 1:
        raise ModelError(f"weights {describe(weights)} have shape {list(data.shape)}")
    geo = geometry(state, node, (data.shape[1], data.shape[2]))
    channels, depth = geo.out_shape[2], geo.in_shape[2]
    if data.shape[3] != channels or channels % depth:
        raise ModelError(f"weights of shape {list(data.shape)} for {depth} to {channels} channels")
    said = node.options.get("depth_multiplier", channels // depth)
    if said != channels // depth:  # TFLite Micro takes the file's word and computes something else
        raise ModelError(f"a depth multiplier of {said} for {depth} to {channels} channels")
    table = scales_per_channel(state, node, weights, channels)
    bias = bias_of(state, node, channels)
    fields = {**common(state, node), **table, "geometry": geo, "bias": bias}
    if depth == 1:  # every output reads the one channel: an ordinary convolution
        state.ops.append(Conv(weights=np.ascontiguousarray(data.transpose(3, 1, 2, 0)), **fields))
    else:
        state.ops.append(Depthwise(weights=data[0], **fields))


@lowers("FULLY_CONNECTED")
def fully_connected(state: Lowering, node: Operator) -> None:
    if node.options.get("weights_format", 0) != 0:
        raise ModelError("shuffled weights")
    weights = weights_of(state, node)
    data = state.constant(node, 1)
    if data.ndim != 2:
        raise ModelError(f"weights {describe(weights)} have {data.ndim} dimensions, not 2")
    channels, depth = data.shape
    size = int(np.prod(state.tensor(node, 0).shape))
    if size % depth or int(np.prod(state.out(node).shape)) != size // depth * channels:
        raise ModelError(f"weights of shape {list(data.shape)} for an input of {size} values")
    if weights.scale.size > 1:
        table = scales_per_channel(state, node, weights, channels)
    else:
        in_scale, _ = quantisation(state.tensor(node, 0))
        out_scale, _ = quantisation(state.out(node))
        one = fully_connected_multiplier(in_scale, float(weights.scale[0]), out_scale)
        table = channel_table([one] * channels)
    rows = size // depth
    geo = Geometry((1, rows, depth), (1, rows, channels))
    if max(rows, depth, channels) > 0xFFFF:
        raise ModelError("more than 65535 inputs or outputs")
    bias = bias_of(state, node, channels)
    kernel = data.reshape(channels, 1, 1, depth)
    state.ops.append(Conv(**common(state, node), geometry=geo, weights=kernel, bias=bias, **table))


@lowers("AVERAGE_POOL_2D", "MAX_POOL_2D")
def pool(state: Lowering, node: Operator) -> None:
    kernel = (int(node.options.get("filter_height", 0)), int(node.options.get("filter_width", 0)))
    geo = geometry(state, node, kernel)
    if geo.in_shape[2] != geo.out_shape[2]:
        raise ModelError("input and output differ in channels")
    if kernel[0] * kernel[1] > TAPS_MAX:
        raise ModelError(f"a window of {kernel[0]}x{kernel[1]}; at most {TAPS_MAX} values")
    (in_scale, in_zero), (out_scale, out_zero) = (
        quantisation(t) for t in (state.tensor(node, 0), state.out(node))
    )
    if abs(in_scale - out_scale) > SCALE_NEAR or in_zero != out_zero:
        raise ModelError("input and output differ in scale or zero point")
    kind = AvgPool if node.name == "AVERAGE_POOL_2D" else MaxPool
    state.ops.append(kind(**common(state, node), geometry=geo))


@lowers("TRANSPOSE_CONV")
def transpose_conv(state: Lowering, node: Operator) -> None:
    """Inputs: output shape, weights [out][rows][columns][in], activation, bias."""
    weights, given, out = weights_of(state, node), state.tensor(node, 2), state.out(node)
    data = state.constant(node, 1)
    in_shape, out_shape = batch_of_one(given), batch_of_one(out)
    if data.ndim != 4 or data.shape[0] != out_shape[2] or data.shape[3] != in_shape[2]:
        raise ModelError(f"weights of shape {list(data.shape)} from {in_shape[2]} to {out_shape[2]} channels")
    kernel = (data.shape[1], data.shape[2])
    stride = (int(node.options.get("stride_h", 1)), int(node.options.get("stride_w", 1)))
    pad = []
    for axis in (0, 1):
        size, step, extent = out_shape[axis], stride[axis], kernel[axis]
        same = node.options.get("padding", "SAME") == "SAME"
        back = -(-size // step) if same else (size - extent) // step + 1  # what a convolution makes of it
        if back != in_shape[axis]:
            raise ModelError(f"{describe(out)} has {size}, which does not go back to {in_shape[axis]}")
        pad.append(max((back - 1) * step + extent - size, 0) // 2 if same else 0)
    in_scale, in_zero = quantisation(given)
    out_scale, out_zero = quantisation(out)
    if weights.scale.size not in (1, out_shape[2]):
        raise ModelError(f"weights {describe(weights)} have {weights.scale.size} scales")
    scales = list(map(float, weights.scale))
    bias = bias_of(state, node, out_shape[2], 3)
    source, act = state.source(node, 2), clamp(node, out)
    table = channel_table(conv_multipliers(in_scale, scales, out_scale, out_shape[2]))
    state.ops.append(
        TransposeConv(
            inputs=(source,),
            output=state.new_buffer(out),
            nodes=(node.index,),
            in_zero=in_zero,
            out_zero=out_zero,
            act=act,
            geometry=Geometry(in_shape, out_shape, kernel, stride, (1, 1), (pad[0], pad[1])),
            weights=data,
            bias=bias,
            multiplier=table["multiplier"],
            shift=table["shift"],
        )
    )
