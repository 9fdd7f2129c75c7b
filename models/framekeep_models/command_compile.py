"""`fk-models compile X.tflite -o X.fkm`."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from framekeep_ground.output import write_bytes

from framekeep_models.compile import Compiled, Options, compile_model
from framekeep_models.contract import Wishes
from framekeep_models.layouts import Layout
from framekeep_models.program import ModelError
from framekeep_models.tflite_model import ModelFileError

EXAMPLES = """examples:
  fk-models compile person.tflite -o person.fkm --labels none,person
  fk-models compile mcunet_vww.tflite -o m.fkm --range -1 0.992     pixels 0 and 255 as the training had them
  fk-models compile m.tflite -o m.fkm --mean 123.7,116.3,103.5 --std 58.4,57.1,57.4 --bgr
  fk-models compile person.tflite -o m4.fkm --layout armv7e-m       much faster on Cortex-M4, M7, M33
  fk-models compile yolo.tflite -o y.fkm --labels person --anchors '81,82 135,169 / 10,14 23,27'
"""
ANCHOR_MAX = 4096


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """What a model means, for every command that compiles one."""
    parser.add_argument("--labels", help="class names: a,b,c or a file with one a line")
    parser.add_argument("--threshold", type=_numbers, default=(), help="0..1, one or one per class (0.5)")
    parser.add_argument("--input", choices=("picture", "tensor"), help="what the input is (by its shape)")
    parser.add_argument("--bgr", action="store_true", help="the model wants blue first")
    parser.add_argument("--crop", action="store_true", help="crop frames to the input's aspect, not stretch")
    parser.add_argument(
        "--range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="the real input values that pixels 0 and 255 stand for",
    )
    parser.add_argument("--mean", type=_numbers, default=(), help="with --std: real = (pixel - mean) / std")
    parser.add_argument("--std", type=_numbers, default=(), help="one value or one per channel")
    parser.add_argument("--background", type=int, help="leading output channels that are no class")
    parser.add_argument(
        "--head",
        choices=("auto", "none", "scores", "logits"),
        default="auto",
        help="what the outputs are: probabilities or logits (auto: by their range)",
    )
    parser.add_argument(
        "--anchors",
        type=_anchors,
        default=(),
        metavar="'W,H W,H / W,H ...'",
        help="a YOLO's boxes in pixels, of each output; channels of each: x, y, w, h, object, classes",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("tflite", type=Path, help="an int8 model")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the image to write")
    add_model_arguments(parser)
    parser.add_argument("--keep-dead", action="store_true", help="do not remove channels that are constant")
    parser.add_argument(
        "--keep-all", action="store_true", help="every tensor keeps its own memory (for tests)"
    )
    parser.add_argument(
        "--layout",
        choices=[layout.value for layout in Layout],
        default=Layout.PLAIN.value,
        help="order of the weights: the .tflite's, or that of the fast kernels of Cortex-M4, M7 and M33; "
        "every build reads both",
    )
    parser.add_argument("--arena", type=int, metavar="N", help="tensors within N bytes, or say the least")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number, nor several with commas between") from None


def _anchors(text: str) -> tuple[tuple[tuple[float, float], ...], ...]:
    try:
        outputs = [[_numbers(pair) for pair in part.split()] for part in text.split("/")]
    except argparse.ArgumentTypeError:
        outputs = []
    boxes = tuple(tuple((pair[0], pair[1]) for pair in part if len(pair) == 2) for part in outputs)
    if not all(boxes) or [len(b) for b in boxes] != [len(o) for o in outputs] or not boxes:
        wanted = "width,height in pixels, blanks between anchors and / between outputs: '10,14 23,27 / 81,82'"
        raise argparse.ArgumentTypeError(f"{text!r} are no anchors; write {wanted}")
    if not all(0 < side <= ANCHOR_MAX for part in boxes for pair in part for side in pair):
        raise argparse.ArgumentTypeError(
            f"{text!r}: sides of anchors are above 0 and at most {ANCHOR_MAX} pixels"
        )
    return boxes


def _labels(said: str) -> tuple[str, ...]:
    """The names in `said`, or in the file that it names."""
    if not os.path.isfile(said):  # noqa: PTH113  (a long list of names is no path, and no error)
        return tuple(said.split(",")) if said else ()
    try:
        return tuple(line.strip() for line in Path(said).read_text("utf-8").splitlines() if line.strip())
    except UnicodeDecodeError:
        raise ModelError(
            f"{said}: not a text in UTF-8; --labels takes a,b,c or a file with one a line"
        ) from None


def wishes_of(options: argparse.Namespace) -> Wishes:
    """What the command line says of a model; ModelError for a file of labels that is no text."""
    return Wishes(
        labels=_labels(options.labels or ""),
        thresholds=options.threshold,
        picture=None if options.input is None else options.input == "picture",
        bgr=options.bgr,
        crop=options.crop,
        real_range=tuple(options.range) if options.range else None,
        mean=options.mean,
        std=options.std,
        background=options.background,
        head=options.head,
        anchors=options.anchors,
    )


def compile_file(path: Path, wishes: Wishes, options: Options) -> Compiled:
    """As `compile_model`, with the file's name in the error."""
    try:
        return compile_model(path, wishes, options)
    except (ModelError, ModelFileError) as error:
        raise ModelError(f"{path}: {error}") from error


def run(options: argparse.Namespace) -> int:
    layout = Layout(options.layout)
    how = Options(keep_all=options.keep_all, keep_dead=options.keep_dead, arena=options.arena, layout=layout)
    done = compile_file(options.tflite, wishes_of(options), how)
    write_bytes(options.output, done.image)
    if options.json:
        print(json.dumps({"model": str(options.tflite), "output": str(options.output), **done.report}))
    else:
        print(_text(options.output, done.report))
    return 0


def _packed(report: dict[str, Any]) -> str:
    if report["layout"] == Layout.PLAIN.value:
        return "weights as in the .tflite (for Cortex-M4, M7, M33: --layout armv7e-m)"
    return f"{report['packed_operators']} packed for {report['layout']}"


def _text(output: Path, report: dict[str, Any]) -> str:
    before = report["before"]
    lines = [
        f"{output}: {report['image_bytes']:,} bytes, id {report['model_id']}",
        f"  operators   {report['operators']}, {_packed(report)}",
        f"  MACs        {report['macs']:,} of {before['macs']:,}",
        f"  weights     {report['weight_bytes']:,} of {before['weight_bytes']:,} bytes",
        f"  arena       {report['arena_bytes']:,} bytes, at least {report['arena_lower_bound']:,}; "
        f"{report['streamed_operators']} operators row by row",
        f"  classes     {report['classes']}",
    ]
    return "\n".join(lines + [f"  note: {note}" for note in report["notes"]])
