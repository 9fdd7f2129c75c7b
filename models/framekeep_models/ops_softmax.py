"""SOFTMAX: its exponentials are a table, so the flight code divides once per row."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framekeep_models.program import Constants, Kind, Op


@dataclass(slots=True, kw_only=True)
class Softmax(Op):
    kind: ClassVar[Kind] = Kind.SOFTMAX
    rows: int
    depth: int
    exps: list[int]

    def overlap(self) -> int | None:
        return 0

    def fields(self, constants: Constants) -> dict[str, Any]:
        table = constants.add(np.array(self.exps, "<i4").tobytes())
        return {"rows": self.rows, "depth": self.depth, "exps": table, "exp_count": len(self.exps)}
