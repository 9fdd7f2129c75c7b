"""Operators that move values (RESHAPE, PAD, TILE, SPLIT, STRIDED_SLICE ...), MEAN and the RESIZEs."""

import numpy as np

from framekeep_models.lower import Lowering, axis_of, batch_of_one, counted, describe, lowers, quantisation
from framekeep_models.ops_shape import Box, Entries, Fill, Mean, Resize, copies, strides
from framekeep_models.program import Kind, ModelError
from framekeep_models.quantise import mean_multiplier
from framekeep_models.tflite_model import Operator, Tensor

MEAN_MAX = 2**23 - 1  # values of 8 bits whose sum, less their zero point, is an int32


def same_scale(a: Tensor, b: Tensor) -> None:
    """Operators that only move values cannot change what the values mean."""
    if quantisation(a) != quantisation(b):
        raise ModelError(f"{describe(a)} and {describe(b)} differ in scale or zero point")


@lowers("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(state: Lowering, node: Operator) -> None:
    source, out = state.source(node), state.out(node)
    same_scale(state.tensor(node, 0), out)
    if int(np.prod(out.shape)) != state.buffers[source].size:
        raise ModelError(f"{describe(out)} of shape {list(out.shape)} cannot hold the input")
    state.alias(out, source)


@lowers("PAD", "PADV2")
def pad(state: Lowering, node: Operator) -> None:
    source, given, out = state.source(node), state.tensor(node, 0), state.out(node)
    same_scale(given, out)
    amounts = [[int(v) for v in row] for row in state.constant(node, 1).reshape(-1, 2)]
    shape = tuple(n + before + after for n, (before, after) in zip(given.shape, amounts, strict=True))
    if shape != out.shape or min(min(row) for row in amounts) < 0:
        raise ModelError(f"pads of {amounts} do not make {list(out.shape)}")
    value = state.buffers[source].zero_point
    if state.has(node, 2):
        same_scale(state.tensor(node, 2), out)
        constant = int(state.constant(node, 2).reshape(-1)[0])
        value = constant - (128 if out.dtype == np.uint8 else 0)
    output = state.new_buffer(out)
    steps = strides(out.shape)
    offset = sum(before * step for (before, _), step in zip(amounts, steps, strict=True))
    spatial = None
    if len(amounts) == 4 and given.shape[0] == 1 and amounts[0] == amounts[3] == [0, 0]:
        spatial = (amounts[1][0], amounts[2][0])
    fill = Fill(
        inputs=(), output=output, nodes=(node.index,), value=value, spatial=spatial, inner=given.shape[1:]
    )
    state.ops.append(fill)
    box = Box(given.shape, strides(given.shape), steps, 0, offset)
    state.ops += copies(source, output, box, (node.index,))


@lowers("TILE")
def tile(state: Lowering, node: Operator) -> None:
    """Each axis is walked twice: once for the copies, where the input stands still."""
    source, given, out = state.source(node), state.tensor(node, 0), state.out(node)
    same_scale(given, out)
    times = [int(v) for v in state.constant(node, 1).reshape(-1)]
    if len(times) != len(given.shape) or tuple(np.multiply(times, given.shape)) != out.shape:
        raise ModelError(f"multiples of {times} do not make {list(out.shape)}")
    output = state.new_buffer(out)
    dims, ins, outs = [], [], []
    for n, size, a, b in zip(times, given.shape, strides(given.shape), strides(out.shape), strict=True):
        dims += [n, size]
        ins += [0, a]
        outs += [size * b, b]
    state.ops += copies(source, output, Box(tuple(dims), tuple(ins), tuple(outs)), (node.index,))


@lowers("CONCATENATION")
def concatenation(state: Lowering, node: Operator) -> None:
    out = state.out(node)
    if node.activation() != "NONE":
        raise ModelError(f"fused activation {node.activation()}")
    axis = axis_of(int(node.options.get("axis", 0)), len(out.shape))
    parts = [state.tensor(node, i) for i in range(len(node.inputs))]
    _check_parts(parts, out, axis)
    sources = [state.source(node, i) for i in range(len(parts))]
    output, at = state.new_buffer(out), 0
    for part, source in zip(parts, sources, strict=True):
        same_scale(part, out)
        box = Box(part.shape, strides(part.shape), strides(out.shape), 0, at * strides(out.shape)[axis])
        state.ops += copies(source, output, box, (node.index,))
        at += part.shape[axis]


def _check_parts(parts: list[Tensor], whole: Tensor, axis: int) -> None:
    """Do the parts, laid side by side along `axis`, make the whole?"""
    sides = [(*p.shape[:axis], whole.shape[axis], *p.shape[axis + 1 :]) for p in parts]
    if any(s != whole.shape for s in sides) or sum(p.shape[axis] for p in parts) != whole.shape[axis]:
        raise ModelError(f"the parts do not make {list(whole.shape)}")


@lowers("SPLIT")
def split(state: Lowering, node: Operator) -> None:
    source, given = state.source(node, 1), state.tensor(node, 1)
    axis = axis_of(int(state.constant(node, 0).reshape(-1)[0]), len(given.shape))
    parts = [state.out(node, i) for i in range(len(node.outputs))]
    _check_parts(parts, given, axis)
    if len({part.shape[axis] for part in parts}) != 1:
        raise ModelError("the parts differ in size")
    at = 0
    for i in range(len(node.outputs)):
        out = state.out(node, i)
        same_scale(given, out)
        output = state.new_buffer(out)
        box = Box(out.shape, strides(given.shape), strides(out.shape), at * strides(given.shape)[axis], 0)
        state.ops += copies(source, output, box, (node.index,))
        at += out.shape[axis]


@lowers("STRIDED_SLICE")
def strided_slice(state: Lowering, node: Operator) -> None:
    source, given, out = state.source(node), state.tensor(node, 0), state.out(node)
    same_scale(given, out)
    option = node.options.get
    if option("ellipsis_mask", 0) or option("new_axis_mask", 0):
        raise ModelError("ellipsis and new axis masks")
    begin, end, step = (state.constant(node, i).reshape(-1) for i in (1, 2, 3))
    dims, ins, offset = [], [], 0
    for d, size in enumerate(given.shape):
        stride = strides(given.shape)[d]
        picked = range(size)
        if d < len(step):
            low = None if option("begin_mask", 0) >> d & 1 else int(begin[d])
            high = None if option("end_mask", 0) >> d & 1 else int(end[d])
            if option("shrink_axis_mask", 0) >> d & 1:
                at = counted(0 if low is None else low, size, "index")  # a begin mask counts even here
                low, high = at, at + 1
            picked = picked[slice(low, high, int(step[d]))]
        if not picked:
            raise ModelError("an empty slice")
        dims.append(len(picked))
        ins.append(stride * picked.step)
        offset += stride * picked.start
    if int(np.prod(dims)) != int(np.prod(out.shape)):
        raise ModelError(f"the slice has {dims} values where {describe(out)} has {list(out.shape)}")
    output = state.new_buffer(out)
    box = Box(tuple(dims), tuple(ins), strides(tuple(dims)), offset, 0)
    state.ops += copies(source, output, box, (node.index,))


@lowers("TRANSPOSE")
def transpose(state: Lowering, node: Operator) -> None:
    source, given, out = state.source(node), state.tensor(node, 0), state.out(node)
    same_scale(given, out)
    order = [int(d) for d in state.constant(node, 1).reshape(-1)]
    if sorted(order) != list(range(len(given.shape))) or tuple(given.shape[d] for d in order) != out.shape:
        raise ModelError(f"the order {order} does not make {list(out.shape)} of {list(given.shape)}")
    ins = strides(given.shape)
    output = state.new_buffer(out)
    box = Box(out.shape, tuple(ins[d] for d in order), strides(out.shape))
    state.ops += copies(source, output, box, (node.index,))


@lowers("MEAN")
def mean(state: Lowering, node: Operator) -> None:
    source, given, out = state.source(node), state.tensor(node, 0), state.out(node)
    rank = len(given.shape)
    axes = sorted({axis_of(int(a), rank) for a in state.constant(node, 1).reshape(-1)})
    kept = [d for d in range(rank) if d not in axes]
    reduce = int(np.prod([given.shape[d] for d in axes]))
    if reduce > MEAN_MAX:
        raise ModelError(f"the mean of {reduce} values, whose sum may leave 32 bits")
    if int(np.prod(out.shape)) * reduce != state.buffers[source].size or not axes:
        raise ModelError(f"the mean over {axes} does not make {list(out.shape)}")
    in_scale, in_zero = quantisation(given)
    out_scale, out_zero = quantisation(out)
    reduced = [d for d in axes if given.shape[d] > 1]
    outer = int(np.prod([given.shape[d] for d in kept if reduced and d < reduced[0]]))
    inner = int(np.prod(out.shape)) // outer
    between = [d for d in kept if reduced and reduced[0] < d < reduced[-1] and given.shape[d] > 1]
    if between:  # the axes are not neighbours: bring them to the front
        order = axes + kept
        shape, ins = tuple(given.shape[d] for d in order), strides(given.shape)
        moved = state.new_buffer(given, shape)
        box = Box(shape, tuple(ins[d] for d in order), strides(shape))
        state.ops += copies(source, moved, box, (node.index,))
        source, outer, inner = moved, 1, outer * inner
    multiplier = mean_multiplier(in_scale, out_scale, reduce)
    if multiplier.shift > 30:
        raise ModelError("a multiplier of 2^30 or more")
    output = state.new_buffer(out)
    state.ops.append(
        Mean(
            inputs=(source,),
            output=output,
            nodes=(node.index,),
            sizes=(outer, reduce, inner),
            in_zero=in_zero,
            out_zero=out_zero,
            multiplier=multiplier,
        )
    )


@lowers("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")
def resize(state: Lowering, node: Operator) -> None:
    source, given, out = state.source(node), state.tensor(node, 0), state.out(node)
    same_scale(given, out)
    in_shape, out_shape = batch_of_one(given), batch_of_one(out)
    size = state.tensor(node, 1).data
    if size is not None and tuple(size.reshape(-1)) != out_shape[:2]:
        raise ModelError(f"a size of {size.reshape(-1).tolist()} does not make {list(out.shape)}")
    corners = bool(node.options.get("align_corners", False))
    centres = bool(node.options.get("half_pixel_centers", False))
    if corners and centres:
        raise ModelError("align_corners together with half_pixel_centers")
    if in_shape[2] != out_shape[2] or max(in_shape + out_shape) > 0xFFFF:
        raise ModelError(f"from {list(given.shape)} to {list(out.shape)}")
    nearest = node.name == "RESIZE_NEAREST_NEIGHBOR"
    entries = _nearest if nearest else _bilinear
    output = state.new_buffer(out)
    state.ops.append(
        Resize(
            inputs=(source,),
            output=output,
            nodes=(node.index,),
            what=Kind.RESIZE_NEAREST if nearest else Kind.RESIZE_BILINEAR,
            in_shape=in_shape,
            out_shape=out_shape,
            rows=entries(in_shape[0], out_shape[0], corners, centres),
            columns=entries(in_shape[1], out_shape[1], corners, centres),
        )
    )


def _nearest(size: int, out: int, corners: bool, centres: bool) -> Entries:
    """TFLite computes the position in float32, and rounds it exactly."""
    ratio = (size - 1) / np.float32(out - 1) if corners and out > 1 else size / np.float32(out)
    scale, offset = np.float32(ratio), np.float32(0.5 if centres else 0.0)
    entries: Entries = []
    for i in range(out):
        at = (np.float32(i) + offset) * scale
        index = int(np.floor(float(at) + 0.5)) if corners else int(np.floor(at))
        entries.append((max(0, min(index, size - 1)),))
    return entries


def _bilinear(size: int, out: int, corners: bool, centres: bool) -> Entries:
    """Positions in 1/1024 of a pixel; C's division rounds towards zero."""
    scale = (1024 * size + out // 2) // out
    if corners and out > 1:
        scale = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
    entries: Entries = []
    for i in range(out):
        at = i * scale + (scale // 2 - 512 if centres else 0)
        lower = max(int(at / 1024), 0)
        upper = min(int((at + 1023) / 1024), size - 1)
        if lower >= size:
            raise ModelError("enlarged so far that TensorFlow Lite's fixed-point positions leave the input")
        entries.append((lower, max(upper, 0), at - 1024 * lower))
    return entries
