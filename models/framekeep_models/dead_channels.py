"""Removes channels that nobody can tell from a constant.

A channel goes when its value is the same for every possible input and all that read it can have it folded
into their biases, or when all its weights downstream are zero. What is left computes the same outputs, bit
for bit: `verify` compares the result with the original.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from framekeep_models.intervals import Range, channels_of, channelwise, padded, ranges
from framekeep_models.ops_elementwise import Binary, Lut
from framekeep_models.ops_shape import Mean, Resize
from framekeep_models.ops_window import AvgPool, Conv, Depthwise, MaxPool, TransposeConv
from framekeep_models.program import Op, Program

Kept = npt.NDArray[np.int64]  # the channels that stay
Mask = npt.NDArray[np.bool_]


def remove_dead_channels(program: Program) -> int:
    """Changes the program in place; returns how many channels were removed."""
    _drop_unread(program)
    known = ranges(program)
    needed = _needed(program, known)
    keep = {b: np.flatnonzero(mask) for b, mask in needed.items() if not mask.all()}
    for op in program.ops:
        _shrink(op, program, known, keep)
    removed = 0
    for index, kept in keep.items():
        buffer = program.buffers[index]
        removed += buffer.shape[-1] - len(kept)
        buffer.shape = (*buffer.shape[:-1], len(kept))
        buffer.channels = kept
    return removed


def _drop_unread(program: Program) -> None:
    """Operators that lead to no output."""
    read, kept = set(program.outputs), []
    for op in reversed(program.ops):
        if op.output in read:
            read.update(op.inputs)
            kept.append(op)
    program.ops[:] = reversed(kept)


def _needed(program: Program, known: dict[int, Range]) -> dict[int, Mask]:
    """Which channels something downstream depends on: grows until nothing changes."""
    needed = {b: np.zeros(channels_of(program, b), bool) for b in known}
    for buffer in (*program.inputs, *program.outputs):  # what the outside sees stays as it is
        needed[buffer][:] = True
    while True:
        before = sum(int(mask.sum()) for mask in needed.values())
        for op in reversed(program.ops):
            _require(op, program, known, needed)
        if sum(int(mask.sum()) for mask in needed.values()) == before:
            empty = [mask for mask in needed.values() if not mask.any()]
            if not empty:
                return needed
            empty[0][0] = True  # a tensor of no channels would be no tensor; what this one reads stays too


def _require(op: Op, program: Program, known: dict[int, Range], needed: dict[int, Mask]) -> None:
    if type(op) is Conv:
        mask = needed[op.inputs[0]]
        mask |= _read_by(op, known[op.inputs[0]], needed[op.output])
    elif _linked(op, program):
        together = needed[op.output].copy()
        for buffer in op.inputs:
            together |= needed[buffer]
        for buffer in (*op.inputs, op.output):
            needed[buffer] |= together
    else:
        for buffer in (*op.inputs, op.output):
            needed[buffer][:] = True


def _linked(op: Op, program: Program) -> bool:
    """Is output channel c made of input channel c alone?"""
    same = all(channels_of(program, b) == channels_of(program, op.output) for b in op.inputs)
    if isinstance(op, Depthwise | AvgPool | MaxPool):
        return same and op.geometry.in_shape[2] == channels_of(program, op.inputs[0])
    if isinstance(op, Mean):
        return same and op.sizes[2] == channels_of(program, op.output)
    if isinstance(op, Binary):
        return channelwise(op, program)
    return same and isinstance(op, Lut | Resize)


def foldable(op: Conv, given: Range) -> Mask:
    """Input channels whose part in every sum is a constant."""
    constant = given.constant()
    return constant & (given.low == op.in_zero) if padded(op) else constant


def _read_by(op: Conv, given: Range, wanted: Mask) -> Mask:
    """The input channels whose value matters to an output channel that is wanted."""
    used = np.any(op.weights[wanted] != 0, axis=(0, 1, 2))
    if len(used) % len(given.low):
        return np.ones(len(given.low), bool)  # read through a view that cuts its channels apart
    used = used.reshape(-1, len(given.low)).any(axis=0)  # a fully connected layer reads a flattened map
    return np.asarray(used & ~foldable(op, given))


def _shrink(
    op: Op, program: Program, known: dict[int, Range], keep: dict[int, npt.NDArray[np.int64]]
) -> None:
    """Cuts the removed channels out of an operator. The buffers still have their old shapes."""
    kept_in = keep.get(op.inputs[0]) if op.inputs else None
    kept_out = keep.get(op.output)
    if kept_in is None and kept_out is None:
        return
    if isinstance(op, Conv) and not isinstance(op, TransposeConv):
        _shrink_conv(op, known[op.inputs[0]], kept_in, kept_out)
    elif isinstance(op, Depthwise) and kept_out is not None:
        op.weights = np.ascontiguousarray(op.weights[:, :, kept_out])
        _pick_outputs(op, kept_out)
        _resize_window(op, len(kept_out), len(kept_out))
    elif isinstance(op, AvgPool | MaxPool) and kept_out is not None:
        _resize_window(op, len(kept_out), len(kept_out))
    elif isinstance(op, Mean) and kept_out is not None:
        op.sizes = (op.sizes[0], op.sizes[1], len(kept_out))
    elif isinstance(op, Resize) and kept_out is not None:
        op.in_shape = (*op.in_shape[:2], len(kept_out))
        op.out_shape = (*op.out_shape[:2], len(kept_out))
    elif isinstance(op, Binary) and kept_out is not None:
        _shrink_binary(op, program.buffers[op.output].shape, kept_out)
    elif not isinstance(op, Lut):
        raise AssertionError(f"{type(op).__name__} cannot lose channels")


def _shrink_conv(
    op: Conv,
    given: Range,
    kept_in: Kept | None,
    kept_out: Kept | None,
) -> None:
    if kept_in is not None:
        depth, channels = op.weights.shape[3], len(given.low)
        lost = np.ones(channels, bool)
        lost[kept_in] = False
        lost &= foldable(op, given)  # the others have no weight in what is left
        part = np.where(lost, given.low - op.in_zero, 0)
        weights = op.weights.astype(np.int64)
        op.bias = (op.bias + (weights * np.tile(part, depth // channels)).sum(axis=(1, 2, 3))).astype(
            np.int32
        )
        left = np.isin(np.arange(depth) % channels, kept_in)
        op.weights = np.ascontiguousarray(op.weights[:, :, :, left])
    if kept_out is not None:
        op.weights = np.ascontiguousarray(op.weights[kept_out])
        _pick_outputs(op, kept_out)
    _resize_window(op, op.weights.shape[3], op.weights.shape[0])


def _pick_outputs(op: Conv | Depthwise, kept: Kept) -> None:
    op.bias, op.multiplier, op.shift = op.bias[kept], op.multiplier[kept], op.shift[kept]


def _resize_window(op: Conv | Depthwise | AvgPool | MaxPool, inputs: int, outputs: int) -> None:
    geo = op.geometry
    op.geometry = replace(geo, in_shape=(*geo.in_shape[:2], inputs), out_shape=(*geo.out_shape[:2], outputs))


def _shrink_binary(op: Binary, shape: tuple[int, ...], kept: Kept) -> None:
    pixels = int(np.prod(shape[:-1]))
    if op.constant is None:
        op.dims = (1, 1, 1, pixels * len(kept))
    else:
        op.dims, op.broadcast = (1, 1, pixels, len(kept)), (0, 0b0100)
        values = np.broadcast_to(op.constant.reshape(-1), (shape[-1],))
        op.constant = np.ascontiguousarray(values[kept])
