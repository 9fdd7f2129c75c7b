"""The grid tasks of `fk-models train`: ship_grid, person_grid, shelf_fill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from framekeep_models import nets
from framekeep_models.data import Picture, read_coco, read_csv, select
from framekeep_models.data_crops import U8, Draw, shrink
from framekeep_models.data_grid import GridKind, GridShape, make_grid_pool
from framekeep_models.evaluate import plain
from framekeep_models.evaluate_flight import FlightModel
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.evaluate_scenes import looks_of, summary, threshold_from
from framekeep_models.train_card import grid_card
from framekeep_models.train_export import save_grid, with_threshold
from framekeep_models.train_grid import fit_grid, grids, whole
from framekeep_models.train_loop import Clock, seed_all
from framekeep_models.train_options import FitConfig, Options, counts
from framekeep_models.train_warm import backbone


@dataclass(frozen=True, slots=True)
class GridRecipe:
    name: str
    about: str
    labels: tuple[str]
    shape: GridShape
    kind: GridKind
    draws: Callable[[Options], Sequence[Draw]]
    start: str  # of the models that ship, whose layers it stands on
    head: tuple[int, ...]
    held: Callable[[Options, str], Sequence[Picture]]  # pictures of the split val or test
    fit: FitConfig
    tiles: int = 1  # per side, when a whole scene is judged
    alarms: float | None = None  # false alarms a scene that the threshold may cost; None = best F1
    licence: str = ""  # of all pictures, where the annotations do not say it
    limits: str = ""


TRAINED = Path("models/trained")  # grids begin with the layers of the models that ship


def boxes_of(folder: str) -> Callable[[Options, str], list[Picture]]:
    return lambda options, split: read_coco(options.data / folder / f"annotations_{split}.json")


SHIP = GridRecipe(
    name="ship_grid",
    about="where are the ships in a scene seen from above? A heat map of their centres, 16 pixels a cell.",
    labels=("ship",),
    shape=GridShape(192, 192, 16),
    kind="centres",
    draws=lambda o: [Draw(p, 6, 0.6) for p in boxes_of("sat_ships_scenes")(o, "train")],
    start="ship_80",
    head=(64, 64),
    held=boxes_of("sat_ships_scenes"),
    fit=FitConfig(epochs=16, batch=32, average=0.99, quarter_turns=True),
    alarms=0.5,
    licence="CC BY 4.0",
    limits="""\
All scenes are CC BY 4.0 as tagged, from Google Earth at 0.4 to 0.6 m a pixel; every one holds a boat, so
alarms on empty sea are not measured here. Boats under 1 % of the area, such as those of a marina, are
mostly missed: a cell is 43 pixels of a 512-pixel scene. Cut larger or finer scenes into tiles (--tiles).""",
)
SHELF = GridRecipe(
    name="shelf_fill",
    about="how much of a shelf picture is empty, and where? The empty share of each 8-pixel cell.",
    labels=("empty",),
    shape=GridShape(160, 160, 8),
    kind="cover",
    draws=lambda o: [Draw(p, 8, 0.5) for p in boxes_of("retail_shelf")(o, "train")],
    start="person_96_all",
    head=(64, 64),
    held=boxes_of("retail_shelf"),
    fit=FitConfig(epochs=24, batch=32, average=0.99),
    limits="""\
The pictures are SKU-110K's, offered for academic, non-commercial use, with labels of no stated licence; what
counts as an empty place varies in them, and none shows a full shelf. A first step, not an inventory.""",
)


def person_draws(options: Options) -> list[Draw]:
    """Whole frames with all persons boxed, and pictures without any."""
    frames = read_coco(options.data / "person_frames/annotations_train.json", smallest=0.0)
    more = select(read_csv(options.data / "person_more/labels.csv"), "train")
    boxed = [p for p in more if p.label and p.boxes]
    empty = [p for p in more if not p.label]
    return [
        *(Draw(p, 5, 0.45) for p in frames),
        *(Draw(p, 1, 0.6) for p in boxed),
        *(Draw(p, 1, 0.5) for p in empty),
    ]


PERSON = GridRecipe(
    name="person_grid",
    about="where are the persons? A heat map of their centres, 16 pixels a cell.",
    labels=("person",),
    shape=GridShape(160, 128, 16),
    kind="centres",
    draws=person_draws,
    start="person_96_all",
    head=(96, 64),
    held=boxes_of("person_frames"),
    fit=FitConfig(epochs=16, batch=64, average=0.99),
    limits="""\
Trained on pictures of all the licences named above, some of them research-only or unknown: not for a product
without a look at them. Statues and mannequins are found as well. Persons under 4 % of the frame are mostly
missed.""",
)
RECIPES = {recipe.name: recipe for recipe in (SHIP, SHELF, PERSON)}


def train_grid(
    recipe: GridRecipe, options: Options, out: Path, command: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Crops, fits, exports, chooses the threshold on the validation scenes, writes everything into `out`."""
    clock = Clock()
    say(f"{recipe.name}: {recipe.about}")
    seed_all(options.seed, options.threads)
    rng = np.random.default_rng(options.seed)
    draws = [
        Draw(d.picture, max(1, round(d.crops * options.crops)), d.smallest) for d in recipe.draws(options)
    ]
    pool = make_grid_pool(draws, recipe.shape, recipe.kind, rng, turns=recipe.fit.quarter_turns)
    layers = backbone(start_of(recipe, options), recipe.shape.stride, pool.images[:200])
    head = nets.grid_head(widths_of(layers), recipe.head)
    net = whole(layers, head)
    say(f"{clock} {len(pool.images)} crops of {len(draws)} pictures, {nets.weights_bytes(net):,} bytes")
    fit = replace(recipe.fit, seed=options.seed, epochs=options.epochs or recipe.fit.epochs)
    held = recipe.held(options, "val")

    def report(epoch: int, loss: float, kept: nn.Sequential) -> None:
        looks = looks_of(lambda part: seen(kept, part, recipe.shape), held, recipe.tiles)
        found = summary(held, looks, threshold_from(held, looks, recipe.alarms))
        say(
            f"{clock} epoch {epoch + 1}/{fit.epochs} loss {loss:.4f} validation "
            f"AP {found['average_precision']:.3f} recall {found['recall']:.3f} "
            f"spearman {found['spearman']:.3f}"
        )

    kept = fit_grid(layers, head, pool, recipe.kind, config=fit, report=report)
    facts = finish_grid(recipe, options, out, net=kept, calibration=pool.images[:256], command=command)
    say(f"{clock} done: {facts['summary']}")
    return facts


def start_of(recipe: GridRecipe, options: Options) -> Path:
    return options.start or TRAINED / f"{recipe.start}.tflite"


def stands_on(recipe: GridRecipe, options: Options) -> str:
    """Name and model id of the network whose layers this one begins with."""
    start = start_of(recipe, options)
    return f"{start.name} (id {hashlib.sha256(start.read_bytes()).hexdigest()[:16]})"


def shown(picture: Picture, licence: str) -> Picture:
    """For the card: present where there is any box, however small."""
    return replace(picture, label=int(bool(picture.boxes)), licence=licence or picture.licence)


def widths_of(layers: Sequence[nn.Module]) -> int:
    """Channels that the last convolution gives."""
    return int([layer for layer in layers if isinstance(layer, nn.Conv2d)][-1].out_channels)


def seen(net: nn.Module, part: U8, shape: GridShape) -> Floats:
    """The float network's cells, 0..255, for one picture of any size."""
    cells: Floats = grids(net, shrink(part, shape.width, shape.height)[None])[0] * 255
    return cells


def finish_grid(
    recipe: GridRecipe, options: Options, out: Path, *, net: nn.Sequential, calibration: U8, command: str
) -> dict[str, Any]:
    """int8, threshold by the flight kernels on the validation scenes, test figures, image, card."""
    out.mkdir(parents=True, exist_ok=True)
    held, test = recipe.held(options, "val"), recipe.held(options, "test")
    model = out / f"{recipe.name}.tflite"
    save_grid(net, calibration, model, recipe.labels)
    flight = FlightModel(model)
    looks = looks_of(flight.grid, held, recipe.tiles)
    threshold = threshold_from(held, looks, recipe.alarms)
    float_looks = looks_of(lambda part: seen(net, part, recipe.shape), held, recipe.tiles)
    facts: dict[str, Any] = {
        "name": recipe.name,
        "command": command,
        "stands_on": stands_on(recipe, options),
        "input": [recipe.shape.width, recipe.shape.height],
        "cells": list(recipe.shape.cells),
        "labels": recipe.labels,
        "tiles": recipe.tiles,
        "weights_bytes": nets.weights_bytes(net),
        "macs": nets.macs(net, 3, (recipe.shape.height, recipe.shape.width)),
        "arena_bytes": flight.arena_size,
        "threshold": threshold,
        "validation": plain(summary(held, looks, threshold)),
        "validation_float": plain(summary(held, float_looks, threshold)),
        "tests": {"test": plain(summary(test, looks_of(flight.grid, test, recipe.tiles), threshold))},
        "learned_from": counts([shown(d.picture, recipe.licence) for d in recipe.draws(options)]),
    }
    found = facts["tests"]["test"]
    facts["summary"] = (
        f"test: average precision {found['average_precision']}, recall {found['recall']}, "
        f"{found['false_alarms_per_scene']} false alarms a scene, spearman {found['spearman']}"
    )
    (out / f"{recipe.name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    with_threshold(model, len(recipe.labels), threshold)
    (out / f"{recipe.name}.md").write_text(grid_card(recipe.about, recipe.limits, facts))
    return facts
