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


def moor(image: U8, boats: Sequence[U8], rng: np.random.Generator) -> tuple[U8, list[Box]]:
    """The picture with one row of boats somewhere in it, turned at random, and their boxes.

    Boats of a row are about as long as each other, and touch or nearly so; their edges fade into what is
    there.
    """
    high, wide = image.shape[:2]
    length = float(np.exp(rng.uniform(np.log(8), np.log(48))))
    count = int(rng.integers(2, 10))
    kinds = rng.integers(len(boats), size=int(rng.integers(1, 4)))
    gap = length * rng.uniform(0.0, 0.12)
    parts, places, across = [], [], gap
    for _ in range(count):
        boat = boats[int(kinds[rng.integers(len(kinds))])]
        tall = max(6, round(length * rng.uniform(0.8, 1.05)))
        slim = max(3, round(tall * boat.shape[1] / boat.shape[0]))
        boat = shrink(boat, slim, tall)
        parts.append(boat[::-1] if rng.random() < 0.5 else boat)
        places.append(round(across))
        across += slim + gap * rng.uniform(0.5, 1.5)
    row = np.zeros((max(p.shape[0] for p in parts), round(across) + 1, 3), np.float32)
    cover = np.zeros(row.shape[:2], np.float32)
    for part, at in zip(parts, places, strict=True):
        row[: part.shape[0], at : at + part.shape[1]] = part
        cover[: part.shape[0], at : at + part.shape[1]] = faded(part.shape[0], part.shape[1])
    centre = row.shape[1] / 2, row.shape[0] / 2
    turn = np.asarray(cv2.getRotationMatrix2D(centre, rng.uniform(0, 360), 1.0), np.float64)
    turn[:, 2] += rng.uniform(0, wide) - row.shape[1] / 2, rng.uniform(0, high) - row.shape[0] / 2
    left, top, right, bottom = spans(turn, 0, row.shape[1], row.shape[0])
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
    for part, at in zip(parts, places, strict=True):
        x0, y0, x1, y1 = spans(turn, at, part.shape[1], part.shape[0])
        boxes.append((x0 / wide, y0 / high, (x1 - x0) / wide, (y1 - y0) / high))
    return image, boxes


def spans(turn: F64, left: float, wide: float, high: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of an upright rectangle (its top at 0) once it is turned."""
    corners = np.array([(left, 0, 1), (left + wide, 0, 1), (left, high, 1), (left + wide, high, 1)]) @ turn.T
    (x0, y0), (x1, y1) = corners.min(0).tolist(), corners.max(0).tolist()
    return x0, y0, x1, y1


def faded(high: int, wide: int) -> F32:
    """1 inside, less towards the edges and the corners, where a box holds water."""
    y = 1 - np.abs(np.linspace(-1, 1, high))[:, None] ** 6
    x = 1 - np.abs(np.linspace(-1, 1, wide))[None] ** 6
    return np.asarray(np.clip(2 * y * x, 0, 1), np.float32)
