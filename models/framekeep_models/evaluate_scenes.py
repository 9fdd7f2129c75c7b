"""Judges a grid model on pictures with boxes: what it finds, what it makes up, how much of them it covers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from framekeep_models.data import Picture
from framekeep_models.data_crops import U8, read_rgb
from framekeep_models.data_grid import DIP, peaks
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
from framekeep_models.evaluate_metrics import Floats, Interval, Ints, bootstrap, percentiles, spearman

LOWEST = 8.0  # scores below this are not even candidates
OVERLAP = 0.25  # of a part with the next
NEAR = 0.03  # of the picture: points this close may be one large object
SLACK = 0.01  # of the picture: a point this close to a box counts as in it


@dataclass(frozen=True, slots=True)
class Look:
    """What the model said of one picture."""

    found: tuple[Detection, ...]
    cover: float  # mean of the cells, 0..1


@dataclass(frozen=True, slots=True)
class Looking:
    """How a picture larger than the model's input is looked at: whole, or in parts of several sizes.

    Of several sizes the mean of the maps counts: small objects show in small parts, and what a large part
    does not confirm is less often true. Large objects do not fit into small parts: there the mean of the
    maps of the parts `large` may say more, and counts for `share` of itself.
    """

    parts: tuple[float, ...] = ()  # pixels
    large: tuple[float, ...] = ()  # some of `parts`
    share: float = 0.9
    dip: float = DIP  # see `peaks`

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Looking:
        """From a model's facts (its .json)."""
        return cls(
            tuple(float(part) for part in facts.get("parts", ())),
            tuple(float(part) for part in facts.get("large_parts", ())),
            float(facts.get("large_share", cls().share)),
            float(facts.get("dip", cls().dip)),
        )


def look(
    grid: Callable[[U8], Floats], image: U8, how: Looking | None = None, tiles: int | None = None
) -> Look:
    """One picture, as `how` says, or in `tiles` x `tiles` parts."""
    how = Looking() if how is None or tiles else how
    height, width = image.shape[:2]
    cuts = {part: (parts_along(height, part), parts_along(width, part)) for part in how.parts}
    maps = {
        cut: mosaic(grid, image, *cut)
        for cut in dict.fromkeys(cuts.values() if cuts else [(tiles or 1, tiles or 1)])
    }
    cells = mean_map(list(maps.values()))
    found = peaks(cells, LOWEST, how.dip)
    if how.large:
        whole = mean_map([maps[cut] for cut in dict.fromkeys(cuts[part] for part in how.large)])
        found = raised(found, [(how.share * score, x, y) for score, x, y in peaks(whole, LOWEST)])
    return Look(tuple(found), float(cells.mean()) / 255)


def mean_map(maps: Sequence[Floats]) -> Floats:
    rows, columns = np.max([m.shape for m in maps], axis=0)
    grown = [cv2.resize(m, (columns, rows), interpolation=cv2.INTER_LINEAR) for m in maps]
    return np.asarray(np.mean(grown, axis=0), np.float64)


def raised(found: Sequence[Detection], large: Sequence[Detection]) -> list[Detection]:
    """Every one of `large` lifts the best of the points near it to its own score; alone, it is a point."""
    scores = [score for score, _, _ in found]
    alone = []
    for score, x, y in large:
        near = [k for k, (_, u, v) in enumerate(found) if math.hypot(u - x, v - y) < NEAR]
        if near:
            best = max(near, key=scores.__getitem__)
            scores[best] = max(scores[best], score)
        else:
            alone.append((score, x, y))
    lifted = [(score, x, y) for score, (_, x, y) in zip(scores, found, strict=True)]
    return sorted(lifted + alone, reverse=True)


def parts_along(size: int, part: float) -> int:
    """How many parts of about `part` pixels, overlapping by OVERLAP, cover `size`."""
    return max(1, round((size / part - OVERLAP) / (1 - OVERLAP)))


def mosaic(grid: Callable[[U8], Floats], image: U8, down: int, across: int) -> Floats:
    """The maps of all parts as one; where parts overlap, each cell is that of the part whose middle is
    nearest, since a map is worst at its edges."""
    if down == across == 1:
        return grid(image)
    height, width = image.shape[:2]
    (starts_y, high), (starts_x, wide) = spread(down), spread(across)
    parts = [
        [
            grid(
                image[
                    round(y * height) : round((y + high) * height),
                    round(x * width) : round((x + wide) * width),
                ]
            )
            for x in starts_x
        ]
        for y in starts_y
    ]
    rows, columns = parts[0][0].shape
    part_y, row = source_cells(starts_y, high, rows)
    part_x, column = source_cells(starts_x, wide, columns)
    out = np.empty((len(row), len(column)))
    for i, (py, r) in enumerate(zip(part_y, row, strict=True)):
        out[i] = [parts[py][px][r, c] for px, c in zip(part_x, column, strict=True)]
    return out


def spread(count: int) -> tuple[Floats, float]:
    """Where `count` parts begin, and how long each is, in shares of the side."""
    size = 1 / (count - OVERLAP * (count - 1))
    return np.linspace(0, 1 - size, count), size


def source_cells(starts: Floats, size: float, cells: int) -> tuple[Ints, Ints]:
    """For every cell along the joined map: which part it is taken from, and which cell of that part."""
    centres = (np.arange(round(cells / size)) + 0.5) / round(cells / size)
    part = np.abs(centres[:, None] - (starts + size / 2)).argmin(1)
    cell = np.clip(np.floor((centres - starts[part]) / size * cells), 0, cells - 1)
    return part.astype(np.int64), cell.astype(np.int64)


def scenes_of(pictures: Sequence[Picture], looks: Sequence[Look]) -> Match:
    return match([Scene(p.boxes or (), view.found) for p, view in zip(pictures, looks, strict=True)], SLACK)


def threshold_from(pictures: Sequence[Picture], looks: Sequence[Look], alarms: float | None) -> float:
    """For best F1, or for at most `alarms` false alarms a scene; whole, since it travels as a byte."""
    found = scenes_of(pictures, looks)
    best = best_f1(found) if alarms is None else threshold_for_alarms(found, alarms)
    return float(np.ceil(best))


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
    return percentiles(values)


def looks_of(
    grid: Callable[[U8], Floats],
    pictures: Sequence[Picture],
    how: Looking | None = None,
    tiles: int | None = None,
) -> list[Look]:
    return [look(grid, read_rgb(p.path), how, tiles) for p in pictures]
