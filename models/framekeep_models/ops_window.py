"""Operators that slide a window over rows and columns: convolutions and pools."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framekeep_models.program import Constants, Int8Array, Int32Array, Kind, ModelError, Op

TAPS_MAX = 65536  # more products in one sum could overflow it: fk_model_load refuses them


@dataclass(frozen=True, slots=True)
class Geometry:
    """Input and output as (rows, columns, channels); the others as (rows, columns)."""

    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)  # before the first row, before the first column

    @property
    def pointwise(self) -> bool:
        same_map = self.in_shape[:2] == self.out_shape[:2]  # a folded PAD may lie below or to the right
        return same_map and self.kernel == (1, 1) and self.stride == (1, 1) and self.pad == (0, 0)

    def overlap(self) -> int:
        """See `kernels.h`: pixel by pixel for pointwise windows, else row by row."""
        if self.pointwise:
            pixels = self.out_shape[0] * self.out_shape[1]
            return max(0, (pixels - 1) * (self.out_shape[2] - self.in_shape[2]))
        rows = self.out_shape[0]
        in_row = self.in_shape[1] * self.in_shape[2]
        out_row = self.out_shape[1] * self.out_shape[2]
        needed = [max(0, y * self.stride[0] - self.pad[0]) * in_row for y in range(rows)]
        return max((y + 1) * out_row - needed[y] for y in range(rows))

    def fields(self) -> dict[str, int]:
        names = ("h", "w", "c")
        values = {f"in_{n}": v for n, v in zip(names, self.in_shape, strict=True)}
        values |= {f"out_{n}": v for n, v in zip(names, self.out_shape, strict=True)}
        for name in ("kernel", "stride", "dilation"):
            values[f"{name}_h"], values[f"{name}_w"] = getattr(self, name)
        values["pad_top"], values["pad_left"] = self.pad
        return values


@dataclass(slots=True, kw_only=True)
class Window(Op):
    geometry: Geometry
    in_zero: int = 0
    out_zero: int = 0
    act: tuple[int, int] = (-128, 127)

    def overlap(self, position: int) -> int | None:  # noqa: ARG002
        return self.geometry.overlap()

    def fields(self, constants: Constants) -> dict[str, Any]:  # noqa: ARG002
        low, high = self.act
        zeros = {"in_zero": self.in_zero, "out_zero": self.out_zero, "act_min": low, "act_max": high}
        return {**self.geometry.fields(), **zeros, "weights": 0, "table": 0}


@dataclass(slots=True, kw_only=True)
class Weighted(Window):
    """A convolution; `bias` is the file's, before the input's zero point is folded in."""

    weights: Int8Array
    bias: Int32Array
    multiplier: Int32Array
    shift: Int32Array
    layout: int = 0  # of `packed`, which then stands for weights and channel table
    packed: bytes = b""

    @abstractmethod
    def taps(self) -> int: ...

    @abstractmethod
    def tap_sums(self) -> Int32Array:
        """Sum of the weights of each output channel."""

    def folded_bias(self) -> Int32Array:
        """With `-in_zero * sum(weights)` inside, so that kernels multiply the raw int8 input."""
        folded = self.bias.astype(np.int64) - self.in_zero * self.tap_sums().astype(np.int64)
        if np.any(np.abs(folded) > 2**31 - 1 - self.taps() * 128 * 128) or self.taps() > TAPS_MAX:
            raise ModelError("a bias so large that the 32-bit sum may overflow")
        return folded.astype(np.int32)

    def weight_bytes(self) -> int:
        return self.weights.size

    def fields(self, constants: Constants) -> dict[str, Any]:
        if self.layout:
            stream = constants.add(self.packed, 16)
            return {**Window.fields(self, constants), "weights": stream, "layout": self.layout}
        channels = np.stack([self.folded_bias(), self.multiplier, self.shift], axis=1).astype("<i4")
        return {
            **Window.fields(self, constants),
            "weights": constants.add(np.ascontiguousarray(self.weights).tobytes(), 16),
            "table": constants.add(channels.tobytes(), 4),
            "layout": self.layout,
        }


@dataclass(slots=True, kw_only=True)
class Conv(Weighted):
    """Weights [out][rows][columns][in]. A fully connected layer is a 1x1 window."""

    kind: ClassVar[Kind] = Kind.CONV

    def taps(self) -> int:
        return int(np.prod(self.weights.shape[1:]))

    def tap_sums(self) -> Int32Array:
        return np.asarray(self.weights.sum(axis=(1, 2, 3), dtype=np.int32))

    def macs(self) -> int:
        return self.geometry.out_shape[0] * self.geometry.out_shape[1] * self.weights.size


@dataclass(slots=True, kw_only=True)
class Depthwise(Weighted):
    """Weights [rows][columns][out]; output channel c reads input channel c // (out / in)."""

    kind: ClassVar[Kind] = Kind.DEPTHWISE

    def taps(self) -> int:
        return int(np.prod(self.weights.shape[:2]))

    def tap_sums(self) -> Int32Array:
        return np.asarray(self.weights.sum(axis=(0, 1), dtype=np.int32))

    def macs(self) -> int:
        return self.geometry.out_shape[0] * self.geometry.out_shape[1] * self.weights.size


@dataclass(slots=True, kw_only=True)
class AvgPool(Window):
    kind: ClassVar[Kind] = Kind.AVG_POOL


@dataclass(slots=True, kw_only=True)
class MaxPool(Window):
    kind: ClassVar[Kind] = Kind.MAX_POOL


@dataclass(slots=True, kw_only=True)
class TransposeConv(Conv):
    """Weights as of a convolution; the zero point stays out of the bias, as the taps that count differ."""

    kind: ClassVar[Kind] = Kind.TRANSPOSE_CONV

    def overlap(self, position: int) -> int | None:  # noqa: ARG002
        return None

    def folded_bias(self) -> Int32Array:
        room = 2**31 - 1 - 2 * self.taps() * 128 * 128
        if np.any(np.abs(self.bias.astype(np.int64)) > room) or 2 * self.taps() > TAPS_MAX:
            raise ModelError("a bias so large that the 32-bit sum may overflow")
        return self.bias

    def macs(self) -> int:
        return self.geometry.in_shape[0] * self.geometry.in_shape[1] * self.weights.size
