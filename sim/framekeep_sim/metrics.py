"""How well the kept frames are the wanted ones, where the dataset says which are.

A frame counts as found when the trigger accepted it, whether or not the flash
had room. Frames of which the dataset says nothing are left out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from framekeep_sim.dataset import Labels

Z95 = 1.959963984540054  # of the normal distribution
YES = frozenset({"1", "yes", "true"})
NO = frozenset({"0", "no", "false"})


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson's score interval); 0..1 when nothing was tried."""
    if of == 0:
        return 0.0, 1.0
    share, spread = hits / of, Z95 * Z95 / of
    centre = (share + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts over the labelled frames, and by label how many were found."""

    found: int  # wanted and accepted
    missed: int
    false: int  # accepted and not wanted
    left: int  # neither
    by_label: dict[str, tuple[int, int]]  # label -> accepted, all

    @property
    def precision(self) -> float | None:
        of = self.found + self.false
        return self.found / of if of else None

    @property
    def recall(self) -> float | None:
        of = self.found + self.missed
        return self.found / of if of else None

    @property
    def precision_interval(self) -> tuple[float, float]:
        return wilson(self.found, self.found + self.false)

    @property
    def recall_interval(self) -> tuple[float, float]:
        return wilson(self.found, self.found + self.missed)


def is_wanted(labels: Labels | None, wanted: Sequence[str]) -> bool | None:
    """What a label says of a frame: wanted, not wanted, or nothing."""
    if labels is None:
        return None
    if labels & frozenset(wanted):
        return True
    words = frozenset(label.lower() for label in labels)
    return bool(words & YES) if words & (YES | NO) else False


def speak_of_mission(all_labels: Labels, wanted: Sequence[str]) -> bool:
    """Whether a dataset's labels can be held against a mission at all."""
    return bool(all_labels & frozenset(wanted)) or bool(
        frozenset(label.lower() for label in all_labels) & (YES | NO)
    )


def confusion(rows: Iterable[tuple[Labels | None, bool]], wanted: Sequence[str]) -> Confusion:
    """Count (labels, accepted) pairs."""
    cells: Counter[tuple[bool, bool]] = Counter()
    accepted_of: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    for labels, accepted in rows:
        truth = is_wanted(labels, wanted)
        if truth is None or labels is None:
            continue
        cells[truth, accepted] += 1
        for label in labels or {"(none)"}:
            all_of[label] += 1
            accepted_of[label] += accepted
    return Confusion(
        found=cells[True, True],
        missed=cells[True, False],
        false=cells[False, True],
        left=cells[False, False],
        by_label={label: (accepted_of[label], count) for label, count in sorted(all_of.items())},
    )
