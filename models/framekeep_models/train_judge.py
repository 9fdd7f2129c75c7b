"""What is said of a trained classifier: the flight kernels' figures on validation and test pictures, in parts
as well, and near copies of test pictures among those it learned from.

    python -m framekeep_models.train_judge ship_80 build/ship_80.tflite --card models/cards/ship_80.md

measures a finished model again, and writes its card and facts anew; training does the same at its end."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from framekeep_ground.output import write_text

from framekeep_models.data import DataError, Picture
from framekeep_models.data_crops import read_rgb, spoil
from framekeep_models.data_duplicates import BITS, hashes_of, near_pairs
from framekeep_models.evaluate import labels_of, plain
from framekeep_models.evaluate_flight import FlightModel
from framekeep_models.evaluate_metrics import Binary, Floats, best_threshold
from framekeep_models.evaluate_subsets import by_group, clustered
from framekeep_models.train_card import card
from framekeep_models.train_options import Options, Recipe, counts


def flown(flight: FlightModel, pictures: Sequence[Picture]) -> Floats:
    return np.array([flight.score(read_rgb(p.path)) for p in pictures], np.float64)


def many_looks(flight: FlightModel, pictures: Sequence[Picture]) -> Floats:
    """The scores of every picture in its eight orientations, as it is and spoiled: [pictures, 16].

    A few hundred validation pictures say little of where the threshold should lie, and nothing of what a
    worse camera does to the scores."""
    rng = np.random.default_rng(1)
    rows = []
    for picture in pictures:
        image = read_rgb(picture.path)
        turned = [np.rot90(side, quarter) for side in (image, image[:, ::-1]) for quarter in range(4)]
        whole = [np.ascontiguousarray(each) for each in turned]
        rows.append([flight.score(each) for each in (*whole, *(spoil(each, rng) for each in whole))])
    return np.array(rows, np.float64)


def threshold_of(recipe: Recipe, flight: FlightModel, held: Sequence[Picture], found: Floats) -> float:
    """The threshold that is right most often on the validation pictures."""
    if not recipe.many_looks:
        return best_threshold(labels_of(held), found)
    looks = many_looks(flight, held)
    return best_threshold(np.repeat(labels_of(held), looks.shape[1]), looks.ravel())


def judge(recipe: Recipe, options: Options, model: Path) -> dict[str, Any]:
    """The threshold, from the validation pictures alone, and all figures at it."""
    flight = FlightModel(model)
    held = recipe.validation(options)
    labels, found = labels_of(held), flown(flight, held)
    threshold = threshold_of(recipe, flight, held, found)
    tests = recipe.tests(options)
    scores = {p.path: s for p, s in scored(flight, tests)}
    facts: dict[str, Any] = {
        "arena_bytes": flight.arena_size,
        "image_bytes": len(flight.image),
        "threshold": threshold,
        "validation": Binary(labels, found, threshold).summary(),
        "tests": {},
        "parts": {},
    }
    for name, some in tests.items():
        said = np.array([scores[p.path] for p in some])
        facts["tests"][name] = {
            **Binary(labels_of(some), said, threshold).summary(),
            **clustered(some, labels_of(some), said, threshold),
        }
        facts["parts"][name] = {
            field: by_group(some, labels_of(some), said, threshold, field)
            for field in recipe.parts.get(name, ())
        }
    learned = recipe.pictures(options)
    facts["learned_from"] = counts(learned)
    facts["near_copies"] = near_copies(learned, {"validation": held, **tests})
    return {key: plain(value) for key, value in facts.items()}


def scored(flight: FlightModel, tests: dict[str, Sequence[Picture]]) -> list[tuple[Picture, float]]:
    """Every picture once, however many of the tests hold it."""
    once = list({p.path: p for some in tests.values() for p in some}.values())
    return list(zip(once, flown(flight, once).tolist(), strict=True))


def near_copies(learned: Sequence[Picture], judged: dict[str, Sequence[Picture]]) -> dict[str, Any]:
    """How many pictures of each set have a near copy, by perceptual hash, among those learned from."""
    known = hashes_of(list({p.path: p for p in learned}.values()))
    held = hashes_of(list({p.path: p for some in judged.values() for p in some}.values()))
    copied = {pair.first.path for pair in near_pairs(held, known)}
    found = {name: sum(p.path in copied for p in some) for name, some in judged.items()}
    return {"bits": BITS, "learned": len(known[0]), "pictures": found}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the summary of the model measured again."""
    from framekeep_models.train_tasks import recipe_for

    parser = argparse.ArgumentParser(
        prog="python -m framekeep_models.train_judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=("person_96", "person_96_scratch", "person_96_all", "ship_80"))
    parser.add_argument("model", type=Path, help="the .tflite, its .json facts beside it")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--card", type=Path, help="write the card here")
    args = parser.parse_args(argv)
    options = Options(data=args.data, teachers=args.data / "tflite")
    recipe = recipe_for(args.task, options)
    beside = args.model.with_suffix(".json")
    facts: dict[str, Any] = json.loads(beside.read_text())
    again = judge(recipe, options, args.model)
    if again["threshold"] != facts["threshold"]:
        raise DataError(
            f"{args.model}: threshold {again['threshold']} where training found {facts['threshold']}"
        )
    facts |= again
    write_text(beside, json.dumps(facts, indent=1) + "\n")
    if args.card:
        write_text(args.card, card(recipe, facts))
    first = next(iter(facts["tests"].items()))
    print(f"{first[0]}: accuracy {first[1]['accuracy']}, AUC {first[1]['auc']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
