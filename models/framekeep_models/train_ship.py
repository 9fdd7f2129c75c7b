"""The recipe of `ship_80`: is a ship in an 80x80 chip of a satellite picture?

Only CC BY 4.0 chips are used (kind `land` is non-commercial and left out of training; `fk-models eval` on
the test split still meets it). The camera looks straight down, so chips are turned by any angle, mirrored
and rescaled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from framekeep_models.data import Picture, read_csv, select
from framekeep_models.data_crops import U8, Pool, read_rgb, spoil


def ship_pictures(root: Path, split: str, everything: bool = False) -> list[Picture]:
    return select(read_csv(root / "sat_ship_chips/labels.csv"), split, None if everything else True)


def turned(image: U8, side: int, rng: np.random.Generator) -> U8:
    """Any angle, a little shift, 0.85..1.2 times the size; what lies outside is mirrored in."""
    height, width = image.shape[:2]
    scale = rng.uniform(0.85, 1.2) * side / max(width, height)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(0, 360), scale)
    centre = np.array([(side - width) / 2, (side - height) / 2])
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + centre + rng.uniform(-4, 4, 2)])
    out = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(out, np.uint8)


def turned_pool(pictures: Sequence[Picture], crops: int, side: int, rng: np.random.Generator) -> Pool:
    """`crops` turned copies of each picture, half of them spoiled; the labels are taken as they are."""
    images = np.empty((len(pictures) * crops, side, side, 3), np.uint8)
    hard = np.empty(len(images), np.int8)
    at = 0
    for picture in pictures:
        source = read_rgb(picture.path)
        for _ in range(crops):
            view = turned(source, side, rng)
            images[at] = spoil(view, rng) if rng.random() < 0.5 else view
            hard[at] = -1 if picture.label is None else picture.label
            at += 1
    return Pool(images, hard, np.full(len(hard), np.nan, np.float32))
