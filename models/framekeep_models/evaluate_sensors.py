"""Accuracy on the same pictures as other sensors might have taken them.

    python -m framekeep_models.evaluate_sensors models/trained/ship_80.tflite \\
        --data ../shared/data/sat_ship_chips/labels.csv --split val

Each picture is shown as it is, turned, with larger pixels, in other light and colours, the same for every
model; the figures are the flight kernels' at the model's own threshold. It says where a model may fail on a
camera that it has not seen, not how well it will do there."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from framekeep_models.data import Picture, read_pictures, select
from framekeep_models.data_crops import U8, read_rgb, shrink
from framekeep_models.evaluate import labels_of
from framekeep_models.evaluate_flight import FlightModel
from framekeep_models.evaluate_metrics import Binary

SEED = 7
COARSE = 3.5  # times as large a pixel
Sensor = Callable[[U8, np.random.Generator], U8]


def as_it_is(image: U8, _: np.random.Generator) -> U8:
    return image


def turned(image: U8, rng: np.random.Generator) -> U8:
    """By any angle around the middle; the corners mirror what is beside them."""
    high, wide = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((wide - 1) / 2, (high - 1) / 2), rng.uniform(0, 360), 1)
    return np.asarray(cv2.warpAffine(image, turn, (wide, high), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def coarse(image: U8, _: np.random.Generator) -> U8:
    high, wide = image.shape[:2]
    small = shrink(image, max(4, round(wide / COARSE)), max(4, round(high / COARSE)))
    return shrink(small, wide, high)


def white_balance(image: U8, rng: np.random.Generator) -> U8:
    """Each channel by a factor of its own, 0.65..1.35."""
    return levels(image * rng.uniform(0.65, 1.35, 3))


def tone(image: U8, rng: np.random.Generator) -> U8:
    """A gamma of 1.5 to 2.2, or its inverse."""
    gamma = np.exp(rng.choice([-1, 1]) * rng.uniform(0.4, 0.8))
    return levels(255 * (image / 255) ** gamma)


def haze(image: U8, rng: np.random.Generator) -> U8:
    """40 to 70 % of the light is the air's, a little blue."""
    share = rng.uniform(0.4, 0.7)
    return levels(image * (1 - share) + share * (rng.uniform(120, 200) + np.array([-10, 0, 15])))


def sharpened(image: U8, _: np.random.Generator) -> U8:
    soft = cv2.GaussianBlur(image, (0, 0), 1.2).astype(np.float64)
    return levels(image + 1.5 * (image - soft))


def grey(image: U8, _: np.random.Generator) -> U8:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)


def coarse_tint_haze(image: U8, rng: np.random.Generator) -> U8:
    return haze(white_balance(coarse(image, rng), rng), rng)


def levels(values: np.ndarray[Any, Any]) -> U8:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


SENSORS: dict[str, Sensor] = {
    "as it is": as_it_is,
    "turned": turned,
    f"pixels x {COARSE:g}": coarse,
    "white balance": white_balance,
    "tone": tone,
    "sharpened": sharpened,
    "grey": grey,
    "haze": haze,
    "large pixels, tint and haze": coarse_tint_haze,
}


def measure(model: FlightModel, pictures: Sequence[Picture]) -> dict[str, dict[str, Any]]:
    """Accuracy and AUC with intervals, by sensor."""
    images = [read_rgb(picture.path) for picture in pictures]
    labels = labels_of(pictures)
    found = {}
    for name, sensor in SENSORS.items():
        rng = np.random.default_rng(SEED)
        scores = np.array([model.score(sensor(image, rng)) for image in images], np.float64)
        figures = Binary(labels, scores, model.threshold).summary()
        found[name] = {key: figures[key] for key in ("accuracy", "accuracy_ci95", "auc", "auc_ci95")}
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """A table for each model."""
    parser = argparse.ArgumentParser(
        prog="python -m framekeep_models.evaluate_sensors",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    pictures = select(read_pictures(args.data), args.split)
    found = {str(path): measure(FlightModel(path), pictures) for path in args.models}
    if args.json:
        print(json.dumps(found))
        return 0
    for path, by_sensor in found.items():
        print(f"{path}, {len(pictures)} pictures\n\n| sensor | accuracy | AUC |\n|---|---|---|")
        for name, f in by_sensor.items():
            print(
                f"| {name} | {100 * f['accuracy']:.1f} % "
                f"({100 * f['accuracy_ci95'][0]:.1f} .. {100 * f['accuracy_ci95'][1]:.1f}) "
                f"| {f['auc']:.3f} ({f['auc_ci95'][0]:.3f} .. {f['auc_ci95'][1]:.3f}) |"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
