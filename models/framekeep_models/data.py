"""Labelled pictures: read from a folder, a CSV or COCO JSON, with split, licence and boxes.

The same readers serve training and `fk-models eval`, so both see one meaning of a label. Three forms:

    DIR/<class>/*.jpg         the class subfolders are the labels; no splits
    labels.csv                columns file,label[,split,licence,source,boxes,...] beside the pictures
    annotations*.json         COCO: label 1 where a box of the wanted category covers enough of the picture

Of a box that reaches beyond the picture the part inside counts; one with nothing inside is left out."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framekeep_ground.output import read_json

Box = tuple[float, float, float, float]  # x, y, width, height as fractions of the picture, from the top left

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".gif", ".webp", ".tif", ".tiff"}
)
TABLES = (".csv", ".json")
POSITIVE_NAMES = frozenset({"1", "true", "yes", "person", "ship", "positive"})
NEGATIONS = ("no_", "no-", "not_", "not-", "non_", "non-")
NEGATIVE_NAMES = frozenset({"0", "false", "no", "negative", "none", "background"})

# A COCO licence id, or the words a data set uses. Share-alike (5) binds the pictures, and is passed on here
# with attribution; no-derivatives (3, 6) and non-commercial (1, 2, 3) are out, and so is "unknown".
REDISTRIBUTABLE = frozenset(
    {"4", "5", "7", "CC BY 4.0", "CC BY 4.0 (as tagged)", "CC BY-SA 4.0", "Public Domain (as tagged)", "MIT"}
    | {"Apache-2.0"}
)


class DataError(ValueError):
    """A data set that cannot be used; the text names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture. `boxes` is None where nobody said where the objects are."""

    path: Path
    label: int | None
    split: str = ""
    licence: str = ""
    source: str = ""
    kind: str = ""
    boxes: tuple[Box, ...] | None = None
    largest: float | None = None  # share of the picture that the largest object covers, where somebody said
    photograph: str = ""  # what it was cut from, where several pictures may come from one

    @property
    def redistributable(self) -> bool:
        return self.licence in REDISTRIBUTABLE


def read_pictures(path: Path, positive: str | None = None) -> list[Picture]:
    """Reads any of the three forms. `positive` names the class that counts as 1 where labels are words."""
    if path.is_dir():
        for name in ("labels.csv",):
            if (path / name).is_file():
                return read_csv(path / name, positive)
        return read_folder(path, positive)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder; give a folder, a labels.csv or a COCO .json")
    if path.suffix.lower() == ".json":
        return read_coco(path, positive)
    return read_csv(path, positive)


def read_folder(root: Path, positive: str | None = None) -> list[Picture]:
    """Class subfolders are the labels; no splits. Hidden files and folders are none of it."""
    pictures = []
    classes = sorted(d.name for d in root.iterdir() if d.is_dir() and not d.name.startswith("."))
    if classes == ["images"] and (beside := sorted(p.name for p in root.iterdir() if p.suffix in TABLES)):
        raise DataError(f"{root}: its pictures have no class folders; give a table: {', '.join(beside)}")
    for name in classes:
        label = label_of(name, positive, classes)
        pictures += [
            Picture(file, label, kind=name)
            for file in sorted((root / name).rglob("*"))
            if is_picture(file) and not any(part.startswith(".") for part in file.relative_to(root).parts)
        ]
    if not pictures:
        raise DataError(f"{root}: no pictures in class subfolders; expected for example {root}/person/1.jpg")
    return pictures


def read_csv(path: Path, positive: str | None = None) -> list[Picture]:
    """A table with the columns file,label[,split,licence,source,boxes,...], its files beside it. DataError
    names the row that says too little."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV in UTF-8: {error}") from error
    if not rows or "file" not in rows[0] or "label" not in rows[0]:
        raise DataError(f"{path}: needs a header with at least the columns file,label")
    if short := [row["file"] for row in rows if not row["file"] or not (row["label"] or "").strip()]:
        raise DataError(f"{path}: the row of {short[0] or 'no file'!r} lacks its file or label; complete it")
    names = sorted({row["label"] for row in rows})
    return [
        Picture(
            path=path.parent / row["file"],
            label=label_of(row["label"], positive, names),
            split=row.get("split") or "",
            licence=row.get("licence") or row.get("license") or "",
            source=row.get("source") or path.parent.name,
            kind="person-like" if row.get("person_like_only") == "1" else row.get("kind") or "",
            boxes=parse_boxes(row["boxes"]) if row.get("boxes") else None,
            largest=largest_of(row),
            photograph=row.get("source_image") or "",
        )
        for row in rows
    ]


def read_coco(path: Path, positive: str | None = None, smallest: float = 0.005) -> list[Picture]:
    """COCO JSON. Label 1 needs one box of the wanted category over `smallest` of the picture (the Visual Wake
    Words rule).

    Pictures are looked for beside the file, by file_name. A crowd box counts as a box; one of a picture that
    is not in the file is left out.
    """
    try:
        coco = read_json(path)
        wanted = wanted_categories(path, coco, positive)
        boxes: dict[int, list[Box]] = {image["id"]: [] for image in coco["images"]}
        sizes = {image["id"]: (image["width"], image["height"]) for image in coco["images"]}
        for mark in coco["annotations"]:
            if mark["category_id"] in wanted and mark["image_id"] in sizes:
                inside = part_inside(mark["bbox"], *sizes[mark["image_id"]])
                boxes[mark["image_id"]] += [inside] if inside else []
        if coco["annotations"] and not any(mark["image_id"] in sizes for mark in coco["annotations"]):
            raise ValueError("no annotation is of a picture in it")
        if len(sizes) < len(coco["images"]):
            raise ValueError("two pictures of one id")
        names = {image["id"]: str(image["file_name"]) for image in coco["images"]}
        licences = {
            image["id"]: str(image.get("coco_license_id", image.get("license")) or "unknown")
            for image in coco["images"]
        }
        sources = {image["id"]: image.get("source") or path.parent.name for image in coco["images"]}
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError, AttributeError) as error:
        raise DataError(f"{path}: not COCO annotations ({error!r}); needs images and annotations") from error
    split = path.stem.rpartition("_")[2] if "_" in path.stem else ""
    base = path.parent if (path.parent / next(iter(names.values()), "")).is_file() else path.parent / "images"
    return [
        Picture(
            path=base / names[key],
            label=int(any(w * h >= smallest for _, _, w, h in boxes[key])),
            split=split,
            licence=licences[key],
            source=sources[key],
            boxes=tuple(boxes[key]),
            largest=max((w * h for _, _, w, h in boxes[key]), default=None),
        )
        for key in names
    ]


def wanted_categories(path: Path, coco: dict[str, Any], positive: str | None) -> set[int]:
    """The ids of the category that counts: the one named `positive`, or the only one, or the one whose name
    is a word for present. DataError where that leaves a choice."""
    names = {row["id"]: str(row["name"]) for row in coco.get("categories") or ()}
    names = names or {mark["category_id"]: str(mark["category_id"]) for mark in coco["annotations"]}
    words = {key: name.strip().lower() for key, name in names.items()}
    asked = {positive.strip().lower()} if positive is not None else POSITIVE_NAMES
    found = {key for key, word in words.items() if word in asked}
    if positive is None and len(set(words.values())) < 2:
        found = set(words)
    if len({words[key] for key in found}) != (1 if words else 0):
        what = "which category counts as present?" if positive is None else f"no category is {positive!r};"
        raise DataError(f"{path}: {what} say --positive NAME, one of {', '.join(names.values())}")
    return found


def part_inside(box: Sequence[float], width: float = 1.0, height: float = 1.0) -> Box | None:
    """x, y, width, height of a box in fractions of its picture, less what lies outside; None where nothing
    is left. ValueError where they are no numbers of a box."""
    x, y, w, h = box
    if not all(math.isfinite(value) for value in box) or min(w, h) < 0 or min(width, height) <= 0:
        raise ValueError(f"the box {box} in a picture of {width} x {height} has no size")
    if x < 0 or y < 0 or x + w > width or y + h > height:
        right, bottom = min(x + w, width), min(y + h, height)
        x, y = max(x, 0), max(y, 0)
        w, h = right - x, bottom - y
    return (x / width, y / height, w / width, h / height) if w > 0 and h > 0 else None


def largest_of(row: dict[str, str]) -> float | None:
    """From a column that says it, or else from the boxes; None where neither is there."""
    said = next((v for k, v in row.items() if k and k.startswith("largest_") and v), "")
    if said:
        try:
            return float(said) or None
        except ValueError:
            raise DataError(f"a largest object of {said!r}; a share of the picture is wanted") from None
    boxes = parse_boxes(row["boxes"]) if row.get("boxes") else ()
    return max((w * h for _, _, w, h in boxes), default=None)


PIXELS = 2.0  # a fraction of the picture is never so large: who writes it means pixels


def parse_boxes(text: str) -> tuple[Box, ...]:
    """`x,y,width,height` of each box, fractions of the picture, `;` between; DataError for anything else."""
    boxes = []
    for item in text.split(";"):
        try:
            x, y, w, h = (float(v) for v in item.split(","))
            inside = part_inside((x, y, w, h))
        except ValueError:
            raise DataError(f"boxes {text!r}: write x,y,width,height of each, with ; between") from None
        if max(x, y, w, h) >= PIXELS:
            raise DataError(f"boxes {text!r}: these are pixels; write fractions of the picture, 0..1")
        boxes += [inside] if inside else []
    return tuple(boxes)


def label_of(name: str, positive: str | None, names: Sequence[str]) -> int:
    """1 or 0 from a label's word. Without `positive`, a known word decides, or else `no_x` beside `x`."""
    word = name.strip().lower()
    if positive is not None:
        wanted = positive.strip().lower()
        if wanted not in {other.strip().lower() for other in names}:
            raise DataError(
                f"no picture is labelled {positive!r}; say --positive NAME, one of {', '.join(names)}"
            )
        return int(word == wanted)
    others = {other.strip().lower() for other in names}
    if word in POSITIVE_NAMES or others & {f"{no}{word}" for no in NEGATIONS}:
        return 1
    if word in NEGATIVE_NAMES or word.startswith(NEGATIONS):
        return 0
    raise DataError(f"label {name!r}: is it the wanted class? say --positive NAME, one of {', '.join(names)}")


def select(
    pictures: Iterable[Picture], split: str | None = None, redistributable: bool | None = None
) -> list[Picture]:
    """Those of a split, and of a kind of licence; None takes all."""
    return [
        p
        for p in pictures
        if (split is None or p.split.strip().lower() == split.strip().lower())
        and (redistributable is None or p.redistributable == redistributable)
    ]


def is_picture(path: Path) -> bool:
    """Whether it is a file with a suffix of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
