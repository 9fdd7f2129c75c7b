"""`fk-models eval`: how good a model is on labelled pictures, run by the flight kernels on the flight
preprocessing."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from framekeep_ground.output import read_json, replacing

from framekeep_models.data import DataError, Picture, read_pictures, select
from framekeep_models.data_crops import read_rgb
from framekeep_models.evaluate_flight import FlightModel
from framekeep_models.evaluate_metrics import Binary, Floats, best_threshold, paired_difference
from framekeep_models.evaluate_scenes import Looking, looks_of, summary, threshold_from
from framekeep_models.evaluate_subsets import GROUPS, by_group, clustered

DESCRIPTION = """Runs a model over labelled pictures and says how good it is, with 95 % intervals.

Every picture goes through what flies: the camera stage's area average, the model image's own lookup table
and the flight kernels. No training framework takes part."""

EPILOG = """examples:
  fk-models eval models/trained/person_96.tflite --data labels.csv --split test
  fk-models eval person_96.fkm --data annotations_test.json --json
  fk-models eval person_96.tflite --data labels.csv --split test --by size light kind --sheet mistakes.png
  fk-models eval mine.tflite --data pictures/ --positive cat --compare other.tflite

--data takes a folder whose subfolders are the classes, a CSV with the columns
file,label[,split,licence,kind], or COCO JSON (label 1: a box of the category that --positive names
covers at least 0.5 % of the picture). The threshold comes with the model; choose another with
--threshold, or on another split with --tune-split val (never on the one that is reported)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", type=Path, help="a .fkm image, or an int8 .tflite, compiled on the spot")
    parser.add_argument(
        "--data", type=Path, required=True, help="labels.csv, COCO .json or a folder of class subfolders"
    )
    parser.add_argument("--split", help="only rows of this split (train, val, test)")
    parser.add_argument("--positive", help="the label, or the COCO category, that counts as present")
    parser.add_argument(
        "--class-index",
        type=int,
        help="the model's class to judge (default: the one named as --positive, else its last)",
    )
    parser.add_argument("--threshold", type=float, help="score 0..255 from which a picture is kept")
    parser.add_argument("--tune-split", help="choose the threshold for best accuracy on this split first")
    parser.add_argument(
        "--compare", type=Path, help="another model on the same pictures, paired: AUC, accuracy"
    )
    parser.add_argument(
        "--by",
        nargs="+",
        default=[],
        choices=tuple(GROUPS),
        help="figures for parts of the pictures as well: by size of the object, by light, ...",
    )
    parser.add_argument("--sheet", type=Path, help="write a contact sheet (PNG) of the worst mistakes here")
    parser.add_argument(
        "--tiles",
        type=int,
        help="grids: cut each picture into N x N parts (default: parts of the sizes that the .json beside "
        "the model names, else the whole)",
    )
    parser.add_argument("--peer", choices=("hog",), help="grids: OpenCV's HOG people detector beside ours")
    parser.add_argument("--limit", type=int, help="only the first N pictures")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    check(args)
    pictures = read_pictures(args.data, args.positive)
    chosen = select(pictures, args.split)[: args.limit]
    if not pictures:
        raise DataError(f"{args.data}: no pictures in it; name some")
    if not chosen:
        splits = ", ".join(sorted({p.split for p in pictures} - {""}))
        raise DataError(f"{args.data}: no pictures in split {args.split!r}; it has {splits or 'no splits'}")
    model = FlightModel(args.model, args.class_index, args.positive)
    scenes = model.is_grid and any(p.boxes is not None for p in chosen)
    for name in ("tiles", "peer") if not scenes else ("by", "compare", "tune_split"):
        if getattr(args, name):
            kind = "a grid on pictures with boxes" if not scenes else "a class of whole pictures"
            raise DataError(f"--{name.replace('_', '-')}: is for {kind}; leave it out")
    if scenes:
        return run_scenes(args, model, chosen)
    other = FlightModel(args.compare, args.class_index, args.positive) if args.compare else None
    for judged, path in ((model, args.model), (other, args.compare)):
        if judged is not None and judged.guessed:
            print(
                f"{path}: judged by its last class, {judged.class_index} {judged.label}".rstrip()
                + "; --class-index names another",
                file=sys.stderr,
            )
    threshold = model.threshold if args.threshold is None else args.threshold
    if args.tune_split:
        tuning = select(pictures, args.tune_split)
        if len({picture.label for picture in tuning}) < 2:
            raise DataError(f"--tune-split {args.tune_split}: has not pictures of both classes; name another")
        threshold = best_threshold(labels_of(tuning), scores_of(model, tuning, args.json))
    result = scores_of(model, chosen, args.json)
    report: dict[str, Any] = {
        "model": args.model.name,
        "model_id": model.model_id,
        "class": model.label,
        "split": args.split or "all",
    }
    report |= Binary(labels_of(chosen), result, threshold).summary()
    report |= clustered(chosen, labels_of(chosen), result, threshold)
    for field in args.by:
        report[f"by_{field}"] = by_group(chosen, labels_of(chosen), result, threshold, field)
    if other is not None:
        theirs = scores_of(other, chosen, args.json)
        report["compare"] = {
            "model": args.compare.name,
            **paired_difference(labels_of(chosen), result, theirs, thresholds=(threshold, other.threshold)),
            "theirs": Binary(labels_of(chosen), theirs, other.threshold).summary(),
        }
    if args.sheet:
        contact_sheet(args.sheet, chosen, result, threshold)
    print(json.dumps(plain(report)) if args.json else table(report))
    return 0


TILES_MAX = 64  # across and down; beyond it no part of a picture is left to look at


def check(args: argparse.Namespace) -> None:
    """Refuse what no figure could come of, before any picture is looked at."""
    if args.limit is not None and args.limit < 1:
        raise DataError(f"--limit {args.limit}: allowed are whole numbers from 1")
    if args.threshold is not None and not 0 <= args.threshold <= 255:
        raise DataError(f"--threshold {args.threshold:g}: allowed are 0..255")
    if args.threshold is not None and args.tune_split:
        raise DataError("--threshold and --tune-split both choose the threshold; leave one of them out")
    if args.tiles is not None and not 1 <= args.tiles <= TILES_MAX:
        raise DataError(f"--tiles {args.tiles}: allowed are 1..{TILES_MAX}")


def run_scenes(args: argparse.Namespace, model: FlightModel, pictures: Sequence[Picture]) -> int:
    """A grid model on pictures with boxes: detections and cover."""
    from framekeep_models.evaluate_peers import hog_looks
    from framekeep_models.evaluate_sheet import scene_sheet

    threshold = model.threshold if args.threshold is None else args.threshold
    looks = looks_of(model.grid, pictures, looking_of(args.model), args.tiles)
    found = summary(pictures, looks, threshold)
    report = {"model": args.model.name, "model_id": model.model_id, "split": args.split or "all", **found}
    if args.sheet:
        worst = scene_sheet(args.sheet, pictures, looks, threshold)
        print(f"the worst {worst} pictures on {args.sheet}", file=sys.stderr)
    if args.peer:
        peer = hog_looks(pictures)
        best = threshold_from(pictures, peer, None)
        report["peer"] = {"name": "OpenCV HOG+SVM", **summary(pictures, peer, best)}
    if args.json:
        print(json.dumps(plain(report)))
        return 0
    print_scenes(args.model.name, found)
    if args.peer:
        print_scenes(f"{report['peer']['name']}, at its best threshold for these pictures", report["peer"])
    return 0


def looking_of(model: Path) -> Looking:
    """How the facts beside the model say that a scene is to be looked at; none = as a whole."""
    facts = model.with_suffix(".json")
    if not facts.is_file():
        return Looking()
    try:
        return Looking.of(read_json(facts))
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{facts}: not the facts of a model ({error}); move it away or say --tiles"
        ) from error


def print_scenes(name: str, found: dict[str, Any]) -> None:
    print(f"{name} on {found['n']} pictures, {found['boxes']} boxes, threshold {found['threshold']:.0f}")
    for key in ("average_precision", "recall", "precision", "spearman"):
        print(f"  {key:18s} {figure(found[key]):5s}   95 %: {interval(found[f'{key}_ci95'])}")
    print(f"  F1 {figure(found['f1'])}, {found['false_alarms_per_scene']:.2f} false alarms a picture")
    for size, row in found["recall_by_size"].items():
        print(f"  {size}: {row['boxes']} boxes, {figure(row['recall'])} found")


def scores_of(model: FlightModel, pictures: Sequence[Picture], quiet: bool = True) -> Floats:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True, quiet=quiet)
    return np.array(
        [model.score(read_rgb(p.path)) for p in track(pictures, "scoring", console=console)], np.float64
    )


def labels_of(pictures: Sequence[Picture]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([p.label for p in pictures], np.int64)


def plain(value: object) -> object:
    """JSON knows no NaN: what has no value becomes null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value


def figure(value: float) -> str:
    """Three digits, or a dash where there is nothing to measure: no box of a size, no picture called
    present."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def interval(ends: tuple[float, float]) -> str:
    """Both ends, or a dash where there is nothing to measure."""
    low, high = ends
    return "-" if math.isnan(low) else f"{low:.3f} .. {high:.3f}"


def table(report: dict[str, Any]) -> str:
    title = f"{report['model']} on {report['n']} pictures ({report['split']})"
    lines = [f"{title}, threshold {report['threshold']:.0f}"]
    for key in ("accuracy", "auc", "precision", "recall", "average_precision"):
        lines.append(f"  {key:18s} {figure(report[key]):5s}   95 %: {interval(report[f'{key}_ci95'])}")
    points = {point["threshold"]: point for point in report["operating_points"]}
    for point in points.values():
        lines.append(
            f"  {point['recall']:.1%} recall at threshold {point['threshold']:.0f} "
            f"keeps {point['kept']:.0%} of all frames"
            + (
                ""
                if math.isnan(point["negatives_kept"])
                else f", {point['negatives_kept']:.0%} of the negatives"
            )
        )
    lines.append(f"  expected calibration error {report['calibration_error']:.3f}:")
    lines += [
        f"    said {c['said']:.0%} on average, {c['true']:.0%} were ({c['n']} pictures)"
        for c in report["calibration"]
    ]
    for key, groups in report.items():
        if key == "by_photograph":
            lines.append(
                f"  cut from {groups['photographs']} photographs; drawing these, 95 %: "
                f"accuracy {interval(groups['accuracy_ci95'])}, AUC {interval(groups['auc_ci95'])}"
            )
        elif key.startswith("by_"):
            lines.append(f"  {key.replace('_', ' ')}:")
            lines += [
                f"    {name}: n {g['n']}, accuracy {g['accuracy']:.3f} "
                f"({g['accuracy_ci95'][0]:.3f} .. {g['accuracy_ci95'][1]:.3f}), AUC {figure(g['auc'])}"
                for name, g in groups.items()
            ]
    if "compare" in report:
        other = report["compare"]
        for name in ("auc", "accuracy"):
            low, high = other[f"{name}_difference_ci95"]
            more = other[f"{name}_difference"]
            span = "-" if math.isnan(more) else f"{more:+.3f} ({low:+.3f} .. {high:+.3f})"
            lines.append(f"  {name} over {other['model']}: {span}")
        lines.append(
            f"  right where the other is wrong: {other['only_ours_right']}, "
            f"the reverse: {other['only_theirs_right']}, McNemar p {other['mcnemar_p']:.3f}"
        )
    return "\n".join(lines)


def contact_sheet(
    path: Path, pictures: Sequence[Picture], scores: Floats, threshold: float, count: int = 60
) -> None:
    """The mistakes furthest from the threshold, ten a row, each with its score; misses framed red, false
    alarms blue."""
    from PIL import Image, ImageDraw

    labels = labels_of(pictures)
    wrong = np.flatnonzero((scores >= threshold) != (labels == 1))
    worst = wrong[np.argsort(-np.abs(scores[wrong] - threshold))][:count]
    sheet = Image.new("RGB", (10 * 110, max(1, -(-len(worst) // 10)) * 110), "white")
    for place, index in enumerate(worst):
        tile = Image.fromarray(read_rgb(pictures[index].path)).resize((100, 100))
        framed = Image.new("RGB", (108, 108), "red" if labels[index] else "blue")
        framed.paste(tile, (4, 4))
        ImageDraw.Draw(framed).text((8, 6), f"{scores[index]:.0f}", fill="yellow")
        sheet.paste(framed, (place % 10 * 110 + 1, place // 10 * 110 + 1))
    with replacing(path, "wb") as file:
        sheet.save(file, "PNG")
    print(f"{path}: the worst {len(worst)} of {len(wrong)} mistakes", file=sys.stderr)
