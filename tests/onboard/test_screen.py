"""The screen's numbers are exact, and it drops what it says it drops."""

import numpy as np
import pytest
from framekeep_onboard._fk import lib
from framekeep_onboard.imaging import (
    FkError,
    Frame,
    PixelFormat,
    ScreenStats,
    screen,
    screen_reason,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from tests.reference import pixels as twin

FORMATS = list(PixelFormat)
NEVER = {"dark_below": 0, "bright_above": 255, "contrast_below": 0}


def grid_step(width: int, height: int) -> int:
    return next(
        s for s in range(1, 65) if len(range(s // 2, width, s)) * len(range(s // 2, height, s)) <= 4096
    )


def expected(frame: Frame) -> ScreenStats:
    step = grid_step(frame.width, frame.height)
    luma = twin.read(frame)[0][step // 2 :: step, step // 2 :: step]
    # NumPy's inverted_cdf is the nearest-rank definition
    p5, p95 = (int(np.percentile(luma, p, method="inverted_cdf")) for p in (5, 95))
    mean = int(np.floor(luma.mean(dtype=np.float64) + 0.5))
    return ScreenStats(luma.size, step, mean, p5, p95)


@settings(max_examples=100, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    half_width=st.integers(1, 200),
    height=st.integers(1, 300),
    low=st.integers(0, 255),
    spread=st.integers(1, 256),
)
def test_statistics_equal_numpys(format, half_width, height, low, spread):
    shape = (height, 2 * half_width, 3)
    values = np.random.default_rng(low).integers(low, min(low + spread, 256), shape)
    frame = twin.pack(values.astype(np.uint8), format, gap=3)
    assert screen(frame) == expected(frame)


@pytest.mark.parametrize(("width", "height"), [(4096, 4096), (4096, 1), (1, 4096), (4095, 2), (3, 4096)])
def test_cost_is_bounded_and_never_zero_samples(width, height):
    frame = Frame(np.full(width * height, 9, np.uint8), width, height, PixelFormat.GRAY8)
    stats = screen(frame)
    assert 1 <= stats.samples <= lib.FK_SCREEN_SAMPLES
    assert (stats.mean, stats.p5, stats.p95) == (9, 9, 9)


def reason(frame: Frame, **limits: int) -> int:
    return screen_reason(screen(frame), **(NEVER | limits))


def flat(level: int) -> Frame:
    return Frame(np.full((120, 160), level, np.uint8), 160, 120, PixelFormat.GRAY8)


def test_night_snow_and_a_lens_cap_are_dropped_each_for_its_reason():
    limits = {"dark_below": 20, "bright_above": 235, "contrast_below": 10}
    assert reason(flat(19), **limits) == lib.FK_REASON_DARK
    assert reason(flat(236), **limits) == lib.FK_REASON_BRIGHT
    assert reason(flat(128), **limits) == lib.FK_REASON_BLANK
    photograph = Frame(data.astronaut(), 512, 512, PixelFormat.RGB888)
    assert reason(photograph, **limits) == lib.FK_REASON_KEPT


def test_the_limits_themselves_pass():
    assert reason(flat(20), dark_below=20) == lib.FK_REASON_KEPT
    assert reason(flat(235), bright_above=235) == lib.FK_REASON_KEPT
    edge = np.full((120, 160), 100, np.uint8)
    edge[:, 80:] = 110
    frame = Frame(edge, 160, 120, PixelFormat.GRAY8)
    assert reason(frame, contrast_below=10) == lib.FK_REASON_KEPT
    assert reason(frame, contrast_below=11) == lib.FK_REASON_BLANK


def test_limits_that_mean_never_drop_nothing():
    for level in (0, 255):
        assert reason(flat(level)) == lib.FK_REASON_KEPT


def test_a_lamp_covering_a_tenth_of_a_black_frame_keeps_it():
    night = np.zeros((120, 160), np.uint8)
    night[:, :16] = 200
    assert reason(Frame(night, 160, 120, PixelFormat.GRAY8), dark_below=20) == lib.FK_REASON_KEPT


def test_one_hot_row_does_not_save_a_dark_frame():
    night = np.zeros((120, 160), np.uint8)
    night[60] = 255
    frame = Frame(night, 160, 120, PixelFormat.GRAY8)
    assert reason(frame, dark_below=20) == lib.FK_REASON_DARK


def test_a_bad_frame_is_an_error_not_a_measurement():
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        screen(Frame(np.zeros(10, np.uint8), 4, 4, PixelFormat.GRAY8))
