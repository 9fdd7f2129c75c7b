"""On every emulated core the picture stages give the bytes that they give on the host."""

import numpy as np
import pytest
from framekeep_onboard import firmware, imaging, imaging_target
from framekeep_onboard.imaging import JpegMode, PixelFormat
from skimage import data

from tests.reference import pixels as twin

pytestmark = pytest.mark.qemu

BOARDS = list(firmware.BOARDS)
FORMATS = list(PixelFormat)


def frame(format: PixelFormat) -> imaging.Frame:
    """A photograph whose last MCUs stick out on two sides, rows with a gap."""
    return twin.pack(np.ascontiguousarray(data.chelsea()[40:157, 100:250]), format, gap=2)


@pytest.mark.parametrize("mode", JpegMode)
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("board", BOARDS)
def test_jpeg_files_are_the_hosts(board, format, mode):
    options = {"quality": 60, "mode": mode, "restart_interval": 10}
    file, counts = imaging_target.jpeg(board, frame(format), **options)
    assert file == imaging.jpeg(frame(format), **options)
    assert counts.instructions > 150 * 117  # it ran there


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("board", BOARDS)
def test_scaled_pictures_are_the_hosts(board, format):
    for channels in (1, 3):
        out, _ = imaging_target.scale(board, frame(format), 96, 96, channels=channels)
        np.testing.assert_array_equal(out, imaging.scale(frame(format), 96, 96, channels=channels))


@pytest.mark.parametrize("board", BOARDS)
def test_brightness_is_the_hosts(board):
    host = imaging.screen(frame(PixelFormat.RGB565BE))
    assert imaging_target.screen(board, frame(PixelFormat.RGB565BE))[0] == (host.mean, host.p5, host.p95)
