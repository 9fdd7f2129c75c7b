"""`fk-models train`: one reproducible command from labelled pictures to an int8 model, its image and its
card."""

from __future__ import annotations

import argparse
import copy
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from framekeep_ground.output import write_text

from framekeep_models.data import DataError, Picture
from framekeep_models.data_crops import U8, Pool, read_rgb, shrink
from framekeep_models.evaluate import contact_sheet
from framekeep_models.evaluate_flight import FlightModel
from framekeep_models.evaluate_metrics import Floats, Ints, auc, best_threshold
from framekeep_models.train_card import card
from framekeep_models.train_judge import flown, judge
from framekeep_models.train_options import Options, Recipe

if TYPE_CHECKING:
    from torch import nn

PERSONS = ("person_96", "person_96_scratch", "person_96_all")
GRIDS = ("person_grid", "ship_grid", "shelf_fill")
TASKS = (*PERSONS, "ship_80", *GRIDS, "classifier")
SHARED = Path("../shared/data")

DESCRIPTION = """Trains a small network, quantises it to int8 and writes NAME.tflite, NAME.fkm, NAME.md (the
card) and NAME.json (all figures) into --out. The same command with the same seed, data and torch gives the
same file.

Tasks:
  person_96          is a person there? Pictures whose licence allows passing them on; a public model as start
  person_96_scratch  the same pictures and teachers, from random weights
  person_96_all      all training pictures, also those under research-only or unknown licences
  ship_80            is a ship in this chip of a satellite picture?
  person_grid        where are the persons?          (heat maps of 8- or 16-pixel cells)
  ship_grid          where are the ships?
  shelf_fill         how much of a shelf is empty, and where?
  classifier         your own pictures: --data a folder with one subfolder per class, a table, COCO JSON"""

EPILOG = """examples:
  fk-models train ship_80 --out build/ship
  fk-models train person_96 --data ../shared/data --teachers ../shared/data/tflite --out build/person
  fk-models train classifier --data my_pictures --positive cat --side 96 --out build/cat
  fk-models eval build/cat/classifier.tflite --data my_pictures --positive cat

Needs torch: pip install '.[train]' in a clone of framekeep. The walk from a folder of pictures to a
mission is docs/TRAINING.md."""


USUAL: dict[str, float] = {"side": 96, "crops": 1.0, "seed": 1, "threads": 1}  # what is not named is None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("task", choices=TASKS, help="what to train")
    parser.add_argument(
        "--data", type=Path, default=SHARED, help=f"folder of the data sets (default {SHARED})"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results; made if missing")
    parser.add_argument(
        "--teachers", type=Path, help="persons: folder of the public models (default DATA/tflite)"
    )
    parser.add_argument("--start", type=Path, help="grids: the .tflite whose layers they begin with")
    parser.add_argument("--positive", help="classifier: the label that counts as present")
    parser.add_argument(
        "--side", type=int, default=USUAL["side"], help="classifier: input size in pixels (default 96)"
    )
    parser.add_argument(
        "--crops",
        type=float,
        default=USUAL["crops"],
        help="times the usual number of crops per picture (default 1)",
    )
    parser.add_argument("--epochs", type=int, help="passes over the crops (default: the task's own)")
    parser.add_argument(
        "--seed", type=int, default=USUAL["seed"], help="of everything drawn at random (default 1)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=USUAL["threads"],
        help="of torch (default 1); the last bits depend on it",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise DataError("training needs torch: pip install '.[train]' in a clone of framekeep") from error
    from framekeep_models.train_grid_tasks import RECIPES as GRID_TASKS
    from framekeep_models.train_grid_tasks import train_grid
    from framekeep_models.train_tasks import recipe_for

    options = Options(
        data=args.data,
        teachers=args.teachers or args.data / "tflite",
        start=args.start,
        positive=args.positive,
        side=args.side,
        crops=args.crops,
        epochs=args.epochs,
        seed=args.seed,
        threads=args.threads,
    )
    refuse(args)
    if not args.data.is_dir() and not args.data.is_file():
        raise DataError(f"{args.data}: no such data; name the folder with --data")
    if args.task in GRID_TASKS:
        facts = train_grid(GRID_TASKS[args.task], options, args.out, command_of(args), say)
    else:
        facts = train(recipe_for(args.task, options), options, args.out, command_of(args))
    print(json.dumps(facts) if args.json else f"{args.out / args.task}.tflite: {facts['summary']}")
    return 0


LIMITS: dict[str, tuple[float, float]] = {  # what a wish may be, both ends included
    "side": (24, 320),
    "crops": (0.01, 100),
    "epochs": (1, 10_000),
    "seed": (0, 2**32 - 1),
    "threads": (1, 256),
}


READ_BY: dict[str, tuple[str, ...]] = {
    "positive": ("classifier",),
    "side": ("classifier",),
    "start": GRIDS,
    "teachers": (*PERSONS, "person_grid"),
}


def refuse(args: argparse.Namespace) -> None:
    """Wishes that would end in a mistake after minutes of work, or change nothing, are refused at once."""
    for name, tasks in READ_BY.items():
        if args.task not in tasks and getattr(args, name) != USUAL.get(name):
            raise DataError(f"--{name} is read by {', '.join(tasks)}; {args.task} would be the same without")
    for name, (low, high) in LIMITS.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise DataError(f"--{name} {value}: choose one from {low:g} to {high:g}")
    if args.out.exists() and not args.out.is_dir():
        raise DataError(f"{args.out}: is a file; --out names a folder for the results")


def command_of(args: argparse.Namespace) -> str:
    """The command that gives this model again: what differs from the defaults, and where the data were."""
    words = ["fk-models", "train", args.task, "--data", str(args.data), "--out", str(args.out)]
    for name in ("teachers", "start", "positive", "side", "crops", "epochs", "seed", "threads"):
        value = getattr(args, name)
        if value != USUAL.get(name):
            words += [f"--{name}", str(value)]
    return shlex.join(words)


def writable(out: Path) -> None:
    """Makes the folder of the results. What cannot be written is said before the work, not after it."""
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
        raise DataError(f"{out}: cannot be written; name another folder with --out")


USEFUL = 0.6  # AUC on validation; 0.5 is a coin
LOST = 0.02  # of AUC by quantisation: the models that ship lose a tenth of it


def train(recipe: Recipe, options: Options, out: Path, command: str) -> dict[str, Any]:
    """Crops, fits, exports, chooses the threshold on the validation pictures, writes everything into
    `out`."""
    from framekeep_models import train_loop
    from framekeep_models.nets import macs, weights_bytes

    writable(out)
    clock = train_loop.Clock()
    say(f"{recipe.name}: {recipe.about}")
    train_loop.seed_all(options.seed, options.threads)
    learned = recipe.pictures(options)
    pool = recipe.pool(options, np.random.default_rng(options.seed))
    say(f"{clock} {len(pool.hard)} crops of {len(learned)} pictures")
    held = recipe.validation(options)
    images, labels = chips(held, recipe.side)
    net = recipe.net(options, pool)
    say(
        f"{clock} {weights_bytes(net):,} bytes of weights, {macs(net, 3, recipe.side):,} multiply-accumulates"
    )
    fit = replace(recipe.fit, seed=options.seed)
    if options.epochs:
        fit = replace(fit, epochs=options.epochs)

    def report(epoch: int, loss: float, kept: nn.Module) -> None:
        found = train_loop.scores(kept, images)
        say(f"{clock} epoch {epoch + 1}/{fit.epochs} loss {loss:.4f} validation AUC {auc(labels, found):.4f}")

    start = copy.deepcopy(net)
    kept = train_loop.fit(net, pool, fit, report)
    train_loop.blend(kept, start, 1 - fit.start_share)
    facts = finish(recipe, options, out, net=kept, pool=pool, command=command)
    say(f"{clock} done: {facts['summary']}")
    return facts


def finish(
    recipe: Recipe, options: Options, out: Path, *, net: nn.Sequential, pool: Pool, command: str
) -> dict[str, Any]:
    """From the trained network to the files: threshold, int8, image, test figures, card."""
    from framekeep_models import train_loop
    from framekeep_models.nets import macs, weights_bytes
    from framekeep_models.train_export import save_int8, with_threshold

    held = recipe.validation(options)
    images, labels = chips(held, recipe.side)
    centre(net, labels, train_loop.scores(net, images))
    model = out / f"{recipe.name}.tflite"
    calibration = pool.images[np.random.default_rng(options.seed).permutation(len(pool.images))[:512]]
    save_int8(net, calibration, model, recipe.labels)
    float_auc = auc(labels, train_loop.scores(net, images))
    found = judge(recipe, options, model)
    size = weights_bytes(net)
    facts: dict[str, Any] = {
        "name": recipe.name,
        "command": command,
        "side": recipe.side,
        "labels": recipe.labels,
        "crops": len(pool.hard),
        "weights_bytes": size,
        "macs": macs(net, 3, recipe.side),
        "validation_auc_float": round(float_auc, 4),
        **found,
    }
    facts["summary"] = (
        f"AUC {found['validation']['auc']:.3f} on {len(labels)} validation pictures "
        f"({float_auc:.3f} before quantisation), threshold {found['threshold']:.0f}, "
        f"{size / 1000:.0f} kB of weights"
    )
    if warning := doubt(float_auc, found["validation"]["auc"]):
        say(warning)
    copies = {name: n for name, n in found["near_copies"]["pictures"].items() if n}
    say(f"near copies of judged pictures among those learned from: {copies or 'none'}")
    write_text(out / f"{recipe.name}.json", json.dumps(facts, indent=1) + "\n")
    with_threshold(model, len(recipe.labels), found["threshold"])
    write_text(out / f"{recipe.name}.md", card(recipe, facts))
    judged = next(iter(recipe.tests(options).values()), held)
    scores = flown(FlightModel(model), judged)
    contact_sheet(out / f"{recipe.name}.png", judged, scores, found["threshold"])
    return facts


def doubt(before: float, after: float) -> str:
    """What is said of a network whose AUC before and after quantisation tells of too few steps, else
    nothing."""
    if after >= USEFUL and before - after <= LOST:
        return ""
    return (
        f"AUC {after:.3f} on validation, {before:.3f} before quantisation: too few steps to learn the "
        "classes, or for the averaged weights to settle; give it more --epochs, --crops or pictures"
    )


def centre(net: nn.Sequential, labels: Ints, logits: Floats) -> None:
    """Moves the bias so that the best threshold on the validation pictures lies at a probability of one half.

    A .tflite carries no threshold; so whoever compiles one without naming a threshold gets the right one.
    """
    probability = 255 / (1 + np.exp(-logits))
    best = best_threshold(labels, probability) - 0.5
    head = net[-1]
    head.bias.data[1] -= float(np.log(best / (255 - best)))


def chips(pictures: Sequence[Picture], side: int) -> tuple[U8, Ints]:
    """Pictures as the flight camera would hand them to the network, and their labels."""
    images = np.stack([shrink(read_rgb(p.path), side, side) for p in pictures])
    return images, np.array([p.label for p in pictures], np.int64)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
