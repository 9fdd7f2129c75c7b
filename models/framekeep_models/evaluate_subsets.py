"""Figures for parts of the pictures: by size of what is sought, by light, by where they come from.

A part that holds one label only (all persons of a size, all statues) is ranked against all pictures of the
other label, so that its AUC says how well just these are told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from framekeep_models.data import Picture
from framekeep_models.data_crops import read_rgb
from framekeep_models.evaluate_metrics import Binary, Floats, Ints, auc, bootstrap, by_photograph, ratio

SIZES = ((0.05, "under 5 %"), (0.2, "5 to 20 %"), (0.5, "20 to 50 %"), (2.0, "over 50 %"))
LIGHTS = (
    (70.0, "dark (mean luma under 70)"),
    (150.0, "middling"),
    (256.0, "bright (mean luma 150 and more)"),
)


def size_of(picture: Picture) -> str:
    """The share of the picture that the largest object covers; negatives have none."""
    if not picture.label:
        return ""
    if picture.largest is None:
        return "size not known"
    return next(name for limit, name in SIZES if picture.largest < limit) + " of the picture"


def light_of(picture: Picture) -> str:
    luma = float(cv2.cvtColor(read_rgb(picture.path), cv2.COLOR_RGB2GRAY).mean())
    return next(name for limit, name in LIGHTS if luma < limit)


GROUPS: dict[str, Callable[[Picture], str]] = {
    "size": size_of,
    "light": light_of,
    "kind": lambda p: p.kind or "-",
    "source": lambda p: p.source or "-",
    "licence": lambda p: p.licence or "-",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Which pictures it holds, and which its AUC is taken over."""

    name: str
    own: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ranked: np.ndarray[tuple[int], np.dtype[np.bool_]]


def parts_of(pictures: Sequence[Picture], labels: Ints, field: str) -> Iterator[Part]:
    names = np.array([GROUPS[field](p) for p in pictures])
    order = {name: k for k, name in enumerate(f"{name} of the picture" for _, name in SIZES)}
    order |= {name: k for k, (_, name) in enumerate(LIGHTS)}
    for name in sorted({str(n) for n in names} - {""}, key=lambda n: (order.get(n, -1), n)):
        own = names == name
        alone = len(set(labels[own])) < 2
        yield Part(name, own, own | (labels != labels[own][0]) if alone else own)


def clustered(
    pictures: Sequence[Picture], labels: Ints, scores: Floats, threshold: float
) -> dict[str, object]:
    """`by_photograph` where several of the pictures were cut from one; else nothing."""
    photographs = [p.photograph or str(p.path) for p in pictures]
    if len(set(photographs)) == len(pictures):
        return {}
    return {"by_photograph": by_photograph(labels, scores, threshold, photographs)}


def by_group(
    pictures: Sequence[Picture], labels: Ints, scores: Floats, threshold: float, field: str
) -> dict[str, dict[str, object]]:
    """Figures of every part; `false_alarms` is the share of its negatives that would be kept."""
    groups: dict[str, dict[str, object]] = {}
    for part in parts_of(pictures, labels, field):
        full = Binary(labels[part.own], scores[part.own], threshold).summary(draws=2)
        kept = ("n", "positives", "accuracy", "accuracy_ci95", "recall", "recall_ci95")
        negatives = labels[part.own] == 0
        groups[part.name] = {
            **{k: full[k] for k in kept},
            "false_alarms": ratio(
                int((scores[part.own][negatives] >= threshold).sum()), int(negatives.sum())
            ),
            "auc": auc(labels[part.ranked], scores[part.ranked]),
            "auc_ci95": bootstrap(auc, labels[part.ranked], scores[part.ranked], draws=300),
        }
    return groups
