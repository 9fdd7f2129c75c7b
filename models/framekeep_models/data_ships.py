"""Views of ships, and of what is none, cut out of large scenes with boxes and put together anew.

A few hundred scenes hold few ships at a quay and little land. So ships are cut free of the open water around
them and laid beside quays or on any other water, and stretches of land, piers and shore are laid into views
without a ship, with the same soft edges, so that an edge says nothing. Everything is drawn from one
generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from framekeep_models.data_crops import F32, U8, shrink

Floats = npt.NDArray[np.float64]

SMALLEST = 14.0  # pixels of a scene; a shorter boat is a blot when it is enlarged to fill a view
FILLS = (0.35, 0.9)  # a ship's length as a share of the view's side
BUSY = 14.0  # grey standard deviation from which a view has something to look at


@dataclass(frozen=True, slots=True)
class Scene:
    """A large picture and the ships in it: x, y, width, height in pixels."""

    image: U8
    boxes: Floats


@dataclass(frozen=True, slots=True)
class Ship:
    """A ship cut free: its pixels, which of them are it, and how it lies (length and beam in pixels)."""

    image: U8
    mask: F32
    centre: tuple[float, float]
    angle: float  # degrees from the x axis to the keel
    length: float
    beam: float


def view(image: U8, centre: tuple[float, float], size: float, angle: float, side: int) -> U8:
    """The turned square of `size` pixels around `centre`, as `side` x `side`; what lies outside is
    mirrored in."""
    reach = int(np.ceil(size * 0.7072)) + 1
    x, y = round(centre[0]), round(centre[1])
    height, width = image.shape[:2]
    left, top = max(0, x - reach), max(0, y - reach)
    part = image[top : min(height, y + reach), left : min(width, x + reach)]
    missing = (
        max(0, reach - y), max(0, y + reach - height), max(0, reach - x), max(0, x + reach - width)
    )  # fmt: skip
    if any(missing):
        part = np.asarray(cv2.copyMakeBorder(part, *missing, cv2.BORDER_REFLECT_101), np.uint8)
    wide = round(2 * reach * side / size)
    part = shrink(np.ascontiguousarray(part), wide, wide)
    matrix = cv2.getRotationMatrix2D(((wide - 1) / 2, (wide - 1) / 2), angle, 1.0)
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + (side - wide) / 2])
    out = cv2.warpAffine(
        part, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(out, np.uint8)


def ship_view(scene: Scene, box: Floats, side: int, rng: np.random.Generator) -> U8:
    """A view with the ship of `box` somewhere about its middle."""
    x, y, w, h = box
    size = max(w, h) / rng.uniform(*FILLS)
    shift = rng.uniform(-0.18, 0.18, 2) * size
    centre = (float(x + w / 2 + shift[0]), float(y + h / 2 + shift[1]))
    return view(scene.image, centre, size, rng.uniform(0, 360), side)


def empty_view(scene: Scene, side: int, rng: np.random.Generator) -> U8 | None:
    """A view that touches no box; None where a few tries found no room."""
    height, width = scene.image.shape[:2]
    for _ in range(12):
        size = float(np.exp(rng.uniform(np.log(28), np.log(min(height, width, 420) * 0.9))))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        reach = 0.72 * size
        if len(scene.boxes):
            # what sticks out is mirrored in, so a ship within reach of the centre is the only one to fear
            dx = np.maximum(scene.boxes[:, 0] - x, x - scene.boxes[:, 0] - scene.boxes[:, 2])
            dy = np.maximum(scene.boxes[:, 1] - y, y - scene.boxes[:, 1] - scene.boxes[:, 3])
            if (np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) < reach).any():
                continue
        return view(scene.image, (x, y), size, rng.uniform(0, 360), side)
    return None


def any_view(scene: Scene, side: int, rng: np.random.Generator) -> U8:
    """A view of any place, at the sizes of ship views and of larger ones: with ships, parts of ships, or
    none."""
    height, width = scene.image.shape[:2]
    size = float(np.exp(rng.uniform(np.log(28), np.log(300))))
    return view(scene.image, (rng.uniform(0, width), rng.uniform(0, height)), size, rng.uniform(0, 360), side)


def coarse(image: U8, rng: np.random.Generator) -> U8:
    """As a camera of 1.2 to 3 times the pixel would have seen it, enlarged again."""
    side = image.shape[0]
    small = round(side / rng.uniform(1.2, 3.0))
    return shrink(shrink(image, small, small), side, side)


def busy(image: U8) -> float:
    return float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).std())


def cut_free(scene: Scene, box: Floats) -> Ship | None:
    """The ship of `box` without the water around it; None where the two cannot be told apart.

    GrabCut from the box; believed where one compact piece fills a fair part of the box and is longer than
    wide."""
    x, y, w, h = box
    longest = max(w, h)
    if longest < 24:
        return None
    margin = 0.35 * longest
    height, width = scene.image.shape[:2]
    left, top = int(max(0, x - margin)), int(max(0, y - margin))
    right, bottom = int(min(width, x + w + margin)), int(min(height, y + h + margin))
    part = scene.image[top:bottom, left:right]
    scale = min(1.0, 140 / max(part.shape[:2]))
    if scale < 1:
        part = shrink(part, round(part.shape[1] * scale), round(part.shape[0] * scale))
    rect = [max(1, round(v * scale)) for v in (x - left, y - top, w, h)]
    rect[2] = min(rect[2], part.shape[1] - rect[0] - 1)
    rect[3] = min(rect[3], part.shape[0] - rect[1] - 1)
    if min(rect[2:]) < 6:
        return None
    labels = np.zeros(part.shape[:2], np.uint8)
    cv2.setRNGSeed(1)
    cv2.grabCut(
        np.ascontiguousarray(part),
        labels,
        rect,
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        3,
        cv2.GC_INIT_WITH_RECT,
    )
    mask = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mask = cv2.morphologyEx((pieces == largest).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    ys, xs = np.nonzero(mask)
    share = len(xs) / (rect[2] * rect[3])
    if not 0.1 < share < 0.85:
        return None
    outline = np.column_stack([xs, ys]).astype(np.float32)
    middle, (a, b), turn = cv2.minAreaRect(outline)
    length, beam, angle = (a, b, turn) if a >= b else (b, a, turn + 90)
    if length < 1.7 * beam or length < 0.75 * max(rect[2:]) or len(xs) < 0.45 * length * beam:
        return None
    soft = np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7), np.float32)
    return Ship(part.copy(), soft, (middle[0], middle[1]), angle, length, beam)


def half_plane(side: int, centre: tuple[float, float], angle: float, offset: float) -> F32:
    """1 beyond a line at `offset` from `centre`, whose direction is `angle`; a pixel wide edge."""
    y, x = np.mgrid[0:side, 0:side]
    turn = np.deg2rad(angle)
    across = -(x - centre[0]) * np.sin(turn) + (y - centre[1]) * np.cos(turn)
    return np.asarray(np.clip(across - offset + 0.5, 0, 1), np.float32)


def laid(below: U8, above: U8, mask: F32) -> U8:
    mixed = below + mask[..., None] * (above.astype(np.float32) - below)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def moored(ship: Ship, water: U8, land: U8, quay: bool, rng: np.random.Generator) -> U8:
    """The ship on other water, along a quay of `land` where `quay`."""
    side = water.shape[0]
    scale = side * rng.uniform(*FILLS) / ship.length
    turn = rng.uniform(0, 360)
    place = side / 2 + rng.uniform(-0.15, 0.15, 2) * side
    matrix = cv2.getRotationMatrix2D(ship.centre, turn, scale)
    matrix[:, 2] += place - np.array(ship.centre)
    pixels = np.asarray(
        cv2.warpAffine(ship.image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )
    mask = np.asarray(cv2.warpAffine(ship.mask, matrix, (side, side)), np.float32)
    if quay:
        keel = ship.angle - turn  # positive turns go against the clock, image angles with it
        away = (0.5 + rng.uniform(-0.05, 0.25)) * ship.beam * scale
        edge = half_plane(side, (place[0], place[1]), keel + rng.choice([0, 180]) + rng.normal(0, 3), away)
        water = laid(water, land, edge)
    return laid(water, pixels, mask)


def shored(water: U8, land: U8, rng: np.random.Generator) -> U8:
    """No ship: land on one side, or a pier or two that reach in from the rim."""
    side = water.shape[0]
    centre = (rng.uniform(0.2, 0.8) * side, rng.uniform(0.2, 0.8) * side)
    angle = rng.uniform(0, 360)
    mask = half_plane(side, centre, angle, 0)
    if rng.random() < 0.6:
        mask = np.minimum(mask, 1 - half_plane(side, centre, angle, rng.uniform(3, 18)))
        if rng.random() < 0.7:  # one end of the pier lies in view
            mask = np.minimum(mask, half_plane(side, centre, angle + 90, rng.uniform(-25, 25)))
    return laid(water, land, mask)


def sampled(scenes: Sequence[Scene], side: int, count: int, rng: np.random.Generator) -> list[U8]:
    """`count` views without a ship; of three drawn the busiest, half of the time."""
    found: list[U8] = []
    while len(found) < count:
        tries = 3 if rng.random() < 0.5 else 1
        views = [empty_view(scenes[int(rng.integers(len(scenes)))], side, rng) for _ in range(tries)]
        seen = [v for v in views if v is not None]
        if seen:
            found.append(max(seen, key=busy))
    return found
