"""The recipe of `person_96`: is a person in the picture?

Two models of the same shape: `person_96` learns only from pictures whose licence allows passing them on,
`person_96_all` from every training row. Both are taught by the boxes and by two public models that look at
the same crops. No validation or test picture is in a pool.
"""

from __future__ import annotations

import csv
from pathlib import Path

from framekeep_models.data import Picture, read_coco, read_csv, select
from framekeep_models.data_crops import Draw

GROCERY_LICENCE = "MIT"


def person_draws(root: Path, everything: bool) -> list[Draw]:
    """What is cut from what. Pictures with boxes and room around people give more crops than ready-made
    chips."""
    allowed = None if everything else True
    draws: list[Draw] = []
    for p in select(read_csv(root / "person_vww/labels.csv"), "train", allowed):
        draws.append(Draw(p, 2 if p.kind == "extra_scene" else 6, smallest=0.7))
    for p in select(read_csv(root / "person_more/labels.csv"), "train", allowed):
        chip = p.path.name.startswith(("ppe_", "ptbg_"))
        draws.append(Draw(p, 6, smallest=0.6) if chip else Draw(p, 8, smallest=0.45))
    for p in select(read_coco(root / "person_frames/annotations_train.json"), "train", allowed):
        draws.append(Draw(p, 20 if everything else 60, smallest=0.3))
    for p in read_grocery(root / "grocery_items", "train"):
        draws.append(Draw(p, 1, smallest=0.5))
    ships = select(read_csv(root / "sat_ship_chips/labels.csv"), "train", True)
    draws += [Draw(Picture(p.path, 0, p.split, p.licence, p.source), 1, smallest=0.6) for p in ships[::4]]
    return draws


def read_grocery(root: Path, split: str) -> list[Picture]:
    """Fruit and vegetables, as pictures without a person. Packages are left out: many show a hand."""
    with (root / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split and row["group"] != "Packages"]
    return [Picture(root / row["file"], 0, split, GROCERY_LICENCE, "GroceryStoreDataset") for row in rows]
