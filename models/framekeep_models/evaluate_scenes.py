"""Judges a grid model on pictures with boxes: what it finds, what it makes up, how much of them it covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framekeep_models.data import Picture
from framekeep_models.data_crops import U8, read_rgb
from framekeep_models.data_grid import peaks
from framekeep_models.evaluate_grid import (
    Detection,
    Match,
    Scene,
    at_threshold,
    average_precision,
    best_f1,
    by_size,
    match,
    threshold_for_alarms,
)
from framekeep_models.evaluate_metrics import Floats, Interval, bootstrap, spearman

LOWEST = 8.0  # scores below this are not even candidates
OVERLAP = 0.2  # of a tile with the next
SAME = 0.05  # of the picture: detections of different tiles closer than this are one
SLACK = 0.01  # of the picture: a point this close to a box counts as in it


@dataclass(frozen=True, slots=True)
class Look:
    """What the model said of one picture."""

    found: tuple[Detection, ...]
    cover: float  # mean of the cells, 0..1


def look(grid: Callable[[U8], Floats], image: U8, tiles: int = 1) -> Look:
    """One picture, cut into `tiles` x `tiles` overlapping parts where that is more than 1."""
    height, width = image.shape[:2]
    size = 1 / (tiles - OVERLAP * (tiles - 1))
    starts = np.linspace(0, 1 - size, tiles)
    found: list[Detection] = []
    covers = []
    for y in starts:
        for x in starts:
            part = image[
                round(y * height) : round((y + size) * height), round(x * width) : round((x + size) * width)
            ]
            cells = grid(part)
            covers.append(float(cells.mean()) / 255)
            found += [(s, x + px * size, y + py * size) for s, px, py in peaks(cells, LOWEST)]
    return Look(tuple(apart(found) if tiles > 1 else found), float(np.mean(covers)))


def apart(found: list[Detection]) -> list[Detection]:
    """Best first; of those closer than SAME only the best stays."""
    kept: list[Detection] = []
    for score, x, y in sorted(found, reverse=True):
        if all(max(abs(x - a), abs(y - b)) >= SAME for _, a, b in kept):
            kept.append((score, x, y))
    return kept


def scenes_of(pictures: Sequence[Picture], looks: Sequence[Look]) -> Match:
    return match([Scene(p.boxes or (), view.found) for p, view in zip(pictures, looks, strict=True)], SLACK)


def threshold_from(pictures: Sequence[Picture], looks: Sequence[Look], alarms: float | None) -> float:
    """For best F1, or for at most `alarms` false alarms a scene."""
    found = scenes_of(pictures, looks)
    return best_f1(found) if alarms is None else threshold_for_alarms(found, alarms)


def covered(pictures: Sequence[Picture]) -> Floats:
    """The share of each picture that its boxes cover, overlaps counted once (on a raster of 1/256)."""
    shares = []
    for picture in pictures:
        raster = np.zeros((256, 256), bool)
        for x, y, w, h in picture.boxes or ():
            raster[round(y * 256) : round((y + h) * 256), round(x * 256) : round((x + w) * 256)] = True
        shares.append(raster.mean())
    return np.array(shares, np.float64)


def summary(pictures: Sequence[Picture], looks: Sequence[Look], threshold: float) -> dict[str, Any]:
    found = scenes_of(pictures, looks)
    truth, said = covered(pictures), np.array([view.cover for view in looks])
    return {
        "n": len(pictures),
        "average_precision": average_precision(found),
        "average_precision_ci95": resampled(pictures, looks, lambda p, v: average_precision(scenes_of(p, v))),
        **at_threshold(found, threshold),
        "recall_by_size": by_size(found, threshold),
        "spearman": spearman(truth, said),
        "spearman_ci95": bootstrap(
            lambda index, _: spearman(truth[index], said[index]), np.arange(len(truth)), said
        ),
    }


def resampled(
    pictures: Sequence[Picture],
    looks: Sequence[Look],
    figure: Callable[[list[Picture], list[Look]], float],
    draws: int = 200,
) -> Interval:
    """95 % interval over pictures drawn again."""
    rng = np.random.default_rng(1)
    values = []
    for _ in range(draws):
        pick = rng.integers(0, len(pictures), len(pictures))
        values.append(figure([pictures[i] for i in pick], [looks[i] for i in pick]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def looks_of(grid: Callable[[U8], Floats], pictures: Sequence[Picture], tiles: int = 1) -> list[Look]:
    return [look(grid, read_rgb(p.path), tiles) for p in pictures]
