"""What values each channel can take, for every possible input: intervals of the exact integer arithmetic.

All the kernels' steps are monotone (multipliers are not negative), so the bounds of a sum give the bounds
of the output, with the roundings that the flight code makes. What may leave 32 bits on the way wraps: of it
nothing is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from framekeep_models.fixedpoint import multiply, scale, wrap32
from framekeep_models.ops_elementwise import Binary, Lut
from framekeep_models.ops_shape import Mean, Resize
from framekeep_models.ops_window import AvgPool, Conv, Depthwise, MaxPool, Weighted
from framekeep_models.program import Kind, Op, Program
from framekeep_models.quantise import ADD_LEFT_SHIFT

I64 = npt.NDArray[np.int64]
WIDEST = 2.0**31 - 128  # room for a zero point


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of each channel (the last dimension)."""

    low: I64
    high: I64

    def constant(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.low == self.high)

    def joined(self, value: int) -> "Range":
        return Range(np.minimum(self.low, value), np.maximum(self.high, value))


def anything(channels: int) -> Range:
    return Range(np.full(channels, -128, np.int64), np.full(channels, 127, np.int64))


def channels_of(program: Program, buffer: int) -> int:
    shape = program.buffers[buffer].shape
    return shape[-1] if shape else 1


def ranges(program: Program) -> dict[int, Range]:
    """The range of every buffer."""
    known = {
        b: anything(program.buffers[b].shape[-1] if program.buffers[b].shape else 1) for b in program.inputs
    }
    writers: dict[int, int] = {}
    for op in program.ops:
        writers[op.output] = writers.get(op.output, 0) + 1
    for op in program.ops:
        rule = _RULES.get(type(op))
        result = None
        if rule is not None and writers[op.output] == 1:
            result = rule(op, program, known)
        depth = channels_of(program, op.output)
        known[op.output] = in_view(result, depth) if result is not None else anything(depth)
    return known


def in_view(given: Range, depth: int) -> Range:
    """The range of a buffer that is read with `depth` channels: flattened, or joined by a RESHAPE."""
    repeats, rest = divmod(depth, len(given.low))
    if rest:
        return anything(depth)
    return Range(np.tile(given.low, repeats), np.tile(given.high, repeats))


def seen_by_taps(op: Weighted, given: Range) -> Range:
    """The input as a window sees it: in the padding it reads the zero point."""
    wide = in_view(given, op.geometry.in_shape[2])
    return wide.joined(op.in_zero) if padded(op) else wide


def padded(op: Weighted) -> bool:
    """Does any window reach beyond the input?"""
    geo = op.geometry
    for axis in (0, 1):
        reach = (geo.out_shape[axis] - 1) * geo.stride[axis] + (geo.kernel[axis] - 1) * geo.dilation[axis]
        if geo.pad[axis] > 0 or reach - geo.pad[axis] >= geo.in_shape[axis]:
            return True
    return False


def fits(totals: I64, shift: Any) -> npt.NDArray[np.bool_]:
    """Do sums stay within 32 bits while they are scaled? Beyond them they wrap, and bounds bound nothing."""
    return np.asarray(np.abs(totals) * 2.0 ** np.maximum(shift, 0) < WIDEST)


def _finish(op: Weighted, low: I64, high: I64) -> Range:
    least, most = op.act
    bounds = [
        np.clip(multiply(total, op.multiplier, op.shift) + op.out_zero, least, most) for total in (low, high)
    ]
    known = fits(low, op.shift) & fits(high, op.shift)
    return Range(np.where(known, bounds[0], least), np.where(known, bounds[1], most))


def _conv(op: Conv, _program: Program, known: dict[int, Range]) -> Range:
    x = seen_by_taps(op, known[op.inputs[0]])
    low, high = x.low - op.in_zero, x.high - op.in_zero
    w = op.weights.astype(np.int64)
    least = np.minimum(w * low, w * high).sum(axis=(1, 2, 3)) + op.bias
    most = np.maximum(w * low, w * high).sum(axis=(1, 2, 3)) + op.bias
    return _finish(op, least, most)


def _depthwise(op: Depthwise, _program: Program, known: dict[int, Range]) -> Range:
    x = seen_by_taps(op, known[op.inputs[0]])
    repeats = op.geometry.out_shape[2] // op.geometry.in_shape[2]
    low, high = np.repeat(x.low - op.in_zero, repeats), np.repeat(x.high - op.in_zero, repeats)
    w = op.weights.astype(np.int64)
    least = np.minimum(w * low, w * high).sum(axis=(0, 1)) + op.bias
    most = np.maximum(w * low, w * high).sum(axis=(0, 1)) + op.bias
    return _finish(op, least, most)


def _pool(op: AvgPool | MaxPool, _program: Program, known: dict[int, Range]) -> Range:
    """Neither a mean nor a maximum leaves the range of its values."""
    x = in_view(known[op.inputs[0]], op.geometry.in_shape[2])
    return Range(np.clip(x.low, *op.act), np.clip(x.high, *op.act))


def _lut(op: Lut, _program: Program, known: dict[int, Range]) -> Range:
    x = known[op.inputs[0]]
    parts = [op.table[a + 128 : b + 129] for a, b in zip(x.low, x.high, strict=True)]
    return Range(np.array([p.min() for p in parts], np.int64), np.array([p.max() for p in parts], np.int64))


def _mean(op: Mean, program: Program, known: dict[int, Range]) -> Range | None:
    x = known[op.inputs[0]]
    if op.sizes[2] != len(x.low) or program.buffers[op.output].shape[-1] != len(x.low):
        return None
    count = op.sizes[1]
    if not np.all([fits((bound - op.in_zero) * count, op.multiplier.shift) for bound in (x.low, x.high)]):
        return None
    low, high = (
        np.clip(scale((bound - op.in_zero) * count, op.multiplier) + op.out_zero, -128, 127)
        for bound in (x.low, x.high)
    )
    return Range(low, high)


def _resize(op: Resize, _program: Program, known: dict[int, Range]) -> Range:
    return known[op.inputs[0]]


def _binary(op: Binary, program: Program, known: dict[int, Range]) -> Range | None:
    """Additions rise or fall with each operand, products are extreme at corners."""
    if op.what == Kind.PRELU or not channelwise(op, program):
        return None
    a = known[op.inputs[0]]
    if op.constant is None:
        b = known[op.inputs[1]]
    else:
        values = op.constant.reshape(-1).astype(np.int64)
        b = Range(np.broadcast_to(values, a.low.shape), np.broadcast_to(values, a.low.shape))
    if op.what == Kind.MUL and not np.all(fits(np.array(255 * 255), op.multipliers[2].shift)):
        return None
    corners = [_element(op, x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return Range(np.minimum.reduce(corners), np.maximum.reduce(corners))


def _element(op: Binary, a: I64, b: I64) -> I64:
    a, b = a - op.zeros[0], b - op.zeros[1]
    if op.what == Kind.MUL:
        total = scale(a * b, op.multipliers[2])
    else:
        first = scale(wrap32(a << ADD_LEFT_SHIFT), op.multipliers[0])
        second = scale(wrap32(b << ADD_LEFT_SHIFT), op.multipliers[1])
        total = scale(
            (-first if op.negate & 1 else first) + (-second if op.negate & 2 else second), op.multipliers[2]
        )
    return np.asarray(np.clip(total + op.zeros[2], *op.act), np.int64)


def channelwise(op: Binary, program: Program) -> bool:
    """Is channel c of the output made of channel c of each operand (or of a constant) alone?"""
    shape = program.buffers[op.output].shape
    if any(program.buffers[b].shape != shape for b in op.inputs) or not shape:
        return False
    if op.constant is None:
        return op.broadcast == (0, 0)
    return (
        op.broadcast[0] == 0
        and op.constant.size in (1, shape[-1])
        and (op.constant.size == 1 or op.constant.shape[-1] == shape[-1])
    )


_RULES: dict[type[Op], Callable[..., Range | None]] = {
    Conv: _conv,
    Depthwise: _depthwise,
    AvgPool: _pool,
    MaxPool: _pool,
    Lut: _lut,
    Mean: _mean,
    Resize: _resize,
    Binary: _binary,
}
