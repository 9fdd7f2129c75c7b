"""Crop and scale: exact area averages, whatever the sizes."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.imaging import Fit, FkError, Frame, PixelFormat, Rect, crop_for, scale
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from tests.reference import pixels as twin
from tests.reference.camera import area_average

FORMATS = list(PixelFormat)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def expected(frame: Frame, width: int, height: int, channels: int, crop: Rect) -> np.ndarray:
    grey, rgb = twin.read(frame)
    picture = grey[..., None] if channels == 1 else rgb
    part = picture[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    return area_average(part, width, height)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("format", FORMATS)
def test_scaling_equals_the_twin_in_every_format(format, channels):
    frame = twin.pack(noise(160, 120), format, gap=5)
    whole = Rect(0, 0, 160, 120)
    for size in ((96, 96), (160, 120), (33, 7), (1, 1), (200, 150)):
        ours = scale(frame, *size, channels=channels)
        np.testing.assert_array_equal(ours, expected(frame, *size, channels, whole))


@st.composite
def jobs(draw):
    """A frame with a crop anywhere in it, down to one pixel at an edge, and an output size."""
    format = draw(st.sampled_from(FORMATS))
    width, height = draw(st.integers(1, 90)), draw(st.integers(1, 40))
    width += width % 2 if format == PixelFormat.YUYV else 0
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    crop = Rect(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    frame = twin.pack(noise(width, height, draw(st.integers(0, 99))), format, gap=draw(st.integers(0, 3)))
    return frame, crop, draw(st.integers(1, 70)), draw(st.integers(1, 30)), draw(st.sampled_from([1, 3]))


@settings(max_examples=150, deadline=None)
@given(jobs())
def test_any_crop_to_any_size_equals_the_twin(job):
    frame, crop, width, height, channels = job
    ours = scale(frame, width, height, channels=channels, crop=crop)
    np.testing.assert_array_equal(ours, expected(frame, width, height, channels, crop))


@pytest.mark.parametrize(("width", "height"), [(4096, 3), (3, 4096), (4096, 4096)])
def test_sums_do_not_overflow_at_the_largest_sides(width, height):
    frame = Frame(np.full(width * height, 255, np.uint8), width, height, PixelFormat.GRAY8)
    for size in ((1, 1), (2, 3)):
        assert set(scale(frame, *size, channels=1).flat) == {255}
    picture = np.random.default_rng(1).integers(0, 256, (height, width), np.uint8)
    frame = Frame(picture, width, height, PixelFormat.GRAY8)
    np.testing.assert_array_equal(scale(frame, 5, 2, channels=1), area_average(picture[..., None], 5, 2))


def test_enlarging_to_the_largest_sides_keeps_every_pixel():
    frame = Frame(np.array([0, 255], np.uint8), 2, 1, PixelFormat.GRAY8)
    row = scale(frame, 4096, 1, channels=1)[0, :, 0]
    assert (row[:2048] == 0).all()
    assert (row[2048:] == 255).all()


@pytest.mark.parametrize("size", [(96, 96), (64, 48), (224, 224)])
def test_a_photograph_scales_as_opencv_does_it(size):
    picture = data.astronaut()
    ours = scale(Frame(picture, 512, 512, PixelFormat.RGB888), *size)
    theirs = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    assert np.abs(ours.astype(int) - theirs).max() <= 1  # OpenCV sums in floating point


@given(
    width=st.integers(1, 4096), height=st.integers(1, 4096),
    out_w=st.integers(1, 4096), out_h=st.integers(1, 4096),
)  # fmt: skip
def test_the_crop_is_centred_and_has_the_outputs_aspect(width, height, out_w, out_h):
    frame = ffi.new("fk_frame *", {"width": width, "height": height})
    rect = ffi.new("fk_rect *")
    assert lib.fk_camera_crop(rect, frame, lib.FK_CAMERA_CROP, out_w, out_h) == 0
    assert rect.width == width or rect.height == height
    assert 1 <= rect.width <= width
    assert 1 <= rect.height <= height
    assert 0 <= width - rect.width - 2 * rect.x <= 1
    assert 0 <= height - rect.height - 2 * rect.y <= 1
    exact_w, exact_h = min(width, height * out_w / out_h), min(height, width * out_h / out_w)
    assert abs(rect.width - max(exact_w, 1)) <= 0.5
    assert abs(rect.height - max(exact_h, 1)) <= 0.5


@pytest.mark.parametrize(
    ("frame", "out", "size"), [((5, 3), (3, 2), (5, 3)), ((9, 3), (3, 2), (5, 3)), ((3, 9), (2, 3), (3, 5))]
)
def test_half_a_pixel_of_the_crop_counts_as_a_whole_one(frame, out, size):
    view, rect = ffi.new("fk_frame *", {"width": frame[0], "height": frame[1]}), ffi.new("fk_rect *")
    assert lib.fk_camera_crop(rect, view, lib.FK_CAMERA_CROP, *out) == 0
    assert (rect.width, rect.height) == size  # 4.5 is cut to 5


def tiles(whole, across, down):
    """All parts of `whole`, as the flight code cuts them."""
    rect, out = ffi.new("fk_rect *", whole), ffi.new("fk_rect *")
    for index in range(across * down):
        assert lib.fk_camera_tile(out, rect, across, down, index) == 0
        yield out.x, out.y, out.width, out.height


@given(
    whole=st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(64, 4096), st.integers(64, 4096)),
    across=st.integers(1, 16),
    down=st.integers(1, 16),
)
def test_tiles_cover_all_and_share_a_quarter_with_the_next(whole, across, down):
    x, y, width, height = whole
    parts = list(tiles(whole, across, down))
    for side, begin, size, count, step in ((0, x, width, across, 1), (1, y, height, down, across)):
        starts = [parts[i * step][side] for i in range(count)]
        length = parts[0][side + 2]
        assert all(part[side + 2] == length for part in parts)
        assert starts[0] == begin
        assert starts[-1] + length == begin + size
        assert abs(length - size / (1 + 0.75 * (count - 1))) <= 1
        for here, after in pairwise(starts):
            assert abs((here + length - after) / length - 0.25) <= 2.5 / length
    assert parts == [
        (parts[i % across][0], parts[i - i % across][1], *parts[0][2:]) for i in range(across * down)
    ]


def test_a_tile_that_is_not_there_is_refused():
    out = ffi.new("fk_rect *", (7, 7, 7, 7))
    whole = ffi.new("fk_rect *", (0, 0, 10, 10))
    for across, down, index in [(0, 1, 0), (1, 0, 0), (2, 2, 4), (256, 1, 0), (1, 256, 0), (14, 1, 0)]:
        assert lib.fk_camera_tile(out, whole, across, down, index) == lib.FK_ERR_INVAL
        assert (out.x, out.y, out.width, out.height) == (7, 7, 7, 7)


def window(whole, box, width, height):
    rect, out = ffi.new("fk_rect *", [0, 0, *whole]), ffi.new("fk_rect *")
    assert lib.fk_camera_window(out, rect, ffi.new("fk_box *", box), width, height) == 0
    return out.x, out.y, out.width, out.height


@given(
    whole=st.tuples(st.integers(2, 4096), st.integers(2, 4096)),
    part=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    box=st.tuples(*[st.integers(0, 65535)] * 4),
)
def test_a_window_has_its_size_and_is_as_near_to_the_object_as_it_can(whole, part, box):
    width, height = (max(1, round(share * side)) for share, side in zip(part, whole, strict=True))
    x, y, *size = window(whole, box, width, height)
    assert size == [width, height]
    assert x % 2 == 0
    known = box if box[2] and box[3] else (0, 0, 65535, 65535)
    for begin, length, side, at, wide in ((x, width, 0, 0, 2), (y, height, 1, 1, 3)):
        assert 0 <= begin <= whole[side] - length
        middle = (known[at] + known[wide] / 2) * whole[side] / 65535
        best = min(max(middle - length / 2, 0), whole[side] - length)
        assert -2.01 <= begin - best <= 0.01


def test_windows_by_hand():
    quarter = (16384, 32768, 16384, 0x2000)  # x 25 %..50 %, y 50 %..62.5 % of 320 x 240: middle 120, 135
    assert window((320, 240), quarter, 100, 80) == (70, 95, 100, 80)
    assert window((320, 240), quarter, 300, 230) == (0, 10, 300, 230)
    assert window((320, 240), (0, 0, 0, 0), 100, 80) == (110, 80, 100, 80)
    assert window((320, 240), quarter, 320, 240) == (0, 0, 320, 240)


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (321, 1), (1, 241)])
def test_a_window_that_is_no_part_is_refused(size):
    whole, out = ffi.new("fk_rect *", [0, 0, 320, 240]), ffi.new("fk_rect *", [7, 7, 7, 7])
    box = ffi.new("fk_box *")
    assert lib.fk_camera_window(out, whole, box, *size) == lib.FK_ERR_INVAL
    assert lib.fk_camera_window(out, ffi.new("fk_rect *", [1, 0, 320, 240]), box, 5, 5) == lib.FK_ERR_INVAL
    assert (out.x, out.y, out.width, out.height) == (7, 7, 7, 7)


def test_stretch_shows_the_whole_frame():
    frame = twin.pack(noise(160, 120), PixelFormat.RGB565BE)
    assert crop_for(frame, Fit.STRETCH, 96, 96) == Rect(0, 0, 160, 120)
    assert crop_for(frame, Fit.CROP, 96, 96) == Rect(20, 0, 120, 120)
    assert crop_for(frame, Fit.CROP, 160, 60) == Rect(0, 30, 160, 60)
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        crop_for(frame, 2, 96, 96)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"crop": Rect(0, 0, 0, 1)},
        {"crop": Rect(0, 0, 1, 0)},
        {"crop": Rect(10, 0, 11, 1)},
        {"crop": Rect(0, 19, 1, 2)},
        {"crop": Rect(65535, 0, 2, 1)},
        {"width": 0},
        {"height": 0},
        {"width": 4097},
        {"height": 4097, "row": 5},
        {"channels": 0},
        {"channels": 2},
        {"channels": 4},
        {"row": 8},
    ],
)
def test_what_makes_no_sense_is_refused(change):
    frame = twin.pack(noise(20, 20), PixelFormat.RGB888)
    job = {"width": 8, "height": 8, "channels": 3, "row": 7, "crop": Rect(0, 0, 20, 20)}

    def run(width, height, channels, row, crop):
        rect = ffi.new("fk_rect *", (crop.x, crop.y, crop.width, crop.height))
        out, scratch = ffi.new("uint8_t[]", 1 << 14), ffi.new("uint32_t[]", 1 << 14)
        scaling, view = ffi.new("fk_scaling *"), frame.view()
        begun = lib.fk_camera_scale_begin(scaling, view, rect, width, height, channels, scratch, 1 << 14)
        return begun if begun < 0 else lib.fk_camera_scale_row(scaling, row, out)

    assert run(**job) == 24
    assert run(**job | change) == lib.FK_ERR_INVAL


def test_short_scratch_is_refused() -> None:
    frame = twin.pack(noise(20, 20), PixelFormat.RGB888)
    words = lib.fk_camera_scale_scratch_words(8, 3)
    scaling, scratch, view = ffi.new("fk_scaling *"), ffi.new("uint32_t[]", words), frame.view()
    args = (scaling, view, ffi.NULL, 8, 8, 3, scratch)
    assert lib.fk_camera_scale_begin(*args, words - 1) == lib.FK_ERR_TOOSMALL
    assert lib.fk_camera_scale_begin(*args, words) == 24


@settings(max_examples=300)
@given(st.data())
def test_spare_scratch_and_the_order_of_rows_change_nothing(data: st.DataObject) -> None:
    sides = st.integers(1, 40)
    height, width, out_w, out_h = (data.draw(sides) for _ in range(4))
    format = data.draw(st.sampled_from(list(PixelFormat)))
    frame = twin.pack(noise(width + width % 2, height), format)
    channels = data.draw(st.sampled_from((1, 3)))
    plain = scale(frame, out_w, out_h, channels=channels, spare=False)
    np.testing.assert_array_equal(scale(frame, out_w, out_h, channels=channels), plain)
    rows = data.draw(st.permutations(range(out_h)))
    np.testing.assert_array_equal(scale(frame, out_w, out_h, channels=channels, rows=rows), plain)
