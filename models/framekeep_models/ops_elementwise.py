"""Operators that treat every element alike: SOFTMAX, two operands, tables."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from framekeep_models.program import Constants, Int8Array, Kind, Op
from framekeep_models.quantise import Multiplier

ZERO = Multiplier(0, 0)


@dataclass(slots=True, kw_only=True)
class Softmax(Op):
    """Its exponentials are a table, so the flight code divides once per row."""

    kind: ClassVar[Kind] = Kind.SOFTMAX
    rows: int
    depth: int
    exps: list[int]

    def overlap(self, position: int) -> int | None:  # noqa: ARG002
        return 0

    def fields(self, constants: Constants) -> dict[str, Any]:
        table = constants.add(np.array(self.exps, "<i4").tobytes())
        return {"rows": self.rows, "depth": self.depth, "exps": table, "exp_count": len(self.exps)}


@dataclass(slots=True, kw_only=True)
class Lut(Op):
    kind: ClassVar[Kind] = Kind.LUT
    table: Int8Array  # of -128, -127, ...

    def overlap(self, position: int) -> int | None:  # noqa: ARG002
        return 0

    def fields(self, constants: Constants) -> dict[str, Any]:
        return {"table": constants.add(self.table.astype(np.int8).tobytes(), 1)}


@dataclass(slots=True, kw_only=True)
class Binary(Op):
    """ADD (SUB by `negate`), MUL or PRELU, told apart by `what`."""

    kind: ClassVar[Kind] = Kind.ADD
    what: Kind
    dims: tuple[int, int, int, int]
    broadcast: tuple[int, int]  # masks: bit d where an operand has 1 in dimension d
    zeros: tuple[int, int, int]  # of the operands and the output
    act: tuple[int, int] = (-128, 127)
    negate: int = 0
    multipliers: tuple[Multiplier, Multiplier, Multiplier] = field(default=(ZERO, ZERO, ZERO))
    constant: Int8Array | None = None  # the second operand, where it is no tensor

    def number(self) -> Kind:
        return self.what

    def overlap(self, position: int) -> int | None:
        return 0 if self.broadcast[position] == 0 else None

    def fields(self, constants: Constants) -> dict[str, Any]:
        a, b, out = self.multipliers
        return {
            "dims": list(self.dims),
            "broadcast_a": self.broadcast[0],
            "broadcast_b": self.broadcast[1],
            "negate": self.negate,
            "a_zero": self.zeros[0],
            "b_zero": self.zeros[1],
            "out_zero": self.zeros[2],
            "act_min": self.act[0],
            "act_max": self.act[1],
            "a_multiplier": a.mantissa,
            "b_multiplier": b.mantissa,
            "out_multiplier": out.mantissa,
            "a_shift": a.shift,
            "b_shift": b.shift,
            "out_shift": out.shift,
            "spare": 0,
            "constant": 0 if self.constant is None else constants.add(self.constant.tobytes(), 1),
        }
