"""Rows of boats side by side, pasted into crops: few scenes show a marina, and those that do show many boats.

Boats are taken from the pictures' own boxes, where a box is long and narrow: there the boat lies along it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from framekeep_models.data import Box
from framekeep_models.data_crops import F32, U8, shrink

F64 = npt.NDArray[np.float64]

SLIM = 2.0  # length over width of a box that holds a boat lying along it
LEAST = 10  # pixels of its length


def boats_of(image: U8, boxes: Sequence[Box]) -> list[U8]:
    """Upright cuts of the long and narrow boxes that lie whole inside the picture."""
    high, wide = image.shape[:2]
    found = []
    for x, y, w, h in boxes:
        left, top, right, bottom = (
            round(x * wide),
            round(y * high),
            round((x + w) * wide),
            round((y + h) * high),
        )
        part = image[max(top, 0) : bottom, max(left, 0) : right]
        if min(part.shape[:2]) < 3 or min(left, top, wide - right, high - bottom) < 1:
            continue
        part = part if part.shape[0] > part.shape[1] else np.rot90(part)
        if part.shape[0] >= max(LEAST, SLIM * part.shape[1]):
            found.append(np.ascontiguousarray(part))
    return found


Berth = tuple[U8, int, int]  # a boat, and the column and row where it lies


def moor(image: U8, boats: Sequence[U8], rng: np.random.Generator) -> tuple[U8, list[Box]]:
    """The picture with one row of boats somewhere in it, turned at random, and their boxes.

    Boats of a row are about as long as each other, and touch or nearly so; their edges fade into what is
    there. Most rows lie at a pier, with berths left free between its fingers: what looks like a boat there is
    none.
    """
    high, wide = image.shape[:2]
    row, cover, berths = marina(boats, rng)
    turn = np.asarray(
        cv2.getRotationMatrix2D((row.shape[1] / 2, row.shape[0] / 2), rng.uniform(0, 360), 1.0), np.float64
    )
    turn[:, 2] += rng.uniform(0, wide) - row.shape[1] / 2, rng.uniform(0, high) - row.shape[0] / 2
    left, top, right, bottom = spans(turn, (0, 0), row.shape[1], row.shape[0])
    left, top = max(0, int(left)), max(0, int(top))
    size = min(wide, int(right) + 2) - left, min(high, int(bottom) + 2) - top
    if min(size) <= 0:
        return image, []
    here = turn - np.array([[0, 0, left], [0, 0, top]])
    alpha = cv2.warpAffine(cover, here, size)[..., None]
    below = image[top : top + size[1], left : left + size[0]]
    image = image.copy()
    image[top : top + size[1], left : left + size[0]] = (
        below * (1 - alpha) + cv2.warpAffine(row, here, size) * alpha
    )
    boxes = []
    for boat, left, top in berths:
        x0, y0, x1, y1 = spans(turn, (left, top), boat.shape[1], boat.shape[0])
        boxes.append((x0 / wide, y0 / high, (x1 - x0) / wide, (y1 - y0) / high))
    return image, boxes


def marina(boats: Sequence[U8], rng: np.random.Generator) -> tuple[F32, F32, list[Berth]]:
    """Boats at one or both sides of a pier, or in open water: pixels, how much each covers, and the boats."""
    length = float(np.exp(rng.uniform(np.log(8), np.log(48))))
    kinds = rng.integers(len(boats), size=int(rng.integers(1, 4)))
    pier = round(rng.uniform(0.08, 0.35) * length) if rng.random() < 0.7 else 0
    sides = 2 if pier and rng.random() < 0.5 else 1
    along = pier > 0 and rng.random() < 0.25  # boats lie along the pier, not across it
    gap = length * rng.uniform(0.0, 0.12)
    free = rng.choice([0.0, 0.3])  # share of the berths
    middle = round(1.06 * length) + 1  # where the pier begins
    berths: list[Berth] = []
    fingers: list[tuple[int, int]] = []  # column, side
    reach = gap
    for side in range(sides):
        across = gap
        for _ in range(int(rng.integers(2, 10))):
            boat = boats[int(kinds[rng.integers(len(kinds))])]
            tall = max(6, round(length * rng.uniform(0.8, 1.05)))
            boat = shrink(boat, max(3, round(tall * boat.shape[1] / boat.shape[0])), tall)
            boat = boat[::-1] if rng.random() < 0.5 else boat
            boat = np.rot90(boat) if along else boat
            if rng.random() >= free:
                top = middle + pier if side else middle - boat.shape[0]
                berths.append((boat, round(across), top))
            fingers.append((round(across + boat.shape[1]), side))
            across += boat.shape[1] + gap * rng.uniform(0.5, 1.5) + 1
        reach = max(reach, across)
    row = np.zeros((middle + pier + (middle if sides == 2 else 0), round(reach) + 2, 3), np.float32)
    cover = np.zeros(row.shape[:2], np.float32)
    if pier:
        stone = rng.uniform(60, 210) + rng.uniform(-12, 12, 3)
        row[middle : middle + pier] = stone + 10 * rng.standard_normal((pier, row.shape[1], 1))
        cover[middle : middle + pier] = 1
        if not along and rng.random() < 0.5:
            for column, side in fingers:
                rows = slice(middle + pier, None) if side else slice(round(0.3 * length), middle)
                (
                    row[rows, column : column + 1 + (length > 24)],
                    cover[rows, column : column + 1 + (length > 24)],
                ) = stone, 1
    for boat, left, top in berths:
        here = slice(top, top + boat.shape[0]), slice(left, left + boat.shape[1])
        fade = faded(*boat.shape[:2])
        row[here] = row[here] * (1 - fade[..., None]) + boat * fade[..., None]
        cover[here] = np.maximum(cover[here], fade)
    return np.clip(row, 0, 255), cover, berths


def spans(
    turn: F64, corner: tuple[float, float], wide: float, high: float
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of an upright rectangle once it is turned."""
    left, top = corner
    ends = [(x, y, 1) for x in (left, left + wide) for y in (top, top + high)]
    corners = np.array(ends, np.float64) @ turn.T
    (x0, y0), (x1, y1) = corners.min(0).tolist(), corners.max(0).tolist()
    return x0, y0, x1, y1


def faded(high: int, wide: int) -> F32:
    """1 inside, less towards the edges and the corners, where a box holds water."""
    y = 1 - np.abs(np.linspace(-1, 1, high))[:, None] ** 6
    x = 1 - np.abs(np.linspace(-1, 1, wide))[None] ** 6
    return np.asarray(np.clip(2 * y * x, 0, 1), np.float32)
