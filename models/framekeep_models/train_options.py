"""What a training task is: where its crops come from, which network learns them, how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from framekeep_models.data import Picture
from framekeep_models.data_crops import Pool

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class FitConfig:
    epochs: int = 20
    batch: int = 128
    rate: float = 3e-3
    decay: float = 0.02
    hard_share: float = 0.4  # weight of the boxes' word against the teachers', where both speak
    doubt: float = 0.0  # of every label: aims lie between it and 1 less it
    average: float = 0.998  # of the weights, per step; the averaged copy is what is kept
    seed: int = 1
    start_share: float = 0.0  # of the weights training began with, in those that are kept
    quarter_turns: bool = False  # for cameras that look straight down
    short: bool = False  # convolutions in bfloat16: for dense ones, where the processor has units for it


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; a recipe reads what it needs."""

    data: Path
    teachers: Path | None = None
    start: Path | None = None  # a .tflite whose layers a grid network begins with
    positive: str | None = None
    side: int = 96
    crops: float = 1.0  # multiplies the number of crops of every picture
    epochs: int | None = None
    seed: int = 1
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """One task of `fk-models train`."""

    name: str
    about: str
    labels: tuple[str, str]
    side: int
    pictures: Callable[[Options], Sequence[Picture]]  # what is learned from, for the card
    pool: Callable[[Options, np.random.Generator], Pool]
    net: Callable[[Options, Pool], nn.Sequential]
    validation: Callable[[Options], Sequence[Picture]]
    fit: FitConfig
    tests: Callable[[Options], dict[str, Sequence[Picture]]] = lambda _: {}  # looked at once, at the end
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # test: how the card parts it
    many_looks: bool = False  # the threshold from validation pictures in all orientations, also spoiled
    taught_by: str = ""
    limits: str = ""


def counts(pictures: Sequence[Picture]) -> list[tuple[str, str, int, int]]:
    """(source, licence, label 1, label 0) of the pictures, sorted, for the card."""
    table: dict[tuple[str, str], list[int]] = {}
    for p in pictures:
        row = table.setdefault((p.source or "-", p.licence or "-"), [0, 0])
        row[0 if p.label else 1] += 1
    return [(source, licence, a, b) for (source, licence), (a, b) in sorted(table.items())]
