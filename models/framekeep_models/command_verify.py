"""`fk-models verify X.tflite`."""

import argparse
import json
import sys
from pathlib import Path

from framekeep_onboard import Model as Engine
from framekeep_onboard.firmware import BOARDS
from rich.progress import Progress as Bar

from framekeep_models.command_compile import add_model_arguments, compile_file, wishes_of
from framekeep_models.compile import Options
from framekeep_models.program import ModelError
from framekeep_models.tflite_model import ModelFileError
from framekeep_models.verify import HOST, check_golden, golden_file, host_backends, picture_inputs, verify

EXAMPLES = """examples:
  fk-models verify person.tflite                        32 seeded inputs
  fk-models verify person.tflite --images pictures/     every picture of a folder
  fk-models verify vww.tflite --golden golden/vww.npz   TensorFlow Lite Micro's own outputs
  fk-models verify person.tflite --backend qemu-m4      on an emulated Cortex-M4

exit status: 0 all equal, 1 a difference or an incomplete comparison, 2 bad input
"""
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("tflite", type=Path)
    parser.add_argument("--images", type=Path, metavar="DIR", help="pictures to take as inputs")
    parser.add_argument("--golden", type=Path, metavar="F.npz", help="arrays `inputs` and `outputs`")
    backends = (HOST, *host_backends(), *BOARDS)
    parser.add_argument("--backend", choices=backends, default=HOST, help="what runs the image")
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")


def run(options: argparse.Namespace) -> int:
    wishes = wishes_of(options)
    compiled = compile_file(options.tflite, wishes, Options())
    inputs, golden = None, None
    if options.golden:
        inputs, golden = golden_file(options.golden)
        check_golden(options.golden, inputs, Engine(compiled.image).input_shapes)
    elif options.images:
        inputs = picture_inputs(options.images, Engine(compiled.image))
    try:
        with Bar(transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("comparing", total=None)
            result = verify(
                options.tflite,
                inputs,
                golden,
                wishes,
                lambda done, total: bar.update(task, completed=done, total=total),
                options.backend,
            )
    except (ModelError, ModelFileError) as error:
        raise ModelError(f"{options.tflite}: {error}") from error
    summary = {
        "model": str(options.tflite),
        "passed": result.passed,
        "complete": result.complete,
        "backend": options.backend,
        "inputs": result.inputs,
        "tensors_compared": result.compared,
        "tensors": result.tensors,
        "surviving_compared": result.survivors_compared,
        "surviving": result.surviving,
        "golden_compared": result.golden,
        "differences": result.differences,
    }
    if options.json:
        print(json.dumps(summary))
        return 0 if result.passed else 1
    print(
        f"{options.tflite}: {'equal' if result.passed else 'NOT EQUAL'} over {result.inputs} inputs, "
        f"backend {options.backend}\n"
        f"  {result.compared} of {result.tensors} tensors with all kept, "
        f"{result.survivors_compared} of {result.surviving} surviving in the optimised image"
        + (f", {result.golden} golden outputs" if result.golden else "")
    )
    for text in result.differences[:SHOWN]:
        print(f"  {text}", file=sys.stderr)
    return 0 if result.passed else 1
