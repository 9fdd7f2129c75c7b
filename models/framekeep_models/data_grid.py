"""Pictures with boxes to pictures with a grid: where the centres are, or how much of each cell is covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from framekeep_models.data import Box
from framekeep_models.data_crops import F32, U8, Draw, Window, read_rgb, shrink, spoil

GridKind = Literal["centres", "cover"]

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


def make_grid_pool(
    draws: Sequence[Draw],
    shape: GridShape,
    kind: GridKind,
    rng: np.random.Generator,
    *,
    spoiled: float = 0.5,
    turns: bool = False,
) -> GridPool:
    """Windows of the input's aspect, `smallest`..1 of the largest that fits, half of them mirrored.

    `turns`: also turned by quarters, for square inputs of cameras that look straight down.
    """
    count = sum(d.crops for d in draws)
    images = np.empty((count, shape.height, shape.width, 3), np.uint8)
    target = np.empty((count, *shape.cells), np.float32)
    weight = np.empty_like(target)
    make = centre_target if kind == "centres" else cover_target
    at = 0
    for draw in draws:
        source = read_rgb(draw.picture.path)
        height, width = source.shape[:2]
        for _ in range(draw.crops):
            window = aspect_window(rng, (width, height), (shape.width, shape.height), draw.smallest)
            x, y = round(window[0] * width), round(window[1] * height)
            w, h = max(1, round(window[2] * width)), max(1, round(window[3] * height))
            image = shrink(source[y : y + h, x : x + w], shape.width, shape.height)
            aim, sure = make(draw.picture.boxes or (), window, shape.cells)
            if rng.random() < 0.5:
                image, aim, sure = image[:, ::-1], aim[:, ::-1], sure[:, ::-1]
            if turns:
                quarter = int(rng.integers(4))
                image, aim, sure = np.rot90(image, quarter), np.rot90(aim, quarter), np.rot90(sure, quarter)
            images[at] = spoil(image, rng) if rng.random() < spoiled else image
            target[at], weight[at] = aim, sure
            at += 1
    return GridPool(images, target, weight)


def aspect_window(
    rng: np.random.Generator, size: tuple[int, int], wanted: tuple[int, int], smallest: float
) -> Window:
    """A random window; its aspect is the input's within 20 %, or now and then the whole picture."""
    width, height = size
    if rng.random() < 0.15:
        return 0.0, 0.0, 1.0, 1.0
    aspect = wanted[0] / wanted[1] * float(np.exp(rng.uniform(-0.2, 0.2)))
    w = min(width, height * aspect) * rng.uniform(smallest, 1.0)
    h = min(height, w / aspect)
    return (
        rng.uniform(0, width - w) / width,
        rng.uniform(0, height - h) / height,
        w / width,
        h / height,
    )


def peaks(grid: npt.NDArray[np.float64], lowest: float) -> list[tuple[float, float, float]]:
    """Local maxima of 3x3 cells not below `lowest`: (score, x, y), x and y in fractions, best first."""
    rows, columns = grid.shape
    around = np.full((rows + 2, columns + 2), -np.inf)
    around[1:-1, 1:-1] = grid
    highest = np.max([around[r : r + rows, c : c + columns] for r in range(3) for c in range(3)], axis=0)
    found = []
    taken = np.zeros(grid.shape, bool)
    for row, column in np.argwhere((grid >= highest) & (grid >= lowest)):
        # of a plateau of equal cells only the first counts
        if taken[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].any():
            continue
        taken[row, column] = True
        found.append((float(grid[row, column]), (column + 0.5) / columns, (row + 0.5) / rows))
    return sorted(found, reverse=True)
