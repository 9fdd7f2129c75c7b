"""Operators that move values about, and the two that average over positions."""

import math
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framekeep_models.program import Constants, Kind, ModelError, Op
from framekeep_models.quantise import Multiplier

COPIES_MAX = 0xFFFF  # operators of an image
Entries = list[tuple[int, ...]]


@dataclass(slots=True, kw_only=True)
class Fill(Op):
    """Every element of the output becomes `value`."""

    kind: ClassVar[Kind] = Kind.FILL
    value: int
    spatial: tuple[int, int] | None = None  # rows above and columns left, if it pads only those of a map
    inner: tuple[int, ...] = ()  # and that map's rows, columns, channels; its buffer may have another view

    def fields(self, constants: Constants) -> dict[str, Any]:  # noqa: ARG002
        return {"value": self.value}


@dataclass(slots=True, kw_only=True)
class Copy(Op):
    """A box of values from one stride to another, at most four dimensions."""

    kind: ClassVar[Kind] = Kind.COPY
    dims: tuple[int, ...]
    in_stride: tuple[int, ...]
    out_stride: tuple[int, ...]
    in_offset: int = 0
    out_offset: int = 0

    def fields(self, constants: Constants) -> dict[str, Any]:  # noqa: ARG002
        return {
            "dims": list(self.dims),
            "in_stride": list(self.in_stride),
            "out_stride": list(self.out_stride),
            "in_offset": self.in_offset,
            "out_offset": self.out_offset,
        }


@dataclass(frozen=True, slots=True)
class Box:
    """What is to be copied: numpy's idea of a view, in bytes."""

    dims: tuple[int, ...]
    in_stride: tuple[int, ...]
    out_stride: tuple[int, ...]
    in_offset: int = 0
    out_offset: int = 0


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of a dense tensor, in bytes."""
    return tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))


def copies(source: int, output: int, box: Box, nodes: tuple[int, ...]) -> list[Copy]:
    """As few copies of four dimensions as move the box."""
    dims, ins, outs = _collapse(box)
    if math.prod(dims[:-4]) > COPIES_MAX:
        raise ModelError(f"a move of {len(dims)} dimensions that takes {math.prod(dims[:-4])} copies")
    if len(dims) > 4:
        parts = []
        for i in range(dims[0]):
            at = (box.in_offset + i * ins[0], box.out_offset + i * outs[0])
            parts += copies(source, output, Box(dims[1:], ins[1:], outs[1:], *at), nodes)
        return parts
    pad = 4 - len(dims)
    return [
        Copy(
            inputs=(source,),
            output=output,
            nodes=nodes,
            dims=(1,) * pad + dims,
            in_stride=(0,) * pad + ins,
            out_stride=(0,) * pad + outs,
            in_offset=box.in_offset,
            out_offset=box.out_offset,
        )
    ]


def _collapse(box: Box) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Without dimensions of 1, neighbours joined where both sides step through them as one."""
    joined: list[list[int]] = []
    for dim, a, b in zip(box.dims, box.in_stride, box.out_stride, strict=True):
        if dim == 1:
            continue
        if joined and joined[-1][1] == dim * a and joined[-1][2] == dim * b:
            joined[-1] = [joined[-1][0] * dim, a, b]
        else:
            joined.append([dim, a, b])
    if not joined:
        joined = [[1, 1, 1]]
    dims, ins, outs = zip(*joined, strict=True)
    return dims, ins, outs


@dataclass(slots=True, kw_only=True)
class Mean(Op):
    """Over the middle of [outer][reduce][inner]; the multiplier holds 1 / reduce."""

    kind: ClassVar[Kind] = Kind.MEAN
    sizes: tuple[int, int, int]
    in_zero: int
    out_zero: int
    multiplier: Multiplier

    def fields(self, constants: Constants) -> dict[str, Any]:  # noqa: ARG002
        outer, reduce, inner = self.sizes
        return {
            "outer": outer,
            "reduce": reduce,
            "inner": inner,
            "bias": -self.in_zero * reduce,
            "multiplier": self.multiplier.mantissa,
            "shift": self.multiplier.shift,
            "out_zero": self.out_zero,
        }


@dataclass(slots=True, kw_only=True)
class Resize(Op):
    """`rows` and `columns`: what each output is made of, see `FkmResize`."""

    kind: ClassVar[Kind] = Kind.RESIZE_NEAREST
    what: Kind
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    rows: Entries
    columns: Entries

    def number(self) -> Kind:
        return self.what

    def fields(self, constants: Constants) -> dict[str, Any]:
        return {
            "in_h": self.in_shape[0],
            "in_w": self.in_shape[1],
            "channels": self.in_shape[2],
            "out_h": self.out_shape[0],
            "out_w": self.out_shape[1],
            "spare": 0,
            "rows": constants.add(_entries(self.rows)),
            "columns": constants.add(_entries(self.columns)),
        }


def _entries(table: Entries) -> bytes:
    layout = "<H" if len(table[0]) == 1 else "<HHi"
    return b"".join(struct.pack(layout, *row) for row in table)
