"""`fk-models`: from a .tflite to an image that flies, and the models of our own."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from framekeep_ground.errors import UserError
from framekeep_ground.shell import Parser, guarded
from framekeep_onboard import FkError

from framekeep_models.data import DataError
from framekeep_models.program import ModelError
from framekeep_models.tflite_model import ModelFileError

# command: (module with add_arguments and run, one line of help); loaded only when called
COMMANDS = {
    "compile": ("framekeep_models.command_compile", "an int8 .tflite to a model image (.fkm)"),
    "verify": ("framekeep_models.command_verify", "an image's tensors against the reference, bit for bit"),
    "info": ("framekeep_models.command_info", "what is in an image: layers, sizes, the arena over time"),
    "train": ("framekeep_models.train", "train a model of our own and quantise it"),
    "eval": ("framekeep_models.evaluate", "metrics of a model on labelled pictures, with intervals"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 a check failed, 2 bad input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    wrong = (ModelError, ModelFileError, DataError, FkError, UserError)
    return guarded("fk-models", lambda: _run(arguments), wrong=wrong)


def _run(arguments: list[str]) -> int:
    parser = Parser(prog="fk-models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = {}
    for name, (module, text) in COMMANDS.items():
        wanted = name in arguments[:1]
        sub = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if not wanted:
            continue
        try:
            modules[name] = importlib.import_module(module)
        except ModuleNotFoundError as error:
            how = f"pip install '.{'[train]' if name == 'train' else ''}' in a clone of framekeep"
            print(f"fk-models: {name} needs {error.name}: {how}", file=sys.stderr)
            return 2
        modules[name].add_arguments(sub)
    options = parser.parse_args(arguments)
    return int(modules[options.command].run(options))


if __name__ == "__main__":
    raise SystemExit(main())
