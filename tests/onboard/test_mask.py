"""Masks: what they cover is gone from the frame buffer, and nothing else is touched."""

import numpy as np
import pytest
from framekeep_onboard.imaging import FkError, Frame, PixelFormat, Rect, mask, screen
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import pixels as twin

FORMATS = list(PixelFormat)


def noise(format: PixelFormat, width: int, height: int, seed: int) -> Frame:
    values = np.random.default_rng(seed).integers(1, 256, (height, width, 3)).astype(np.uint8)
    return twin.pack(values, format, gap=3)


def even(rect: Rect) -> Rect:
    return Rect(rect.x // 2 * 2, rect.y, (rect.width + 1) // 2 * 2, rect.height)


def covered(frame: Frame, rect: Rect) -> np.ndarray:
    where = np.zeros((frame.height, frame.width), bool)
    where[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width] = True
    return where


@st.composite
def rects(draw: st.DrawFn, width: int = 40, height: int = 30) -> Rect:
    x, y = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 1))
    return even(Rect(x, y, draw(st.integers(1, width - 1 - x)), draw(st.integers(1, height - y))))


@settings(max_examples=100, deadline=None)
@given(format=st.sampled_from(FORMATS), rect=rects(), seed=st.integers(0, 9))
def test_inside_is_black_and_outside_is_what_it_was(format: PixelFormat, rect: Rect, seed: int) -> None:
    frame = noise(format, 40, 30, seed)
    before = frame.data.copy()
    _, rgb = twin.read(frame)
    rgb = rgb.copy()
    mask(frame, rect)
    luma_after, rgb_after = twin.read(frame)
    where = covered(frame, rect)
    assert not luma_after[where].any() and not rgb_after[where].any()
    assert (rgb_after[~where] == rgb[~where]).all()
    pixel = before.shape[1] // 40  # bytes; what lies between the rows is nobody's pixel and stays
    kept = np.ones(before.shape, bool)
    kept[:, : 40 * pixel] = ~np.repeat(where, pixel, axis=1)
    assert (frame.data[kept] == before[kept]).all()


@pytest.mark.parametrize("rect", [Rect(39, 0, 2, 1), Rect(0, 29, 1, 2), Rect(65535, 65535, 65535, 65535)])
@pytest.mark.parametrize("format", FORMATS)
def test_a_mask_outside_the_frame_is_refused_and_nothing_written(format: PixelFormat, rect: Rect) -> None:
    frame = noise(format, 40, 30, 1)
    before = frame.data.copy()
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        mask(frame, rect)
    assert (frame.data == before).all()


@pytest.mark.parametrize("rect", [Rect(1, 0, 2, 1), Rect(0, 0, 3, 1)])
def test_half_a_pair_of_yuyv_cannot_be_masked(rect: Rect) -> None:
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        mask(noise(PixelFormat.YUYV, 40, 30, 1), rect)


@settings(max_examples=60, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    masks=st.lists(rects(300, 200), min_size=1, max_size=4),
    seed=st.integers(0, 9),
)
def test_the_screen_measures_what_is_not_masked(format: PixelFormat, masks: list[Rect], seed: int) -> None:
    frame = noise(format, 300, 200, seed)
    seen = np.ones((200, 300), bool)
    for rect in masks:
        mask(frame, rect)
        seen &= ~covered(frame, rect)
    stats = screen(frame, masks)
    start, step = stats.step // 2, stats.step
    luma = twin.read(frame)[0][start::step, start::step][seen[start::step, start::step]]
    assert stats.samples == luma.size
    if luma.size:
        p5, p95 = (int(np.percentile(luma, p, method="inverted_cdf")) for p in (5, 95))
        assert (stats.mean, stats.p5, stats.p95) == (int(np.floor(luma.mean() + 0.5)), p5, p95)


def test_with_all_masked_there_is_nothing_to_measure() -> None:
    stats = screen(noise(PixelFormat.GRAY8, 40, 30, 1), [Rect(0, 0, 40, 30)])
    assert (stats.samples, stats.mean, stats.p5, stats.p95) == (0, 0, 0, 0)
