"""Networks of several widths, depths and input sizes, trained alike, for a plot of accuracy against cost.

    python -m framekeep_models.train_front --out build/front
    python -m framekeep_models.evaluate_front build/front/*.tflite \\
        --data ../shared/data/sat_ship_chips/labels.csv --split val -o docs/front_ship.png

All see the same views of ships in the same order, far fewer than the model that ships, and no teacher: the
schedule ranks networks, and says nothing of how good each would get. One run says little: each network is
trained from several seeds, with views of its own for each seed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from framekeep_models.data_crops import U8, Pool, shrink
from framekeep_models.evaluate_metrics import auc, best_threshold
from framekeep_models.nets import SHIP_80, ChainConfig, chain, macs, weights_bytes
from framekeep_models.train import chips, say
from framekeep_models.train_export import int8_scores, save_int8, with_threshold
from framekeep_models.train_loop import Clock, fit, scores, seed_all
from framekeep_models.train_options import FitConfig
from framekeep_models.train_ship import ship_pictures, ship_pool

STRAIGHT = ChainConfig(80, 16, ((24, 2), (32, 1), (64, 2), (64, 1), (64, 1), (96, 2), (128, 1)))


def scaled(config: ChainConfig, width: float) -> ChainConfig:
    """`width` times the channels, in eights."""

    def eights(channels: int) -> int:
        return max(8, round(channels * width / 8) * 8)

    return replace(config, first=eights(config.first), blocks=tuple((eights(c), s) for c, s in config.blocks))


VARIANTS = {
    "half_width": scaled(STRAIGHT, 0.5),
    "three_quarters": scaled(STRAIGHT, 0.75),
    "straight": STRAIGHT,
    "wider": scaled(STRAIGHT, 1.5),
    "early_shrink": ChainConfig(80, 8, ((16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1), (96, 2))),
    "shallow": ChainConfig(80, 16, ((24, 2), (64, 2), (96, 2), (128, 1))),
    "64_pixels": replace(STRAIGHT, side=64),
    "48_pixels": replace(STRAIGHT, side=48),
    "ship_80": SHIP_80,
}


def resized(images: U8, side: int) -> U8:
    return np.stack([shrink(image, side, side) for image in images])


def main(argv: Sequence[str] | None = None) -> int:
    """One .tflite for each variant and seed."""
    parser = argparse.ArgumentParser(
        prog="python -m framekeep_models.train_front",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=float, default=0.08, help="share of the views ship_80 learns from")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each network")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    for seed in range(1, args.seeds + 1):
        train_all(args, seed, clock)
    return 0


def train_all(args: argparse.Namespace, seed: int, clock: Clock) -> None:
    """Every variant once, on views drawn from `seed`."""
    _, drawn = ship_pool(args.data, args.views, SHIP_80.side, np.random.default_rng(seed))
    known = drawn.hard >= 0  # without a teacher the others say nothing
    whole = Pool(drawn.images[known], drawn.hard[known], drawn.soft[known])
    held, labels = chips(ship_pictures(args.data, "val", everything=True), SHIP_80.side)
    config = FitConfig(epochs=args.epochs, average=0.98, doubt=0.02, quarter_turns=True, seed=seed)
    say(f"{clock} seed {seed}: {len(whole.hard)} views")
    for name, variant in VARIANTS.items():
        seed_all(seed)
        pool = Pool(resized(whole.images, variant.side), whole.hard, whole.soft)
        images = resized(held, variant.side)
        kept = fit(chain(variant), pool, config, lambda *_: None)
        model = args.out / f"{name}.{seed}.tflite"
        save_int8(kept, pool.images[:: len(pool.images) // 256], model, ("no_ship", "ship"))
        with_threshold(model, 2, best_threshold(labels, int8_scores(model, images)))
        say(
            f"{clock} {name}: {macs(kept, 3, variant.side):,} multiply-accumulates, "
            f"{weights_bytes(kept):,} bytes, validation AUC {auc(labels, scores(kept, images)):.4f}"
        )


if __name__ == "__main__":
    raise SystemExit(main())
