"""How good a grid is: detections against boxes, and emptiness against emptiness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from framekeep_models.data import Box
from framekeep_models.evaluate_metrics import Floats, ratio, wilson

Detection = tuple[float, float, float]  # score, x, y (fractions of the picture)


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture: what is there, and what was said."""

    boxes: tuple[Box, ...]
    found: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """All detections of all scenes, best first: score, whether it is the first on its box, the box's area."""

    scores: Floats
    right: np.ndarray[tuple[int], np.dtype[np.bool_]]
    areas_found: Floats  # of the box, NaN for a false alarm
    areas: Floats  # of every box
    scenes: int


def assign(scene: Scene, slack: float = 0.0) -> list[tuple[Detection, int | None]]:
    """Every detection, best first, with the number of the box it found; None for a false alarm.

    A detection is right if its point lies in a box (widened by `slack` on every side) that no better one has
    taken; of several such boxes it takes the smallest. A second point in a box is a false alarm."""
    free = dict(enumerate(scene.boxes))
    found: list[tuple[Detection, int | None]] = []
    for score, x, y in sorted(scene.found, reverse=True):
        over = [
            k
            for k, b in free.items()
            if b[0] - slack <= x <= b[0] + b[2] + slack and b[1] - slack <= y <= b[1] + b[3] + slack
        ]
        taken = min(over, key=lambda k: free[k][2] * free[k][3], default=None)
        if taken is not None:
            del free[taken]
        found.append(((score, x, y), taken))
    return found


def match(scenes: Sequence[Scene], slack: float = 0.0) -> Match:
    """All scenes' detections, judged by `assign`, as one list."""
    rows: list[tuple[float, bool, float]] = []
    for scene in scenes:
        for (score, _, _), taken in assign(scene, slack):
            area = float("nan") if taken is None else scene.boxes[taken][2] * scene.boxes[taken][3]
            rows.append((score, taken is not None, area))
    rows.sort(key=lambda row: -row[0])
    return Match(
        np.array([r[0] for r in rows]),
        np.array([r[1] for r in rows], bool),
        np.array([r[2] for r in rows]),
        np.array([b[2] * b[3] for s in scenes for b in s.boxes]),
        len(scenes),
    )


def average_precision(found: Match) -> float:
    """Mean over all boxes of the precision at the score that found them; 0 for those never found."""
    if len(found.areas) == 0:
        return float("nan")
    precision = np.cumsum(found.right) / (np.arange(len(found.right)) + 1)
    return float(precision[found.right].sum() / len(found.areas))


def at_threshold(found: Match, threshold: float) -> dict[str, object]:
    """Recall, precision, F1 and false alarms of the detections not below `threshold`."""
    said = found.scores >= threshold
    hits, alarms = int((said & found.right).sum()), int((said & ~found.right).sum())
    boxes = len(found.areas)
    return {
        "threshold": threshold,
        "boxes": boxes,
        "recall": ratio(hits, boxes),
        "recall_ci95": wilson(hits, boxes),
        "precision": ratio(hits, hits + alarms),
        "precision_ci95": wilson(hits, hits + alarms),
        "f1": ratio(2 * hits, 2 * hits + alarms + boxes - hits),
        "false_alarms_per_scene": ratio(alarms, found.scenes),
    }


def best_f1(found: Match) -> float:
    """The threshold of highest F1 among the scores seen."""
    hits = np.cumsum(found.right)
    said = np.arange(len(found.right)) + 1
    f1 = 2 * hits / (said + len(found.areas))
    return float(found.scores[int(np.argmax(f1))]) if len(f1) else 255.0


def threshold_for_alarms(found: Match, per_scene: float) -> float:
    """The lowest threshold with at most `per_scene` false alarms a scene."""
    alarms = np.cumsum(~found.right)
    last = np.append(found.scores[1:] != found.scores[:-1], True)  # equal scores come together or not at all
    allowed = found.scores[last[: len(found.scores)] & (alarms <= per_scene * found.scenes)]
    return float(allowed.min()) if len(allowed) else 255.0


def by_size(
    found: Match, threshold: float, limits: Sequence[float] = (0.01, 0.04, 0.15)
) -> dict[str, object]:
    """Recall per size of the box, as the side's share of the picture's (square root of the area's)."""
    edges = [0.0, *limits, 1.01]
    said = found.right & (found.scores >= threshold)
    rows: dict[str, object] = {}
    for low, high in pairwise(edges):
        boxes = int(((found.areas >= low) & (found.areas < high)).sum())
        hits = int((said & (found.areas_found >= low) & (found.areas_found < high)).sum())
        name = f"area {low:.0%}..{min(high, 1):.0%}"
        rows[name] = {"boxes": boxes, "recall": ratio(hits, boxes), "recall_ci95": wilson(hits, boxes)}
    return rows
