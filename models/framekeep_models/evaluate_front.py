"""Accuracy against cost: each model's figures on labelled pictures over the instructions it executes.

    python -m framekeep_models.evaluate_front A.tflite B.fkm --data labels.csv --split test -o front.png

Instructions are counted exactly, on an emulated core, for one picture; the figures are the flight kernels'.
Files `NAME.1.tflite`, `NAME.2.tflite`, ... are one network trained from several seeds: one point, their mean.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from framekeep_onboard.network import run_network

from framekeep_models.compile import Options, compile_model
from framekeep_models.data import read_pictures, select
from framekeep_models.evaluate import labels_of, scores_of
from framekeep_models.evaluate_flight import FlightModel, read_image
from framekeep_models.evaluate_metrics import Binary
from framekeep_models.layouts import Layout


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    instructions: int
    image_bytes: int
    arena_bytes: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    auc: float
    auc_ci95: tuple[float, float]


def shape_of(model: Path) -> str:
    """The file's name without its ending and its seed."""
    name, dot, seed = model.stem.rpartition(".")
    return name if dot and seed.isdecimal() else model.stem


def together(points: Sequence[Point]) -> list[Point]:
    """Points of one name made one: the mean of their figures and of their intervals' ends."""
    named: dict[str, list[Point]] = {}
    for point in points:
        named.setdefault(point.name, []).append(point)
    return [mean_of(runs) for runs in named.values()]


def mean_of(runs: Sequence[Point]) -> Point:
    def mean(key: str) -> float:
        return float(np.mean([getattr(run, key) for run in runs]))

    def interval(key: str) -> tuple[float, float]:
        low, high = np.mean([getattr(run, key) for run in runs], axis=0).tolist()
        return low, high

    return Point(
        runs[0].name,
        round(mean("instructions")),
        round(mean("image_bytes")),
        round(mean("arena_bytes")),
        mean("accuracy"),
        interval("accuracy_ci95"),
        mean("auc"),
        interval("auc_ci95"),
    )


def measure(model: Path, data: Path, split: str | None, target: str) -> Point:
    image = image_for(model, target)
    flight = FlightModel(model)
    pictures = select(read_pictures(data), split)
    figures: dict[str, Any] = Binary(
        labels_of(pictures), scores_of(flight, pictures), flight.threshold
    ).summary()
    blank = np.zeros(flight.model.input_shape, np.int8)
    counted = run_network(target, image, [blank]).counts[0].instructions
    wanted = {key: figures[key] for key in ("accuracy", "accuracy_ci95", "auc", "auc_ci95")}
    return Point(shape_of(model), counted, len(image), flight.arena_size, **wanted)


def image_for(model: Path, target: str) -> bytes:
    """What a mission on `target` would carry: weights in the order that its core reads fastest."""
    if model.suffix != ".tflite":
        return read_image(model)
    fast = Layout.ARMV7EM if target in ("qemu-f405", "qemu-m4", "qemu-m7") else Layout.PLAIN
    return compile_model(model, options=Options(layout=fast)).image


def on_front(point: Point, points: Sequence[Point]) -> bool:
    """No other point costs less (or the same) and ranks better (or the same)."""
    return not any(
        other is not point and other.instructions <= point.instructions and other.auc >= point.auc
        for other in points
    )


def draw(points: Sequence[Point], target: str, split: str | None, out: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for point in points:
        low, high = point.auc_ci95
        colour = "tab:red" if on_front(point, points) else "tab:grey"
        millions = point.instructions / 1e6
        axes.errorbar(
            millions, point.auc, [[point.auc - low], [high - point.auc]], fmt="o", color=colour, capsize=3
        )
        axes.annotate(point.name, (millions, point.auc), (6, 4), textcoords="offset points", fontsize=8)
    axes.set_xlabel(f"million instructions a picture on {target}")
    axes.set_ylabel(f"AUC on the pictures ({split or 'all'}), 95 % interval")
    axes.margins(x=0.12)  # room for the last name
    axes.grid(alpha=0.3)
    figure.savefig(out, dpi=120)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table, draws the plot."""
    parser = argparse.ArgumentParser(
        prog="python -m framekeep_models.evaluate_front",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split")
    parser.add_argument("--target", default="qemu-m4")
    parser.add_argument("-o", "--out", type=Path, help="PNG of the plot")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    points = together([measure(model, args.data, args.split, args.target) for model in args.models])
    points.sort(key=lambda p: p.instructions)
    if args.out:
        draw(points, args.target, args.split, args.out)
    if args.json:
        print(json.dumps([asdict(p) for p in points]))
        return 0
    print("| model | instructions | image bytes | arena bytes | accuracy | AUC | on the front |")
    print("|---|---|---|---|---|---|---|")
    for p in points:
        accuracy = f"{p.accuracy:.3f} ({p.accuracy_ci95[0]:.3f} .. {p.accuracy_ci95[1]:.3f})"
        area = f"{p.auc:.3f} ({p.auc_ci95[0]:.3f} .. {p.auc_ci95[1]:.3f})"
        front = "yes" if on_front(p, points) else "no"
        print(
            f"| {p.name} | {p.instructions:,} | {p.image_bytes:,} | {p.arena_bytes:,} "
            f"| {accuracy} | {area} | {front} |"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
