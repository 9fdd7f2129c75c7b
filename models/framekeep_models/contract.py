"""What surrounds the network: which pixels it wants, and what its outputs say about which classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from framekeep_models.program import Buffer, ModelError, Program

NONE = 255  # no such channel
PICTURE_SIDE_MAX = 4096  # FK_FRAME_SIDE_MAX of onboard/include/fk/frame.h
PICTURE_SIDE_MIN = 16  # smaller inputs with 1 or 3 channels are taken for something else


class Order(IntEnum):
    """`fk_channel_order`."""

    NONE = 0
    GREY = 1
    RGB = 2
    BGR = 3


class Fit(IntEnum):
    """`fk_fit`."""

    STRETCH = 0
    CROP = 1


class HeadKind(IntEnum):
    """`fk_head_kind`."""

    TABLE = 1
    SOFTMAX = 2


@dataclass(frozen=True, slots=True)
class Input:
    """The pixels a model wants: nothing of it can be got wrong later, it travels in the image."""

    order: Order = Order.NONE
    fit: Fit = Fit.STRETCH
    height: int = 0
    width: int = 0
    luts: tuple[npt.NDArray[np.int8], ...] = ()  # pixel 0..255 -> input value


@dataclass(frozen=True, slots=True)
class Head:
    """How an output becomes scores of classes, and boxes."""

    kind: HeadKind
    output: int
    grid: tuple[int, int]
    depth: int
    scores: bytes  # see `FkmHead`
    first: int = 0
    anchors: int = 1
    object: int = NONE
    box: int = NONE
    boxes: bytes = b""


@dataclass(frozen=True, slots=True)
class Contract:
    """What an image says of its input and outputs beside the network."""

    input: Input
    heads: tuple[Head, ...] = ()
    labels: tuple[str, ...] = ()
    class_count: int = 0
    thresholds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user said; what is left out is derived from the model."""

    labels: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    picture: bool | None = None
    bgr: bool = False
    crop: bool = False
    real_range: tuple[float, float] | None = None  # what pixels 0 and 255 stand for
    mean: tuple[float, ...] = ()  # of pixels; with std: (pixel - mean) / std
    std: tuple[float, ...] = ()
    background: int | None = None  # leading channels that are no class
    head: str = "auto"  # auto, none, scores, logits
    anchors: tuple[
        tuple[tuple[float, float], ...], ...
    ] = ()  # of each output of a YOLO: width, height, pixels
    notes: list[str] = field(default_factory=list)


def make_contract(program: Program, wishes: Wishes) -> Contract:
    heads: tuple[Head, ...] = ()
    count = 0
    deepest = max(shape[-1] if shape else 1 for shape in program.output_shapes)
    if wishes.background is not None and not 0 <= wishes.background < deepest:
        raise ModelError(f"a background of {wishes.background} channels leaves no class of any output")
    if wishes.head != "none":
        heads, count = _heads(program, wishes)
    if wishes.labels and len(wishes.labels) != count:
        raise ModelError(f"{len(wishes.labels)} labels for {count} classes")
    twice = sorted({label for label in wishes.labels if wishes.labels.count(label) > 1})
    if twice:
        wishes.notes.append(f"several classes are called {', '.join(twice)}: a mission means the first by it")
    if len(wishes.thresholds) not in (0, 1, count):
        raise ModelError(f"{len(wishes.thresholds)} thresholds for {count} classes")
    for value in wishes.thresholds:
        if not 0 <= value <= 1:
            raise ModelError(f"a threshold of {value:g}; allowed are 0..1")
    thresholds = wishes.thresholds or (0.5,)
    if len(thresholds) == 1:
        thresholds *= count
    as_bytes = tuple(min(255, max(0, round(t * 255))) for t in thresholds)
    return Contract(_input(program, wishes), heads, wishes.labels, count, as_bytes[:count])


def _input(program: Program, wishes: Wishes) -> Input:
    buffer = program.buffers[program.input]
    picture, shape = wishes.picture, buffer.shape
    fits = len(shape) == 4 and shape[0] == 1 and shape[3] in (1, 3)
    if picture is None:
        picture = fits and min(shape[1:3]) >= PICTURE_SIDE_MIN and max(shape[1:3]) <= PICTURE_SIDE_MAX
    if not picture:
        return Input()
    if not fits:
        raise ModelError(f"an input of shape {list(shape)} is no picture; [1, rows, columns, 1 or 3] is")
    if max(shape[1:3]) > PICTURE_SIDE_MAX:
        raise ModelError(f"a picture of {shape[1]} rows and {shape[2]} columns; at most {PICTURE_SIDE_MAX}")
    order = Order.GREY if shape[3] == 1 else Order.BGR if wishes.bgr else Order.RGB
    fit = Fit.CROP if wishes.crop else Fit.STRETCH
    return Input(order, fit, shape[1], shape[2], _luts(buffer, wishes, shape[3]))


def _luts(buffer: Buffer, wishes: Wishes, channels: int) -> tuple[npt.NDArray[np.int8], ...]:
    pixels = np.arange(256)
    if wishes.real_range and (wishes.mean or wishes.std):
        raise ModelError("--range beside --mean and --std; say one or the other")
    if 0.0 in wishes.std or not np.isfinite((*wishes.mean, *wishes.std)).all():
        said = ", ".join(f"{value:g}" for value in (*wishes.mean, *wishes.std))
        raise ModelError(f"mean and std of {said}; numbers are wanted, and a std of 0 divides by nothing")
    if wishes.mean or wishes.std:
        mean, std = (
            _per_channel(wishes.mean or (0.0,), channels),
            _per_channel(wishes.std or (1.0,), channels),
        )
        reals = [(pixels - np.float64(m)) / np.float64(s) for m, s in zip(mean, std, strict=True)]
    elif wishes.real_range:
        low, high = wishes.real_range
        if low == high or not np.isfinite(high - low):
            raise ModelError(f"a range from {low:g} to {high:g}")
        reals = [low + pixels * np.float64((high - low) / 255)]
    else:
        wishes.notes.append("pixels 0..255 are taken as input values -128..127 (no --range, no --mean given)")
        return ((pixels - 128).astype(np.int8),)
    luts = [_quantise(real, buffer) for real in reals]
    if all(np.array_equal(lut, luts[0]) for lut in luts):
        luts = luts[:1]
    return tuple(luts)


def _quantise(real: npt.NDArray[np.float64], buffer: Buffer) -> npt.NDArray[np.int8]:
    """As a QUANTIZE in front of the model would: in float32, halves away from zero."""
    scaled = real.astype(np.float32) / np.float32(buffer.scale)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int64) + buffer.zero_point
    return np.asarray(np.clip(rounded, -128, 127), np.int8)


def _per_channel(values: Sequence[float], channels: int) -> Sequence[float]:
    if len(values) not in (1, channels):
        raise ModelError(f"{len(values)} values of mean or std for {channels} channels")
    return list(values) * (channels if len(values) == 1 else 1)


def _heads(program: Program, wishes: Wishes) -> tuple[tuple[Head, ...], int]:
    """A head for every output whose last dimension can be classes, the same for all."""
    if wishes.anchors:
        return _yolo(program, wishes)
    grids = sum(len(shape) == 4 for shape in program.output_shapes)
    if grids > 1 and not wishes.labels and wishes.head == "auto":
        wishes.notes.append(
            f"{grids} grids of channels whose meaning the file does not tell: no scores "
            "(--labels or --head; --anchors for a YOLO)"
        )
        return (), 0
    heads, counts = [], []
    for number, (index, shape) in enumerate(zip(program.outputs, program.output_shapes, strict=True)):
        buffer = program.buffers[index]
        depth = shape[-1] if shape else 1
        grid = (shape[1], shape[2]) if len(shape) == 4 else (1, 1)
        background = wishes.background
        if background is None:
            background = 1 if grid != (1, 1) and depth > 1 else 0
        count = depth - background
        if len(shape) not in (2, 4) or shape[0] != 1 or not 1 <= count <= 254 or max(grid) > 0xFFFF:
            continue
        heads.append(_head(buffer, number, grid, depth, background, wishes))
        counts.append(count)
    if not heads:
        return (), 0
    if len(set(counts)) != 1:
        wishes.notes.append("the outputs differ in channels: only the first gives scores")
    same = [h for h, c in zip(heads, counts, strict=True) if c == counts[0]]
    return tuple(same), counts[0]


YOLO_OBJECT, YOLO_CLASSES = 4, 5  # channels of an anchor: x, y, w, h, whether anything is there, classes
FACTOR_MAX = 32767  # by which a box can be larger than its anchor


def _yolo(program: Program, wishes: Wishes) -> tuple[tuple[Head, ...], int]:
    """Boxes as YOLOv3 has them: centre in the cell by sigmoids, size by powers of e of the anchor's."""
    if len(wishes.anchors) != len(program.outputs):
        raise ModelError(f"anchors for {len(wishes.anchors)} outputs; the model has {len(program.outputs)}")
    size = program.buffers[program.input].shape
    heads, counts = [], set()
    columns = zip(program.outputs, program.output_shapes, wishes.anchors, strict=True)
    for number, (index, shape, anchors) in enumerate(columns):
        buffer = program.buffers[index]
        depth = shape[-1] // len(anchors)
        grid = len(shape) == len(size) == 4 and shape[0] == 1
        if not grid or depth * len(anchors) != shape[-1] or depth <= YOLO_CLASSES:
            raise ModelError(
                f"output {number} of shape {list(shape)} is no grid of {len(anchors)} anchors, "
                f"each with {YOLO_CLASSES} channels and one per class"
            )
        values = (np.arange(-128, 128) - buffer.zero_point) * buffer.scale
        shares = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
        factors = np.minimum(np.exp(np.clip(values, -60, 60)), FACTOR_MAX)
        cells = [(w * shape[2] / size[2], h * shape[1] / size[1]) for w, h in anchors]
        boxes = np.concatenate([shares, factors, np.ravel(cells)])
        head = Head(
            kind=HeadKind.TABLE,
            output=number,
            grid=(shape[1], shape[2]),
            depth=depth,
            scores=np.clip(np.floor(shares * 256), 0, 255).astype(np.uint8).tobytes(),
            first=YOLO_CLASSES,
            anchors=len(anchors),
            object=YOLO_OBJECT,
            box=0,
            boxes=np.round(boxes * 65536).clip(0, 2**31 - 1).astype("<i4").tobytes(),
        )
        heads.append(head)
        counts.add(depth - YOLO_CLASSES)
    if len(counts) != 1:
        raise ModelError(
            f"the outputs have {' and '.join(map(str, sorted(counts)))} classes; one number is wanted"
        )
    return tuple(heads), counts.pop()


def _head(  # noqa: PLR0917
    buffer: Buffer, output: int, grid: tuple[int, int], depth: int, first: int, wishes: Wishes
) -> Head:
    values = (np.arange(-128, 128) - buffer.zero_point) * buffer.scale
    probabilities = wishes.head == "scores" or (
        wishes.head == "auto" and values[0] >= -0.01 and 0.9 <= values[-1] <= 1.01
    )
    if not probabilities and depth > 1:
        differences = np.exp(-np.arange(256) * buffer.scale)
        table = np.round(differences * (2**24 - 1)).astype("<u4").tobytes()
        return Head(HeadKind.SOFTMAX, output, grid, depth, table, first)
    scores = values if probabilities else 1 / (1 + np.exp(-np.clip(values, -60, 60)))
    # a probability of 255/256 is all that an int8 softmax can say, so 255
    table = np.clip(np.floor(scores * 256), 0, 255).astype(np.uint8).tobytes()
    return Head(HeadKind.TABLE, output, grid, depth, table, first)
