"""What the counters say is missing."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from framekeep_ground.formats import SEQUENCE_MODULO

Counts = npt.NDArray[np.int64]


def unwrap(counts: Counts, modulo: int = SEQUENCE_MODULO) -> Counts:
    """Counts modulo `modulo`, in order of arrival, as numbers that go on past the wrap.

    Each is taken to lie within half the modulus of the one before, so packets
    may come late or twice; a silence of more than half the modulus is seen as
    shorter than it was by a multiple of it, and of two recordings of one longer
    stretch the second counts as what came after the first.
    """
    if len(counts) == 0:
        return counts
    steps = (np.diff(counts) + modulo // 2) % modulo - modulo // 2
    numbers: Counts = np.concatenate(([0], np.cumsum(steps))) + counts[0]
    return numbers


def missing(numbers: Counts) -> Iterator[tuple[int, int]]:
    """The ranges, first and last, that lie between `numbers` and are not among them."""
    seen = np.sort(numbers)
    at = np.flatnonzero(np.diff(seen) > 1)
    yield from zip((seen[at] + 1).tolist(), (seen[at + 1] - 1).tolist(), strict=True)


def uncovered(spans: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """The ranges, first and last, of 0..size-1 that no span (start, end) covers."""
    holes, behind = [], 0
    for start, end in sorted(spans):
        if start > behind:
            holes.append((behind, start - 1))
        behind = max(behind, end)
    if behind < size:
        holes.append((behind, size - 1))
    return holes
