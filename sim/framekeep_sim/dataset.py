"""Where frames come from: a folder, a CSV, COCO JSON, a video, one picture, or the demo.

Listing is cheap and says what there is; pictures are opened only when their
turn comes, so a dataset may be larger than memory.
"""

import csv
import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from framekeep_ground.output import read_json
from PIL import Image

from framekeep_sim import demo
from framekeep_sim.errors import UserError

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v"}

STAMP_STEP = Fraction(1, 1000)  # seconds: containers round a frame's time to this
STAMP_MAX = 1e12  # milliseconds: what is beyond is no time

Labels = frozenset[str]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to come; `labels` is None where the dataset says nothing of it."""

    name: str
    open: Callable[[], Image.Image]
    labels: Labels | None = None
    time: Fraction | None = None  # seconds after the start, where the dataset has a clock


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pictures to come, listed; each is opened when its turn is."""

    name: str
    kind: str
    items: Iterable[Item]
    count: int | None  # None: only known at the end
    labels: Labels  # all that occur

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)


def load(source: str, *, limit: int | None = None, seed: int | None = None, label: str = "label") -> Dataset:
    """What `source` names; `seed` draws an order (a video keeps its own), `limit` takes the first N."""
    if source == "demo":
        return _sampled(_demo(), limit, seed)
    path = Path(source)
    if not path.exists():
        raise UserError(
            f"{source}: no such file or folder; give pictures, a CSV, COCO JSON, a video, or demo"
        )
    suffix = path.suffix.lower()
    if path.is_dir():
        return _sampled(_folder(path), limit, seed)
    if suffix == ".csv":
        return _sampled(_table(path, label), limit, seed)
    if suffix == ".json":
        return _sampled(_coco(path), limit, seed)
    if suffix in VIDEOS or suffix == ".gif":
        return _video(path, limit)
    if suffix in PICTURES:
        return _listed(path, "picture", [Item(path.name, _opener(path))])
    kinds = "pictures, a CSV, COCO JSON, a video"
    raise UserError(
        f"{source}: {suffix or 'a file without suffix'} is no kind of dataset; give {kinds}, or demo"
    )


def _sampled(dataset: Dataset, limit: int | None, seed: int | None) -> Dataset:
    items = list(dataset.items)
    if seed is not None:
        random.Random(seed).shuffle(items)
    items = items[:limit]
    return replace(dataset, items=items, count=len(items))


def _listed(path: Path, kind: str, items: list[Item]) -> Dataset:
    if not items:
        looked = f" (looked for {' '.join(sorted(PICTURES))})" if kind == "folder" else "; name some"
        raise UserError(f"{path}: no pictures in it{looked}")
    labels: Labels = frozenset().union(*(item.labels for item in items if item.labels))
    return Dataset(str(path), kind, items, len(items), labels)


def _opener(path: Path) -> Callable[[], Image.Image]:
    def open_picture() -> Image.Image:
        if path.stat().st_size == 0:
            raise ValueError("the file is empty")
        with Image.open(path) as picture:
            picture.load()
            if picture.mode == "F":
                raise ValueError("its pixels are floats of no known range; save 8 or 16 bits a channel")
            return picture

    return open_picture


def _same(picture: Image.Image) -> Image.Image:
    return picture


def _demo() -> Dataset:
    items = [Item(f.name, f.picture, frozenset({f.label()})) for f in demo.stream()]
    return Dataset("demo", "demo", items, len(items), frozenset({"person", "no_person"}))


def _folder(root: Path) -> Dataset:
    items = []
    seen = set()
    for folder, inner, files in os.walk(root, followlinks=True):
        here = Path(folder)
        if (real := here.resolve()) in seen:  # by a link: once is enough, and a circle has no end
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        labels = None if here == root else frozenset({here.name})
        for file in sorted(files):
            if Path(file).suffix.lower() in PICTURES and not file.startswith("."):
                path = here / file
                items.append(Item(path.relative_to(root).as_posix(), _opener(path), labels))
    return _listed(root, "folder", items)


def _table(path: Path, label: str) -> Dataset:
    items = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if "file" not in columns:
                raise UserError(f"{path}:1: no column `file`; the first line must name file,label")
            if label not in columns and label != "label":
                raise UserError(f"{path}:1: no column `{label}`; there are {', '.join(columns)}")
            for row in rows:
                name = row["file"]
                if not name:
                    raise UserError(f"{path}:{rows.line_num}: the column `file` is empty; name a picture")
                said = (row.get(label) or "").strip()
                items.append(
                    Item(
                        name,
                        _opener(path.parent / name),
                        frozenset({said}) if said not in ("", "-1") else None,
                    )
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV in UTF-8: {error}") from None
    return _listed(path, "CSV", items)


def _coco(path: Path) -> Dataset:
    """The labels of a picture are the names of the categories annotated in it, a crowd's like any other."""
    try:
        whole = read_json(path)
        names = {row["id"]: str(row["name"]) for row in whole["categories"]}
        found: dict[object, set[str]] = {row["id"]: set() for row in whole["images"]}
        for row in whole["annotations"]:
            if row["image_id"] in found:
                found[row["image_id"]].add(names.get(row["category_id"], str(row["category_id"])))
        files = [(row["id"], str(row["file_name"])) for row in whole["images"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{path}: not COCO JSON ({what}); images, annotations and categories are wanted"
        ) from None
    items = []
    for identity, name in files:
        beside, below = path.parent / name, path.parent / "images" / name
        chosen = below if not beside.exists() and below.exists() else beside
        items.append(Item(name, _opener(chosen), frozenset(found[identity])))
    dataset = _listed(path, "COCO", items)
    return replace(dataset, labels=frozenset(names.values()))


@dataclass(frozen=True, slots=True)
class _VideoFrames:
    """The frames of a video, from its beginning each time they are asked for."""

    path: Path
    rate: Fraction
    limit: int | None

    def __iter__(self) -> Iterator[Item]:
        import cv2

        capture = cv2.VideoCapture(str(self.path))
        first, time = 0.0, None
        try:
            for index in range(self.limit or 1 << 31):
                good, pixels = capture.read()
                if not good:
                    return
                picture = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
                at = capture.get(cv2.CAP_PROP_POS_MSEC)
                first = first if index else at
                time = self._time(index, at - first, time)
                yield Item(f"{self.path.stem}-{index:06d}", partial(_same, picture), None, time)
        finally:
            capture.release()

    def _time(self, index: int, milliseconds: float, before: Fraction | None) -> Fraction | None:
        """By the video's rate, exact; by its stamps where they say otherwise. Never earlier than `before`."""
        steady = index / self.rate if self.rate > 0 else None
        stamped = index == 0 or 0 < milliseconds < STAMP_MAX
        told = Fraction(round(1000 * milliseconds), 10**6) if stamped else steady
        if told is not None and steady is not None and abs(told - steady) <= STAMP_STEP:
            told = steady
        return told if told is None or before is None else max(told, before)


def _video(path: Path, limit: int | None) -> Dataset:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # it would write to stderr by itself
    import cv2  # here: takes half a second that other datasets need not wait

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise UserError(f"{path}: OpenCV cannot read it as a video; convert it to MP4 or AVI")
    rate = Fraction(capture.get(cv2.CAP_PROP_FPS)).limit_denominator(1001)
    told = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    count = min(told, limit or told) if told > 0 else limit
    return Dataset(str(path), "video", _VideoFrames(path, rate, limit), count, frozenset())
