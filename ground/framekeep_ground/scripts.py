"""How the three commands start: a Ctrl-C while they load is one line, and where only the ground part is
installed, `fk-sim` and `fk-models` say so."""

import sys
from importlib import import_module
from importlib.util import find_spec

from framekeep_ground.shell import TROUBLE, guarded


def fk_sim() -> int:
    return _start("fk-sim", "framekeep_sim")


def fk_models() -> int:
    return _start("fk-models", "framekeep_models")


def fk_ground() -> int:
    return _start("fk-ground", "framekeep_ground")


def _start(command: str, package: str) -> int:
    if find_spec(package) is None:
        hint = "install a C compiler, unset FRAMEKEEP_GROUND_ONLY, and install framekeep again"
        print(f"{command}: only the ground part of framekeep is installed; {hint}", file=sys.stderr)
        return TROUBLE
    return guarded(command, lambda: int(import_module(f"{package}.cli").main()))
