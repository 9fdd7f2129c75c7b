"""Where every buffer lies in the arena.

Two buffers that are alive at the same time must not overlap, with one exception: an operator's output may
grow into the input it is the last to read, `Op.overlap()` bytes behind the reading. That is what makes a
chain of layers cost little more than its largest tensor. The first operators may run row by row; of what lies
between them only bands are kept (see `stream.py`).
"""

from dataclasses import dataclass, field

import numpy as np

from framekeep_models.ops_window import Window
from framekeep_models.program import Program
from framekeep_models.stream import band_bytes

ALIGN = 16
TRIES = 400  # orders tried before the best is taken


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each buffer lies in the arena."""

    offsets: dict[int, int]  # buffer -> offset
    size: int  # bytes of the arena
    bound: int  # no plan needs less
    live: list[int]  # bytes touched at each operator
    tops: list[int]  # from there on the arena is free at each operator, for its kernel's scratch
    streamed: int = 0  # so many of the first operators run row by row
    bands: dict[int, int] = field(default_factory=dict)  # buffer -> bytes, where only some rows are kept


@dataclass(frozen=True, slots=True)
class _Life:
    first: int  # operator that writes it, -1 for the input
    last: int  # operator that reads it last; the number of operators for outputs


def _align(n: int) -> int:
    return -(-n // ALIGN) * ALIGN


def lives(program: Program, keep_all: bool = False) -> dict[int, _Life]:
    """From when to when each buffer that is used holds a value."""
    first, last = dict.fromkeys(program.inputs, -1), dict.fromkeys(program.inputs, 0)
    for step, op in enumerate(program.ops):
        first.setdefault(op.output, step)
        for buffer in (*op.inputs, op.output):
            last[buffer] = step
    for buffer in first if keep_all else program.outputs:
        last[buffer] = len(program.ops)
    return {b: _Life(first[b], last[b]) for b in first}


def shared(program: Program, life: dict[int, _Life]) -> dict[tuple[int, int], int]:
    """(input, output) that may share memory -> how far below the input the output must begin."""
    pairs: dict[tuple[int, int], int] = {}
    for step, op in enumerate(program.ops):
        for position, source in enumerate(op.inputs):
            gap = op.overlap(position)
            if gap is None or source == op.output or life[op.output].first != step:
                continue
            if life[source].last == step:
                pairs[source, op.output] = max(_align(gap), pairs.get((source, op.output), 0))
    return pairs


class _Planner:
    def __init__(self, program: Program, keep_all: bool, streamed: int) -> None:
        self.program = program
        self.life = lives(program, keep_all)
        self.size = {b: program.buffers[b].size for b in self.life}
        self.bands: dict[int, int] = {}
        together = program.ops[:streamed]
        for op in together:
            assert isinstance(op, Window)
            self.bands[op.inputs[0]] = band_bytes(op.geometry)
        for buffer in self.bands:
            self.life[buffer] = _Life(0, streamed - 1)
        for op in together[-1:]:
            self.life[op.output] = _Life(0, self.life[op.output].last)
        self.size |= self.bands
        self.pairs = {
            pair: gap for pair, gap in shared(program, self.life).items() if pair[0] not in self.bands
        }
        self.conflicts: dict[int, list[int]] = {b: [] for b in self.life}
        for a in self.life:
            for b in self.life:
                if a < b and self._meet(a, b):
                    self.conflicts[a].append(b)
                    self.conflicts[b].append(a)

    def _meet(self, a: int, b: int) -> bool:
        return self.life[a].first <= self.life[b].last and self.life[b].first <= self.life[a].last

    def forbidden(self, new: int, placed: int, at: int) -> tuple[int, int]:
        """Offsets [low, high) where `new` must not begin, given `placed` at `at`."""
        low, high = at - self.size[new] + 1, at + self.size[placed]
        if (new, placed) in self.pairs:  # new is the input: from at + gap upwards it may share
            high = min(high, at + self.pairs[new, placed])
        if (placed, new) in self.pairs:  # new is the output: up to at - gap it may share
            low = max(low, at - self.pairs[placed, new] + 1)
        return low, high

    def place(self, order: list[int]) -> dict[int, int]:
        """First fit, in `order`."""
        offsets: dict[int, int] = {}
        for new in order:
            blocked = sorted(self.forbidden(new, b, offsets[b]) for b in self.conflicts[new] if b in offsets)
            at = 0
            for low, high in blocked:
                if low <= at < high:
                    at = _align(high)
            offsets[new] = at
        return offsets

    def tops(self, offsets: dict[int, int]) -> list[int]:
        steps = range(len(self.program.ops))
        alive = [[b for b, life in self.life.items() if life.first <= step <= life.last] for step in steps]
        return [_align(max(offsets[b] + self.size[b] for b in buffers)) for buffers in alive]

    def total(self, offsets: dict[int, int]) -> int:
        return _align(max(offsets[b] + self.size[b] for b in offsets))


def lower_bound(program: Program, planner: _Planner) -> tuple[int, list[int]]:
    """The most that any one operator needs, if all else fitted perfectly; and that need for each operator."""
    need = []
    for step, op in enumerate(program.ops):
        alive = [b for b, life in planner.life.items() if life.first <= step <= life.last]
        total = sum(planner.size[b] for b in alive)
        savings = [0]
        for pair in {(source, op.output) for source in op.inputs} & planner.pairs.keys():
            source, target = planner.size[pair[0]], planner.size[pair[1]]
            savings.append(source + target - max(target, planner.pairs[pair] + source))
        need.append(total - max(savings))
    return _align(max(need, default=0)), need


def plan(program: Program, keep_all: bool = False, streamed: int = 0, tries: int = TRIES) -> Plan:
    """The best of many first-fit orders; deterministic. With `keep_all` no tensor's memory is used twice."""
    planner = _Planner(program, keep_all, streamed)
    bound, need = lower_bound(program, planner)
    by_time = sorted(planner.life, key=lambda b: planner.life[b].first)
    by_size = sorted(planner.life, key=lambda b: (-planner.size[b], planner.life[b].first))
    candidates = [by_size, by_time, by_time[::-1]]
    best = min((planner.place(order) for order in candidates), key=planner.total)
    rng, order = np.random.default_rng(1), by_size
    for _ in range(tries):
        if planner.total(best) <= bound:
            break
        order = by_size.copy()
        for _ in range(int(rng.integers(1, 4))):
            i, j = rng.integers(0, len(order), 2)
            order[i], order[j] = order[j], order[i]
        offsets = planner.place(order)
        if planner.total(offsets) < planner.total(best):
            best, by_size = offsets, order
    check(program, planner, best)
    return Plan(best, planner.total(best), bound, need, planner.tops(best), streamed, planner.bands)


def check(program: Program, planner: _Planner, offsets: dict[int, int]) -> None:
    """Every pair that lives at the same time, again: a plan that is wrong must not leave this module."""
    for a, others in planner.conflicts.items():
        for b in others:
            low, high = planner.forbidden(a, b, offsets[b])
            if low <= offsets[a] < high:
                raise AssertionError(f"buffers {a} and {b} overlap")
    assert all(offsets[b] % ALIGN == 0 for b in offsets)
    assert len(program.buffers) >= len(offsets)


__all__ = ["Plan", "lives", "plan"]
