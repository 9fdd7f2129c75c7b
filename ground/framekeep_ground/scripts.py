"""How `fk-sim` and `fk-models` start: where only the ground part is installed, they say so."""

import sys
from importlib import import_module
from importlib.util import find_spec


def fk_sim() -> int:
    return _start("fk-sim", "framekeep_sim")


def fk_models() -> int:
    return _start("fk-models", "framekeep_models")


def _start(command: str, package: str) -> int:
    if find_spec(package) is None:
        hint = "install a C compiler, unset FRAMEKEEP_GROUND_ONLY, and install framekeep again"
        print(f"{command}: only the ground part of framekeep is installed; {hint}", file=sys.stderr)
        return 2
    return int(import_module(f"{package}.cli").main())
