"""Pictures with boxes to pictures with a grid: where the centres are, or how much of each cell is covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from framekeep_models.data import Box
from framekeep_models.data_crops import F32, U8, Draw, Window, read_rgb, shrink, spoil
from framekeep_models.data_moored import boats_of, moor

GridKind = Literal["centres", "cover"]

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)
DIP = 0.95  # of a summit's score: a saddle below it parts the summit from a higher one
INSIDE = 0.4  # a box with less of it inside the window is neither wanted nor held against the network


@dataclass(frozen=True, slots=True)
class GridShape:
    """Input and output of a grid network, in pixels and cells."""

    width: int
    height: int
    stride: int

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns."""
        return -(-self.height // self.stride), -(-self.width // self.stride)


@dataclass(frozen=True, slots=True)
class GridPool:
    """Crops in memory with a target for each cell; `weight` 0 marks cells that nobody can judge."""

    images: U8
    target: F32
    weight: F32


def clip(box: Box, window: Window) -> tuple[float, float, float, float, float] | None:
    """A box in fractions of the window (x0, y0, x1, y1) and the share of it inside; None if outside."""
    x0, y0, w, h = window
    left, top = max(box[0], x0), max(box[1], y0)
    right, bottom = min(box[0] + box[2], x0 + w), min(box[1] + box[3], y0 + h)
    if right <= left or bottom <= top:
        return None
    inside = (right - left) * (bottom - top) / (box[2] * box[3])
    return (left - x0) / w, (top - y0) / h, (right - x0) / w, (bottom - y0) / h, inside


def centre_target(boxes: Sequence[Box], window: Window, cells: tuple[int, int]) -> tuple[F32, F32]:
    """A bump of height 1 on the cell of every box's centre, as wide as the box is large."""
    rows, columns = cells
    target = np.zeros(cells, np.float32)
    weight = np.ones(cells, np.float32)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    for box in boxes:
        clipped = clip(box, window)
        if clipped is None:
            continue
        x0, y0, x1, y1, inside = clipped
        if inside < INSIDE:
            weight[cell_span(y0, y1, rows), cell_span(x0, x1, columns)] = 0
            continue
        column = min(int((x0 + x1) / 2 * columns), columns - 1)
        row = min(int((y0 + y1) / 2 * rows), rows - 1)
        wide = max(0.6, 0.12 * (x1 - x0) * columns)
        high = max(0.6, 0.12 * (y1 - y0) * rows)
        bump = np.exp(-0.5 * (((x - column) / wide) ** 2 + ((y - row) / high) ** 2))
        target = np.maximum(target, bump.astype(np.float32))
        weight[row, column] = 1
    return target, weight


def cover_target(boxes: Sequence[Box], window: Window, cells: tuple[int, int]) -> tuple[F32, F32]:
    """The covered share of each cell; boxes that overlap count once (by the larger share)."""
    rows, columns = cells
    target = np.zeros(cells, np.float32)
    for box in boxes:
        clipped = clip(box, window)
        if clipped is None:
            continue
        x0, y0, x1, y1, _ = clipped
        target = np.maximum(target, np.outer(overlap(y0, y1, rows), overlap(x0, x1, columns)))
    return target.astype(np.float32), np.ones(cells, np.float32)


def overlap(low: float, high: float, cells: int) -> npt.NDArray[np.float64]:
    """The share of each of `cells` equal parts of 0..1 that low..high covers."""
    edges = np.arange(cells + 1) / cells
    shared = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return np.asarray(np.clip(shared, 0, None) * cells, np.float64)


def cell_span(low: float, high: float, cells: int) -> slice:
    first = int(low * cells + 1e-6)
    return slice(first, max(first + 1, int(np.ceil(high * cells - 1e-6))))


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a picture is cut for a grid network.

    A mosaic is four crops of half the side each: many small objects in one input, at scales that the pictures
    themselves do not show.
    """

    largest: float = 1.0  # window, as a share of the largest that fits; the least is each Draw's own
    near: float = 0.5  # share of the windows that hold the centre of some box
    mosaic: float = 0.0  # share of the inputs that are four crops
    turns: bool = False  # quarter turns as well as mirroring: cameras that look straight down
    spoiled: float = 0.3  # share of the crops with faults of a cheap camera
    sides: tuple[float, float] | None = None  # pixels of the input that the box a window is near to spans
    choice: int = 1  # windows near no box, of which the most varied is taken: land and quays more than water
    moored: float = 0.0  # share of the crops that get a row of boats pasted in


class GridCrops:
    """An endless supply of crops with their targets, drawn from one generator: a seed gives the same again.

    `crops` of a Draw is its weight: how often the picture is cut, beside the others.
    """

    def __init__(
        self, draws: Sequence[Draw], shape: GridShape, kind: GridKind, cutting: Cutting, seed: int
    ) -> None:
        self.draws, self.shape, self.cutting = draws, shape, cutting
        self.make = centre_target if kind == "centres" else cover_target
        self.rng = np.random.default_rng(seed)
        self.sources = [read_rgb(d.picture.path) for d in draws]
        rows = zip(self.sources, draws, strict=True) if cutting.moored else ()
        self.boats = [boat for source, d in rows for boat in boats_of(source, d.picture.boxes or ())]
        weights = np.array([d.crops for d in draws], np.float64)
        self.chances = weights / weights.sum()

    def batch(self, count: int) -> GridPool:
        rows, columns = self.shape.cells
        images = np.empty((count, self.shape.height, self.shape.width, 3), np.uint8)
        target = np.empty((count, rows, columns), np.float32)
        weight = np.empty_like(target)
        for at in range(count):
            half_h, half_w = self.shape.height // 2, self.shape.width // 2
            if self.rng.random() < self.cutting.mosaic:
                for r, c in ((0, 0), (0, 1), (1, 0), (1, 1)):
                    part = self.one(half_w, half_h, (rows // 2, columns // 2))
                    images[at, r * half_h : (r + 1) * half_h, c * half_w : (c + 1) * half_w] = part[0]
                    here = (
                        slice(r * rows // 2, (r + 1) * rows // 2),
                        slice(c * columns // 2, (c + 1) * columns // 2),
                    )
                    target[at][here], weight[at][here] = part[1], part[2]
            else:
                images[at], target[at], weight[at] = self.one(
                    self.shape.width, self.shape.height, (rows, columns)
                )
            images[at] = light(images[at], self.rng)
            if self.rng.random() < self.cutting.spoiled:
                images[at] = spoil(images[at], self.rng)
        return GridPool(images, target, weight)

    def one(self, width: int, height: int, cells: tuple[int, int]) -> tuple[U8, F32, F32]:
        """One crop of this size, mirrored and turned at random."""
        rng = self.rng
        place = int(rng.choice(len(self.draws), p=self.chances))
        source, draw = self.sources[place], self.draws[place]
        high, wide = source.shape[:2]
        boxes = draw.picture.boxes or ()
        near = boxes[int(rng.integers(len(boxes)))] if boxes and rng.random() < self.cutting.near else None
        share = draw.smallest, self.cutting.largest
        if near is not None and self.cutting.sides:
            side = (near[2] * wide * near[3] * high) ** 0.5 * width / min(wide, high)
            share = fitting(rng, side, self.cutting.sides, share)
        windows = [
            random_window(rng, (wide, high), (width, height), share, near)
            for _ in range(1 if near is not None else self.cutting.choice)
        ]
        window = max(
            windows, key=lambda w: source[within(w, wide, high)][::4, ::4].std() if windows[1:] else 0
        )
        image = shrink(source[within(window, wide, high)], width, height)
        aim, sure = self.make(boxes, window, cells)
        sure = unjudged(aim, sure, draw.doubtful, window)
        if self.cutting.moored and self.boats and rng.random() < self.cutting.moored:
            image, added = moor(image, self.boats, rng)
            aim, sure = with_added(aim, sure, *self.make(added, WHOLE, cells))
        if rng.random() < 0.5:
            image, aim, sure = image[:, ::-1], aim[:, ::-1], sure[:, ::-1]
        if self.cutting.turns:
            quarter = int(rng.integers(4))
            image, aim, sure = np.rot90(image, quarter), np.rot90(aim, quarter), np.rot90(sure, quarter)
        return image, aim, sure


def unjudged(aim: F32, sure: F32, boxes: Sequence[Box], window: Window) -> F32:
    """Weights of nothing where `boxes` lie, except where an object is known."""
    rows, columns = aim.shape
    out = sure.copy()
    for box in boxes:
        clipped = clip(box, window)
        if clipped is not None:
            x0, y0, x1, y1, _ = clipped
            out[cell_span(y0, y1, rows), cell_span(x0, x1, columns)] = 0
    return np.where(aim > 0.5, sure, out).astype(np.float32)


def with_added(aim: F32, sure: F32, new: F32, known: F32) -> tuple[F32, F32]:
    """Targets of a crop that got more objects on top."""
    return np.maximum(aim, new), np.where(new > 0.999, 1, np.minimum(sure, known)).astype(np.float32)


def fitting(
    rng: np.random.Generator, side: float, sides: tuple[float, float], share: tuple[float, float]
) -> tuple[float, float]:
    """The share of the picture that makes a box some size between `sides` in the input, where it is `side`
    pixels if the whole is seen: all objects are shown at all sizes that the network is to know, evenly over
    octaves."""
    input_side = float(np.exp(rng.uniform(np.log(sides[0]), np.log(sides[1]))))
    chosen = float(np.clip(side / input_side, *share))
    return chosen, chosen


def within(window: Window, wide: int, high: int) -> tuple[slice, slice]:
    """Rows and columns of a picture of this size."""
    x, y = round(window[0] * wide), round(window[1] * high)
    w, h = max(1, round(window[2] * wide)), max(1, round(window[3] * high))
    return slice(y, y + h), slice(x, x + w)


def light(image: U8, rng: np.random.Generator) -> U8:
    """Brightness, contrast and colour a little off, by one table for each channel."""
    mean = float(image.mean())
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.92, 1.08, 3)
    levels = (np.arange(256)[:, None] - mean) * gain + mean * rng.uniform(0.7, 1.3)
    table = np.clip(levels, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(np.ascontiguousarray(image), table[None]), np.uint8)


def random_window(
    rng: np.random.Generator,
    size: tuple[int, int],
    wanted: tuple[int, int],
    share: tuple[float, float],
    near: Box | None,
) -> Window:
    """A window of nearly the wanted aspect, its size spread evenly over octaves; now and then the whole
    picture, where `share` reaches 1. With `near`, somewhere around that box's centre."""
    width, height = size
    if share[1] >= 1 and rng.random() < 0.15:
        return 0.0, 0.0, 1.0, 1.0
    aspect = wanted[0] / wanted[1] * float(np.exp(rng.uniform(-0.2, 0.2)))
    w = min(width, height * aspect) * float(np.exp(rng.uniform(np.log(share[0]), np.log(share[1]))))
    h = min(height, w / aspect)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    if near is not None:
        centre = (near[0] + near[2] / 2) * width, (near[1] + near[3] / 2) * height
        x = float(np.clip(centre[0] - rng.uniform(0.02, 0.98) * w, 0, width - w))
        y = float(np.clip(centre[1] - rng.uniform(0.02, 0.98) * h, 0, height - h))
    return x / width, y / height, w / width, h / height


def peaks(grid: npt.NDArray[np.float64], lowest: float, dip: float = DIP) -> list[tuple[float, float, float]]:
    """Summits of the map: (score, x, y), x and y in fractions, best first.

    The map is looked at as a landscape that dries up from above. A summit counts where it stands alone, or
    where the saddle towards a higher one lies below `dip` of its own height: ripples along one hull do not
    make two ships, while two boats side by side stay two.
    """
    rows, columns = grid.shape
    places = np.argwhere(grid >= lowest)
    places = places[np.argsort(-grid[places[:, 0], places[:, 1]], kind="stable")]
    owner: dict[tuple[int, int], tuple[int, int]] = {}  # of every dry cell, a cell nearer its summit

    def summit(cell: tuple[int, int]) -> tuple[int, int]:
        while owner[cell] != cell:
            owner[cell] = owner[owner[cell]]
            cell = owner[cell]
        return cell

    found: set[tuple[int, int]] = set()
    for row, column in places.tolist():
        level = grid[row, column]
        around = {
            summit((r, c))
            for r in (row - 1, row, row + 1)
            for c in (column - 1, column, column + 1)
            if (r, c) in owner
        }
        owner[row, column] = (row, column)
        if not around:
            found.add((row, column))
            continue
        best = max(around, key=lambda cell: (grid[cell], -cell[0], -cell[1]))
        owner[row, column] = best
        for other in around - {best}:
            owner[other] = best
            if level > dip * grid[other]:
                found.discard(other)
    return sorted(
        ((float(grid[r, c]), (c + 0.5) / columns, (r + 0.5) / rows) for r, c in found), reverse=True
    )
