"""What the compiler works on: buffers of int8 and the operators of the flight engine.

A .tflite graph is lowered to this once; the passes (dead channels, planning) change it; `fkm.py` writes it
out. Every operator already holds the integers its kernel computes with, so a pass can reason about exact
values.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]


class Kind(IntEnum):
    """Operators of the flight engine, as numbered in an image (`fk_op_kind`)."""

    CONV = 1
    DEPTHWISE = 2
    AVG_POOL = 3
    MAX_POOL = 4
    SOFTMAX = 5
    ADD = 6
    MUL = 7
    PRELU = 8
    LUT = 9
    FILL = 10
    COPY = 11
    MEAN = 12
    RESIZE_NEAREST = 13
    RESIZE_BILINEAR = 14
    TRANSPOSE_CONV = 15


class ModelError(ValueError):
    """The model cannot be compiled; the text says which node and why."""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor of the .tflite that a buffer holds."""

    tensor: int
    shape: tuple[int, ...]
    flipped: bool = False  # the tensor is uint8: its values are the buffer's plus 128


@dataclass(slots=True)
class Buffer:
    """One activation tensor in the arena."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    views: list[View] = field(default_factory=list)
    # where the passes removed channels: the original channel of each that is left
    channels: npt.NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


class Constants(ABC):
    """Where an operator puts its tables while it is written."""

    @abstractmethod
    def add(self, data: bytes, align: int = 4) -> int:
        """Stores the bytes; returns their offset in the image."""


@dataclass(slots=True, kw_only=True)
class Op(ABC):
    """An operator: reads `inputs`, writes `output` (buffer numbers)."""

    kind: ClassVar[Kind]
    inputs: tuple[int, ...]
    output: int
    nodes: tuple[int, ...] = ()  # of the .tflite

    @abstractmethod
    def fields(self, constants: Constants) -> dict[str, Any]:
        """The fields of its record beside kind and tensors."""

    def number(self) -> Kind:
        """As in an image; the classes that stand for several kinds say which."""
        return self.kind

    def overlap(self, position: int) -> int | None:  # noqa: ARG002
        """How many bytes below an input the output must begin when they share memory; None: never."""
        return None

    def macs(self) -> int:
        return 0

    def weight_bytes(self) -> int:
        return 0


@dataclass(slots=True)
class Program:
    """A network as the engine runs it: buffers, and operators in their order."""

    buffers: list[Buffer]
    ops: list[Op]
    inputs: list[int]
    outputs: list[int]
    output_shapes: list[tuple[int, ...]]  # as the model's user sees them: a RESHAPE has no memory of its own

    @property
    def input(self) -> int:
        """The first input: the picture, where there is one."""
        return self.inputs[0]

    def macs(self) -> int:
        return sum(op.macs() for op in self.ops)

    def weight_bytes(self) -> int:
        return sum(op.weight_bytes() for op in self.ops)
