"""Pictures as a camera delivers them, against Pillow and OpenCV."""

from datetime import UTC, datetime
from fractions import Fraction

import cv2
import numpy as np
import pytest
from framekeep_sim.camera import decode, encode, fit, to_frame
from framekeep_sim.mission import Camera, Fit, PixelFormat, Rect
from PIL import Image

RGB = np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8)


def camera(pixel_format: PixelFormat, how: Fit = Fit.LETTERBOX, size: tuple[int, int] = (64, 48)) -> Camera:
    return Camera(pixel_format, *size, Rect(), how, Fraction(1), datetime(2026, 1, 1, tzinfo=UTC))


def test_grey_is_pillows() -> None:
    assert encode(RGB, PixelFormat.GRAY8) == Image.fromarray(RGB).convert("L").tobytes()


def test_rgb565_is_opencvs_in_both_byte_orders() -> None:
    opencv = cv2.cvtColor(RGB, cv2.COLOR_RGB2BGR565).tobytes()
    assert encode(RGB, PixelFormat.RGB565LE) == opencv
    assert encode(RGB, PixelFormat.RGB565BE) == np.frombuffer(opencv, np.uint16).byteswap().tobytes()


def test_yuyv_is_jfif_with_the_chroma_of_two_pixels_shared() -> None:
    flat = np.repeat(RGB[:, ::2], 2, axis=1)  # pairs of equal pixels: nothing to average
    packed = np.frombuffer(encode(flat, PixelFormat.YUYV), np.uint8).reshape(48, 32, 4).astype(int)
    pillow = np.asarray(Image.fromarray(flat).convert("YCbCr")).astype(int)
    exact = flat.astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(packed[..., 0] - exact[:, ::2]).max() <= 0.501
    assert np.abs(packed[..., 1] - pillow[:, ::2, 1]).max() <= 1
    assert np.abs(packed[..., 3] - pillow[:, ::2, 2]).max() <= 1


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_what_people_see_is_what_the_camera_saw(pixel_format: PixelFormat) -> None:
    pairs = np.repeat(RGB[:, ::2], 2, axis=1)  # so that YUYV's shared chroma loses nothing
    seen = decode(encode(pairs, pixel_format), camera(pixel_format)).astype(int)
    error = np.abs(seen - pairs)
    if pixel_format is PixelFormat.GRAY8:
        error = np.abs(seen[..., 0] - np.asarray(Image.fromarray(pairs).convert("L")).astype(int))
    most = {PixelFormat.RGB888: 0, PixelFormat.GRAY8: 0, PixelFormat.YUYV: 2}.get(pixel_format, 7)
    assert error.max() <= most


def test_letterbox_shows_the_whole_picture_between_black_bars() -> None:
    white = Image.new("RGB", (30, 60), "white")
    seen = np.asarray(fit(white, camera(PixelFormat.RGB888)))
    assert (seen[:, 20:44] == 255).all()  # 48 high, so 24 wide, in the middle of 64
    assert (seen[:, :20] == 0).all() and (seen[:, 44:] == 0).all()


def test_crop_fills_the_frame_and_keeps_the_shape() -> None:
    wide = Image.new("RGB", (200, 48), "white")
    wide.paste("red", (0, 0, 68, 48))  # what is left of the middle 64
    wide.paste("red", (132, 0, 200, 48))
    seen = np.asarray(fit(wide, camera(PixelFormat.RGB888, Fit.CROP)))
    assert (seen == 255).all()


@pytest.mark.parametrize("size", [(65535, 2), (2, 65535)])
def test_a_picture_as_thin_as_a_hair_is_cut_before_it_is_enlarged(size, monkeypatch) -> None:
    middle = tuple(side // 2 for side in size)
    picture = Image.new("RGB", size, "blue")
    picture.paste("red", (middle[0] - 8, middle[1] - 8, middle[0] + 8, middle[1] + 8))
    made = []
    resize = Image.Image.resize

    def watched(self, size, *more, **named):
        made.append(size[0] * size[1])
        return resize(self, size, *more, **named)

    monkeypatch.setattr(Image.Image, "resize", watched)
    seen = np.asarray(fit(picture, camera(PixelFormat.RGB888, Fit.CROP)))
    assert (seen == (255, 0, 0)).all()  # two or three pixels' length of the middle fills the frame
    assert max(made) == 64 * 48


def test_stretch_shows_all_and_fills_the_frame() -> None:
    halves = Image.new("RGB", (100, 10), "white")
    halves.paste("black", (0, 0, 50, 10))
    seen = np.asarray(fit(halves, camera(PixelFormat.RGB888, Fit.STRETCH)))
    assert (seen[:, :28] == 0).all() and (seen[:, 36:] == 255).all()


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"]
)
def test_every_kind_of_picture_becomes_a_frame(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((10, 10), 0x8000, np.uint16))
    else:
        picture = Image.new("L", (10, 10), 128).convert("RGB" if mode in ("LAB", "YCbCr", "CMYK") else "L")
        picture = picture.convert("LA").convert("PA") if mode == "PA" else picture
        picture = Image.new(mode, (10, 10)) if mode == "LAB" else picture.convert(mode)
    assert len(to_frame(picture, camera(PixelFormat.RGB888))) == 64 * 48 * 3


def test_sixteen_bits_are_cut_to_eight() -> None:
    picture = Image.fromarray(np.full((48, 64), 0x8123, np.uint16))
    assert set(to_frame(picture, camera(PixelFormat.GRAY8))) == {0x81}


def test_a_picture_is_turned_as_the_camera_was_held(tmp_path) -> None:
    upright = Image.new("RGB", (48, 64), "white")
    upright.paste("black", (0, 0, 48, 32))
    exif = upright.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    upright.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as picture:
        seen = np.frombuffer(to_frame(picture, camera(PixelFormat.GRAY8)), np.uint8).reshape(48, 64)
    assert (seen[:, :32] == 255).all() and (seen[:, 32:] == 0).all()
