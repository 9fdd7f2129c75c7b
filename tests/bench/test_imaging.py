"""Host times of the picture stages beside those of Pillow (libjpeg-turbo, SIMD) and OpenCV.

Only ratios within one run mean something. The flight code is plain C made for a Cortex-M; a scaled picture is
pulled row by row, here through one Python call a row.
"""

import io

import cv2
import numpy as np
import pytest
from framekeep_onboard.imaging import Frame, JpegMode, PixelFormat, jpeg, scale
from PIL import Image
from skimage import data

RGB = np.ascontiguousarray(cv2.resize(data.astronaut(), (320, 240), interpolation=cv2.INTER_AREA))
FRAME = Frame(RGB, 320, 240, PixelFormat.RGB888)


def pillow(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=50, subsampling="4:2:0")
    return out.getvalue()


@pytest.mark.benchmark(group="jpeg 4:2:0, 320x240, quality 50")
class TestColour:
    def test_framekeep(self, benchmark):
        size = len(benchmark(jpeg, FRAME, quality=50))
        assert size < 1.01 * len(pillow(Image.fromarray(RGB)))

    def test_pillow(self, benchmark):
        benchmark(pillow, Image.fromarray(RGB))

    def test_opencv(self, benchmark):
        benchmark(cv2.imencode, ".jpg", RGB[..., ::-1].copy(), [cv2.IMWRITE_JPEG_QUALITY, 50])


@pytest.mark.benchmark(group="jpeg grey, 320x240, quality 50")
class TestGrey:
    GREY = np.asarray(Image.fromarray(RGB).convert("L")).copy()

    def test_framekeep(self, benchmark):
        frame = Frame(self.GREY, 320, 240, PixelFormat.GRAY8)
        benchmark(jpeg, frame, quality=50, mode=JpegMode.GREY)

    def test_pillow(self, benchmark):
        benchmark(pillow, Image.fromarray(self.GREY))


@pytest.mark.benchmark(group="area scaling, 320x240 to 96x96 rgb")
class TestScale:
    def test_framekeep(self, benchmark):
        ours = benchmark(scale, FRAME, 96, 96)
        assert np.abs(ours.astype(int) - cv2.resize(RGB, (96, 96), interpolation=cv2.INTER_AREA)).max() <= 1

    def test_opencv_area(self, benchmark):
        benchmark(cv2.resize, RGB, (96, 96), interpolation=cv2.INTER_AREA)

    def test_pillow_box(self, benchmark):
        benchmark(Image.fromarray(RGB).resize, (96, 96), Image.Resampling.BOX)
