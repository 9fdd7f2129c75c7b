"""The recipe of `ship_80`: is a ship in an 80x80 chip of a satellite picture?

Learns from ready-made chips and from new views of the scenes behind them (`data_ships`), all CC BY 4.0, and
for land and coarser pixels from one bay and one airport of PlanetScope (CC BY-SA 4.0). Chips of kind `land`
are non-commercial: they are left out of training and met on the validation and test splits only. The camera
looks straight down, so everything is turned by any angle, mirrored and rescaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from framekeep_models.data import Picture, read_coco, read_csv, select
from framekeep_models.data_crops import U8, Pool, read_rgb, recoloured, spoil
from framekeep_models.data_ships import (
    BUSY,
    SMALLEST,
    Scene,
    any_view,
    busy,
    coarse,
    cut_free,
    empty_view,
    moored,
    sampled,
    ship_view,
    shored,
)
from framekeep_models.train_options import Options
from framekeep_models.train_ship_teacher import taught

PLANET_LICENCE = "CC BY-SA 4.0"
LEARNED_BAY, HELD_BAY = "s4_", "s1_"  # how the tiles of the two bays are named
VIEWS = 20000  # of each kind: ships in scenes, ships moored anew, no ship, no ship with shores laid in
OPEN = 20000  # views drawn without a look at the boxes: what they show is left to the teacher


def ship_pictures(root: Path, split: str, everything: bool = False) -> list[Picture]:
    return select(read_csv(root / "sat_ship_chips/labels.csv"), split, None if everything else True)


def ship_scenes(root: Path) -> list[Picture]:
    scenes = read_coco(root / "sat_ships_scenes/annotations_train.json", smallest=0.0)
    return [replace(p, licence="CC BY 4.0") for p in scenes]


def planet_tiles(root: Path, bay: str) -> list[Picture]:
    """Tiles of water, land and ships at 3 m a pixel, of one of two bays: one to learn from, one to judge."""
    tiles = read_csv(root / "planet_scenes/tiles.csv", "ship")
    chosen = [p for p in tiles if p.path.name.startswith(bay)]
    return [replace(p, licence=PLANET_LICENCE, kind=p.path.parent.name) for p in chosen]


def airport(root: Path) -> Picture:
    """A scene at 3 m a pixel without a ship."""
    return Picture(
        root / "planet_scenes/images/airport_scene_3.png",
        0,
        "train",
        PLANET_LICENCE,
        "planet_scenes",
        boxes=(),
    )


def learned_pictures(root: Path) -> list[Picture]:
    return [
        *ship_pictures(root, "train"),
        *ship_scenes(root),
        *planet_tiles(root, LEARNED_BAY),
        airport(root),
    ]


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


def scene_of(picture: Picture) -> Scene:
    image = read_rgb(picture.path)
    height, width = image.shape[:2]
    boxes = np.array(picture.boxes or (), np.float64).reshape(-1, 4)
    return Scene(image, boxes * (width, height, width, height))


def views(root: Path, times: float, side: int, rng: np.random.Generator) -> Iterator[tuple[U8, int]]:
    """Pictures and labels (-1 where nobody gave one), in a fixed order; `times` the usual number of each
    kind."""
    for picture in (*ship_pictures(root, "train"), *planet_tiles(root, LEARNED_BAY)):
        source = read_rgb(picture.path)
        for _ in range(max(1, round(5 * times))):
            yield turned(source, side, rng), picture.label or 0
    scenes = [scene_of(p) for p in ship_scenes(root)]
    count = max(1, round(VIEWS * times))
    boxes = [(scene, box) for scene in scenes for box in scene.boxes if max(box[2:]) >= SMALLEST]
    for _ in range(count):
        scene, box = boxes[rng.integers(len(boxes))]
        yield ship_view(scene, box, side, rng), 1
    water = sampled(scenes, side, count, rng)
    fields = scene_of(airport(root))
    ground = [v for _ in range(count // 4) if (v := empty_view(fields, side, rng)) is not None]
    for image in (*water, *ground):
        yield image, 0
    land = [*ground, *(v for v in water if busy(v) >= BUSY)]
    ships = [ship for scene, box in boxes if (ship := cut_free(scene, box)) is not None]

    def one(some: Sequence[U8]) -> U8:
        return some[int(rng.integers(len(some)))]

    for k in range(count):
        ship = ships[rng.integers(len(ships))]
        below = one(land) if k % 8 == 0 else one(water)
        yield moored(ship, below, one(land), k % 2 == 1, rng), 1
        yield shored(one(water), one(land), rng), 0
    for _ in range(max(1, round(OPEN * times))):
        yield any_view(scenes[int(rng.integers(len(scenes)))], side, rng), -1


def ship_pool(root: Path, times: float, side: int, rng: np.random.Generator) -> tuple[U8, Pool]:
    """All views as they are, and as a pool: half of them spoiled, a quarter as of a coarser camera."""
    clean, labels = [], []
    for image, label in views(root, times, side, rng):
        clean.append(image)
        labels.append(label)
    images = np.stack(clean)
    clean.clear()
    hard = np.array(labels, np.int8)
    spoiled = images.copy()
    for k in range(len(spoiled)):
        if rng.random() < 0.25:
            spoiled[k] = coarse(spoiled[k], rng)
        if rng.random() < 0.5:
            spoiled[k] = spoil(spoiled[k], rng)
    return images, Pool(spoiled, hard, np.full(len(hard), np.nan, np.float32))


def taught_pool(options: Options, rng: np.random.Generator) -> Pool:
    """All views with their labels and the opinion of a teacher that learned them first; three in ten in
    the colours of other cameras, which the teacher does not see."""
    clean, pool = ship_pool(options.data, options.crops, 80, rng)
    pool = taught(clean, pool, options.seed)
    for image in pool.images:
        if rng.random() < 0.3:
            image[:] = recoloured(image, rng)
    return pool
