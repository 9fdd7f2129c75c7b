"""The flight code's picture stages on arrays: pixels, scaling, screen, trigger and JPEG."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from framekeep_onboard._errors import FkError, check
from framekeep_onboard._fk import ffi, lib

U8 = npt.NDArray[np.uint8]
JPEG_SCRATCH_BYTES: int = lib.FK_JPEG_SCRATCH_BYTES


class PixelFormat(IntEnum):
    """How a frame buffer holds its pixels; see fk/frame.h."""

    GRAY8 = 0
    RGB565LE = 1
    RGB565BE = 2
    YUYV = 3
    RGB888 = 4


class Fit(IntEnum):
    """What part of a frame the network sees; see fk/camera.h."""

    STRETCH = 0
    CROP = 1


class JpegMode(IntEnum):
    """Components of a JPEG file; see fk/codec.h."""

    GREY = 0
    YUV420 = 1


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels of a frame."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame buffer: its bytes and what they mean. `stride` 0 stands for rows without gaps."""

    data: U8
    width: int
    height: int
    format: PixelFormat
    stride: int = 0

    def view(self) -> Any:
        """The C view of this frame; it keeps nothing alive, so use it while `self` lives."""
        flat = self.data.reshape(-1)  # a view for contiguous data; C sees no other
        row = self.width * max(lib.fk_pixel_bytes(self.format), 0)
        return ffi.new(
            "fk_frame *",
            {
                "data": ffi.cast("uint8_t *", flat.ctypes.data),
                "size": flat.nbytes,
                "stride": self.stride or row,
                "width": self.width,
                "height": self.height,
                "format": self.format,
            },
        )

    def __post_init__(self) -> None:
        if self.data.dtype != np.uint8 or not self.data.flags.c_contiguous:
            raise ValueError("a frame buffer is a contiguous array of uint8")


def gray_span(frame: Frame, x: int, y: int, count: int, step: int = 1) -> U8:
    """`count` pixels of row `y`, every `step`-th from `x` on, as luma."""
    out = np.empty(count, np.uint8)
    check(lib.fk_pixels_gray_every(_ptr(out), frame.view(), x, y, count, step))
    return out


def rgb_span(frame: Frame, x: int, y: int, count: int) -> U8:
    """`count` pixels of row `y` from `x` on, as (count, 3)."""
    out = np.empty((count, 3), np.uint8)
    check(lib.fk_pixels_rgb(_ptr(out), frame.view(), x, y, count))
    return out


def crop_for(frame: Frame, fit: Fit, width: int, height: int) -> Rect:
    """The part of `frame` that a `width` x `height` picture shows."""
    rect = ffi.new("fk_rect *")
    check(lib.fk_camera_crop(rect, frame.view(), fit, width, height))
    return Rect(rect.x, rect.y, rect.width, rect.height)


def scale(
    frame: Frame,
    width: int,
    height: int,
    *,
    channels: int = 3,
    crop: Rect | None = None,
    spare: bool = True,
    rows: Iterable[int] | None = None,
) -> U8:
    """Area-average `crop` (or all) of `frame` to (height, width, channels).

    Without `spare` scratch, rows that are shared are summed twice. `rows`: the order in which they are made.
    """
    out = np.empty((height, width, channels), np.uint8)
    words = lib.fk_camera_scale_scratch_words(width, channels) * (2 if spare else 1)
    scratch, scaling = ffi.new("uint32_t[]", words), ffi.new("fk_scaling *")
    rect = ffi.NULL if crop is None else ffi.new("fk_rect *", (crop.x, crop.y, crop.width, crop.height))
    view = frame.view()
    check(lib.fk_camera_scale_begin(scaling, view, rect, width, height, channels, scratch, words))
    for y in range(height) if rows is None else rows:
        check(lib.fk_camera_scale_row(scaling, y, _ptr(out[y])))
    return out


@dataclass(frozen=True, slots=True)
class ScreenStats:
    """Brightness of a frame; see fk/screen.h."""

    samples: int
    step: int
    mean: int
    p5: int
    p95: int


def mask(frame: Frame, rect: Rect) -> None:
    """Make `rect` black in the frame's own pixels."""
    check(lib.fk_camera_mask(frame.view(), ffi.new("fk_rect *", (rect.x, rect.y, rect.width, rect.height))))


def screen(frame: Frame, masks: Sequence[Rect] = ()) -> ScreenStats:
    """Measure the brightness of `frame` on the screen's grid, without what lies under `masks`."""
    stats = ffi.new("fk_screen_stats *")
    rects = ffi.new("fk_rect[]", [(m.x, m.y, m.width, m.height) for m in masks])
    histogram = ffi.new("uint16_t[]", lib.FK_SCREEN_BINS)
    check(lib.fk_screen_measure(stats, frame.view(), rects, len(masks), histogram))
    return ScreenStats(stats.samples, stats.step, stats.mean, stats.p5, stats.p95)


def screen_reason(stats: ScreenStats, *, dark_below: int, bright_above: int, contrast_below: int) -> int:
    """The fk_reason that the screen gives for `stats`."""
    measured = (stats.samples, stats.step, stats.mean, stats.p5, stats.p95)
    limits = (dark_below, bright_above, contrast_below)
    reason: int = lib.fk_screen_judge(
        ffi.new("fk_screen_stats *", measured), ffi.new("fk_screen_config *", limits)
    )
    return reason


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the trigger; see fk/trigger.h."""

    class_index: int
    threshold: int
    weight: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trigger decided."""

    reason: int
    class_index: int
    score: int
    value: int


def judge(rules: Sequence[Rule], scores: Sequence[int]) -> Verdict:
    """Decide over the `scores` of all classes, 0..255 each."""
    c_rules = ffi.new("fk_trigger_rule[]", [(r.weight, r.class_index, r.threshold) for r in rules])
    config = ffi.new("fk_trigger_config *", {"rules": c_rules, "rule_count": len(rules)})
    decision = ffi.new("fk_decision *")
    check(lib.fk_trigger_judge(decision, config, bytes(scores), len(scores)))
    return Verdict(decision.reason, decision.class_index, decision.score, decision.value)


def jpeg(
    frame: Frame,
    *,
    quality: int = 75,
    mode: JpegMode = JpegMode.YUV420,
    restart_interval: int = 0,
    capacity: int | None = None,
) -> bytes:
    """Encode `frame`; without `capacity` the buffer grows until the picture fits."""
    config = ffi.new("fk_jpeg_config *", (quality, mode, restart_interval))
    scratch = ffi.new("uint32_t[]", lib.FK_JPEG_SCRATCH_BYTES // 4)
    size = capacity if capacity is not None else 4096 + frame.width * frame.height
    while True:
        out = np.empty(size, np.uint8)
        done = lib.fk_jpeg_encode(_ptr(out), size, frame.view(), config, scratch, lib.FK_JPEG_SCRATCH_BYTES)
        if done != lib.FK_ERR_TOOSMALL or capacity is not None:
            break
        size *= 2
    return out[: check(done)].tobytes()


def _ptr(array: U8) -> Any:
    return ffi.cast("uint8_t *", array.ctypes.data)


__all__ = [
    "JPEG_SCRATCH_BYTES",
    "Fit",
    "FkError",
    "Frame",
    "JpegMode",
    "PixelFormat",
    "Rect",
    "Rule",
    "ScreenStats",
    "Verdict",
    "crop_for",
    "gray_span",
    "jpeg",
    "judge",
    "rgb_span",
    "scale",
    "screen",
    "screen_reason",
]
