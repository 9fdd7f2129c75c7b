"""Crops for training: cut as a camera might have framed them, labelled by the boxes, spoiled as a camera
would.

Everything is drawn from one `numpy.random.Generator`, so a seed gives the same pool of crops again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from framekeep_models.data import Box, DataError, Picture

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Window = tuple[float, float, float, float]  # x, y, width, height in fractions of the picture

COVERS = (
    0.02  # a person box must cover this much of a crop to make it a person crop (0.01 .. 0.03 in person_vww)
)
INSIDE = 0.55  # ... with this much of the box inside


@dataclass(frozen=True, slots=True)
class Draw:
    """How many crops to cut from a picture; `smallest` is a crop's least side as a share of the picture's.
    What the boxes `doubtful` hold may be an object or none: a grid is not judged there."""

    picture: Picture
    crops: int
    smallest: float
    doubtful: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """Crops in memory. `hard` is 0, 1, or -1 where boxes leave it open; `soft` is the teachers'
    probability."""

    images: U8  # [n, side, side, 3] RGB
    hard: npt.NDArray[np.int8]
    soft: F32


def read_rgb(path: Path) -> U8:
    """The picture as uint8 [rows][columns][R, G, B], upright; DataError where it cannot be read whole."""
    # not cv2.imread: a name that is no text ends the process, and one of a missing file speaks by itself
    try:
        packed = np.frombuffer(path.read_bytes(), np.uint8)
        data = cv2.imdecode(packed, cv2.IMREAD_COLOR) if packed.size else None
    except (OSError, ValueError, cv2.error):
        data = None
    if data is None:
        raise DataError(f"{path}: not a picture that can be read; remove its row or mend the file")
    return np.asarray(cv2.cvtColor(data, cv2.COLOR_BGR2RGB), np.uint8)


def shrink(image: U8, width: int, height: int) -> U8:
    """To the model's size: the area average as the flight camera stage does it, bilinear where it grows."""
    smaller = image.shape[1] >= width and image.shape[0] >= height
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def random_window(rng: np.random.Generator, image: U8, smallest: float) -> Window:
    """A window of nearly square pixels, its shorter side `smallest`..1 of the picture's shorter side."""
    height, width = image.shape[:2]
    side = min(width, height) * rng.uniform(smallest, 1.0)
    if rng.random() < 0.15:  # the whole picture, stretched: what a mission with `fit = stretch` sees
        return 0.0, 0.0, 1.0, 1.0
    aspect = float(np.exp(rng.uniform(-0.25, 0.25)))
    w, h = min(width, side * aspect), min(height, side / aspect)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return x / width, y / height, w / width, h / height


def label_window(window: Window, boxes: Sequence[Box]) -> int:
    """1 person, 0 none, -1 in doubt (a piece of a person, or one too small)."""
    x0, y0, w, h = window
    touched = False
    for bx, by, bw, bh in boxes:
        across = min(x0 + w, bx + bw) - max(x0, bx)
        down = min(y0 + h, by + bh) - max(y0, by)
        if across <= 0 or down <= 0 or bw * bh <= 0:
            continue
        shared = across * down
        if shared >= COVERS * w * h and shared >= INSIDE * bw * bh:
            return 1
        touched = True
    return -1 if touched else 0


def cut(image: U8, window: Window, side: int) -> U8:
    height, width = image.shape[:2]
    x, y = round(window[0] * width), round(window[1] * height)
    w, h = max(1, round(window[2] * width)), max(1, round(window[3] * height))
    return shrink(image[y : y + h, x : x + w], side, side)


def crop_label(picture: Picture, window: Window) -> int:
    if picture.label == 0:
        return 0
    if picture.boxes is None:
        return -1 if window[2] * window[3] < 0.8 else 1
    return label_window(window, picture.boxes)


def make_pool(
    draws: Sequence[Draw],
    side: int,
    rng: np.random.Generator,
    teach: Callable[[U8], float] | None = None,
    *,
    mixed: float = 0.0,
    spoiled: float = 0.6,
    coloured: float = 0.0,
) -> Pool:
    """Cuts and labels all `draws`, in a random order. The teachers see the clean crop, the pool keeps the
    spoiled one.

    A `mixed` share of the crops gets a rectangle of another crop pasted in; such crops carry the teachers'
    view only. A `coloured` share is kept in the colours of other cameras."""
    count = sum(draw.crops for draw in draws)
    images = np.empty((count, side, side, 3), np.uint8)
    hard = np.empty(count, np.int8)
    soft = np.full(count, np.nan, np.float32)
    at = 0
    for draw in draws:
        source = read_rgb(draw.picture.path)
        for _ in range(draw.crops):
            window = random_window(rng, source, draw.smallest)
            images[at], hard[at] = cut(source, window, side), crop_label(draw.picture, window)
            at += 1
    order = rng.permutation(count)
    images, hard = images[order], hard[order]
    for i in range(count):
        if teach is not None and rng.random() < mixed:
            paste(images[i], images[rng.integers(count)], rng)
            hard[i] = -1
        if teach is not None:
            soft[i] = teach(images[i])
        if rng.random() < spoiled:
            images[i] = spoil(images[i], rng)
        if coloured and rng.random() < coloured:
            images[i] = recoloured(images[i], rng)
    return Pool(images, hard, soft)


def paste(image: U8, other: U8, rng: np.random.Generator) -> None:
    side = image.shape[0]
    w, h = rng.integers(side // 4, side * 3 // 4, 2)
    x, y = rng.integers(0, side - w), rng.integers(0, side - h)
    u, v = rng.integers(0, side - w), rng.integers(0, side - h)
    image[y : y + h, x : x + w] = other[v : v + h, u : u + w]


def recoloured(image: U8, rng: np.random.Generator) -> U8:
    """As another camera, other air and other processing would have shown it: a veil of air light, a tone
    curve, a balance of colours, a stretched contrast, less colour or more."""
    light = image.astype(np.float32) / 255
    if rng.random() < 0.4:
        veil = rng.uniform(0.3, 0.9) + rng.uniform(-0.05, 0.1) * np.array([-1, 0, 1], np.float32)
        light += rng.uniform(0.1, 0.6) * (veil - light)
    light = light ** np.exp(rng.uniform(-0.5, 0.5) + rng.uniform(-0.1, 0.1, 3))
    light *= np.exp(rng.uniform(-0.2, 0.2, 3))
    if rng.random() < 0.3:
        darkest, lightest = np.percentile(light, (0.5, 99.5))
        reach = rng.uniform(0.5, 1.0)
        light = light * (1 - reach) + (light - darkest) / max(float(lightest - darkest), 0.1) * reach
    grey = light.mean(axis=2, keepdims=True)
    light = grey + (light - grey) * (0.0 if rng.random() < 0.2 else rng.uniform(0.4, 1.3))
    return np.asarray(np.clip(255 * light, 0, 255), np.uint8)


def spoil(image: U8, rng: np.random.Generator) -> U8:
    """What lenses, sensors and compression do: one or two faults of a cheap camera."""
    for fault in rng.choice(len(FAULTS), rng.integers(1, 3), replace=False):
        image = FAULTS[fault](image, rng)
    return image


def blur(image: U8, rng: np.random.Generator) -> U8:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3)), np.uint8)


def motion(image: U8, rng: np.random.Generator) -> U8:
    """The camera moved during the exposure: a line of 3..7 pixels in any direction."""
    size = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((size, size), np.float32)
    kernel[size // 2] = 1.0 / size
    turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), rng.uniform(0, 180), 1.0)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (size, size)), np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1e-6)), np.uint8)


def exposure(image: U8, rng: np.random.Generator) -> U8:
    """Under- or overexposed by up to a stop and a half, with a tone curve and clipped ends."""
    gain, gamma = 2.0 ** rng.uniform(-1.5, 1.0), np.exp(rng.uniform(-0.4, 0.4))
    table = np.clip(255.0 * (np.arange(256) / 255.0) ** gamma * gain, 0, 255).astype(np.uint8)
    return np.asarray(table[image], np.uint8)


def noise(image: U8, rng: np.random.Generator) -> U8:
    """Shot and read noise, as of a small sensor with its gain up."""
    clean = image.astype(np.float32)
    sigma = rng.uniform(2, 10) + 0.06 * rng.uniform(0, 1) * clean
    return np.clip(clean + sigma * rng.standard_normal(image.shape, np.float32), 0, 255).astype(np.uint8)


def jpeg(image: U8, rng: np.random.Generator) -> U8:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 75))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8) if done else image


def bayer(image: U8, rng: np.random.Generator) -> U8:
    """One colour a pixel, then bilinear demosaicing: the colour fringes of a raw sensor."""
    mosaic = image[..., 1].copy()
    x, y = rng.integers(0, 2, 2)
    mosaic[y::2, x::2] = image[y::2, x::2, 0]
    mosaic[1 - y :: 2, 1 - x :: 2] = image[1 - y :: 2, 1 - x :: 2, 2]
    # OpenCV names a pattern by the second row's second and third pixel; the result is in B, G, R order
    code = {(0, 0): cv2.COLOR_BayerBG2RGB, (1, 0): cv2.COLOR_BayerGB2RGB}
    code |= {(0, 1): cv2.COLOR_BayerGR2RGB, (1, 1): cv2.COLOR_BayerRG2RGB}
    return np.asarray(cv2.cvtColor(mosaic, code[int(x), int(y)]), np.uint8)


def cast(image: U8, rng: np.random.Generator) -> U8:
    """A wrong white balance, or no colour at all."""
    if rng.random() < 0.4:
        return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)
    return np.clip(image * rng.uniform(0.8, 1.2, 3), 0, 255).astype(np.uint8)


FAULTS: tuple[Callable[[U8, np.random.Generator], U8], ...] = (
    blur,
    motion,
    exposure,
    noise,
    jpeg,
    bayer,
    cast,
)
