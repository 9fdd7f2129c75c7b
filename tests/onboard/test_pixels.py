"""Pixels are read the same in every format, and nothing outside a frame is read."""

import numpy as np
import pytest
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.imaging import FkError, Frame, PixelFormat, gray_span, rgb_span
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.reference import pixels as twin

FORMATS = list(PixelFormat)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("format", FORMATS)
def test_a_row_equals_the_twin_in_every_format(format):
    frame = twin.pack(noise(64, 5), format, gap=7)
    grey, rgb = twin.read(frame)
    for y in range(5):
        np.testing.assert_array_equal(gray_span(frame, 0, y, 64), grey[y])
        np.testing.assert_array_equal(rgb_span(frame, 0, y, 64), rgb[y])


@given(
    format=st.sampled_from(FORMATS),
    start=st.integers(0, 40),
    count=st.integers(0, 40),
    step=st.integers(1, 50),
)
def test_a_span_equals_that_part_of_the_row(format, start, count, step):
    frame = twin.pack(noise(40, 2), format)
    grey, rgb = twin.read(frame)
    wanted = grey[1, start::step][:count]
    if len(wanted) < count:
        with pytest.raises(FkError, match="FK_ERR_INVAL"):
            gray_span(frame, start, 1, count, step)
    else:
        np.testing.assert_array_equal(gray_span(frame, start, 1, count, step), wanted)
    if start + count > 40:
        with pytest.raises(FkError, match="FK_ERR_INVAL"):
            rgb_span(frame, start, 1, count)
    else:
        np.testing.assert_array_equal(rgb_span(frame, start, 1, count), rgb[1, start : start + count])


def test_luma_of_rgb888_is_pillows():
    picture = noise(256, 64)
    frame = twin.pack(picture, PixelFormat.RGB888)
    ours = np.stack([gray_span(frame, 0, y, 256) for y in range(64)])
    np.testing.assert_array_equal(ours, np.asarray(Image.fromarray(picture).convert("L")))


def test_luma_of_every_rgb565_is_within_rounding_of_the_real_number():
    v = np.arange(65536)
    frame = Frame(v.astype("<u2").view(np.uint8), 4096, 16, PixelFormat.RGB565LE)
    ours = np.concatenate([gray_span(frame, 0, y, 4096) for y in range(16)])
    exact = 255 * (0.299 * (v >> 11) / 31 + 0.587 * (v >> 5 & 63) / 63 + 0.114 * (v & 31) / 31)
    assert np.abs(ours - exact).max() < 0.502  # half a step, and weights in 1/65536 times 255
    assert ours[0] == 0
    assert ours[-1] == 255


def test_every_yuv_becomes_the_nearest_rgb_of_jfif():
    u, v = np.meshgrid(np.arange(256), np.arange(256))
    for y in (0, 1, 100, 254, 255):
        quad = np.stack([np.full_like(u, y), u, np.full_like(u, y), v], -1).astype(np.uint8)
        frame = Frame(np.ascontiguousarray(quad.reshape(256, -1)), 512, 256, PixelFormat.YUYV)
        ours = np.stack([rgb_span(frame, 0, row, 512) for row in range(256)])[:, ::2]
        exact = np.stack(
            [
                y + 1.402 * (v - 128),
                y - 0.344136286 * (u - 128) - 0.714136286 * (v - 128),
                y + 1.772 * (u - 128),
            ],
            -1,
        )
        assert np.abs(ours - np.clip(exact, 0, 255)).max() < 0.505


def test_both_byte_orders_of_rgb565_show_the_same():
    picture = noise(32, 1)
    little, big = (twin.pack(picture, f) for f in (PixelFormat.RGB565LE, PixelFormat.RGB565BE))
    np.testing.assert_array_equal(big.data, little.data.reshape(-1, 2)[:, ::-1].reshape(1, -1))
    np.testing.assert_array_equal(rgb_span(little, 0, 0, 32), rgb_span(big, 0, 0, 32))
    np.testing.assert_array_equal(gray_span(little, 0, 0, 32), gray_span(big, 0, 0, 32))


def test_white_stays_white_and_black_black_in_every_format():
    for format in FORMATS:
        for level in (0, 255):
            frame = twin.pack(np.full((2, 4, 3), level, np.uint8), format)
            assert set(gray_span(frame, 0, 0, 4)) == {level}
            assert set(rgb_span(frame, 0, 1, 4).flat) == {level}


def view(**changes):
    data = ffi.new("uint8_t[]", 1000)
    fields = dict(data=data, size=1000, stride=40, width=20, height=25, format=PixelFormat.YUYV)
    return ffi.new("fk_frame *", fields | changes), data


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 5},
        {"format": 255},
        {"width": 0},
        {"height": 0},
        {"width": 19},  # a YUYV pair cut in half
        {"stride": 39},
        {"size": 999},
        {"height": 26},
        {"data": ffi.NULL},
        {"width": 4098, "size": 1 << 40, "stride": 1 << 20},
        {"height": 4097, "size": 1 << 40},
        {"stride": 0xFFFFFFFF},  # 25 rows of it would wrap around in 32 bits
        {"format": PixelFormat.RGB888},
    ],
)
def test_a_frame_that_does_not_fit_its_buffer_is_refused(changes):
    frame, _keep = view()
    assert lib.fk_frame_check(frame) == 0
    frame, _keep = view(**changes)
    assert lib.fk_frame_check(frame) == lib.FK_ERR_INVAL


def test_the_last_row_needs_no_padding_behind_it():
    frame, _keep = view(stride=42, height=24, size=42 * 23 + 40)
    assert lib.fk_frame_check(frame) == 0


def test_python_names_the_formats_as_the_header_does():
    for format in PixelFormat:
        assert getattr(lib, f"FK_PIXEL_{format.name}") == format


@settings(max_examples=60, deadline=None)
@given(data=st.data(), format=st.sampled_from(list(PixelFormat)), gap=st.integers(0, 5))
def test_a_part_of_a_frame_shows_the_same_pixels_and_no_others(
    data: st.DataObject, format: PixelFormat, gap: int
) -> None:
    values = np.random.default_rng(3).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    frame = twin.pack(values, format, gap=gap)
    step = 2 if format is PixelFormat.YUYV else 1
    x = data.draw(st.integers(0, 12 // step - 1)) * step
    width = data.draw(st.integers(1, (12 - x) // step)) * step
    y = data.draw(st.integers(0, 8))
    height = data.draw(st.integers(1, 9 - y))
    part, view = ffi.new("fk_frame *"), frame.view()
    assert lib.fk_frame_part(part, view, ffi.new("fk_rect *", [x, y, width, height])) == 0
    assert lib.fk_frame_check(part) == 0
    out = ffi.new("uint8_t[]", width)
    grey, _ = twin.read(frame)
    for row in range(height):
        assert lib.fk_pixels_gray(out, part, 0, row, width) == width
        assert bytes(out) == grey[y + row, x : x + width].tobytes()
    for bad in ([x, y, 0, 1], [x, y, 1, 0], [x, y, 13 - x, 1], [x, y, 2, 10 - y], [0xFFFF, 0, 2, 1]):
        assert lib.fk_frame_part(part, view, ffi.new("fk_rect *", bad)) == lib.FK_ERR_INVAL
    if step == 2:
        assert lib.fk_frame_part(part, view, ffi.new("fk_rect *", [1, 0, 2, 1])) == lib.FK_ERR_INVAL
        assert lib.fk_frame_part(part, view, ffi.new("fk_rect *", [0, 0, 3, 1])) == lib.FK_ERR_INVAL
