"""The picture stages on an emulated Cortex-M: the same calls as in `imaging`, their results and counts."""

import struct
import tempfile
from pathlib import Path

import numpy as np

from framekeep_onboard import count, firmware
from framekeep_onboard.count import Counts
from framekeep_onboard.imaging import U8, Frame, JpegMode

IMAGE = "imaging"

# job.bin of onboard/boards/images/imaging.c
_JOB = struct.Struct("<8I")
_JPEG, _SCALE, _SCREEN = 0, 1, 2


def jpeg(
    board: str, frame: Frame, *, quality: int, mode: JpegMode, restart_interval: int = 0
) -> tuple[bytes, Counts]:
    """Encode `frame` on `board`: the file, and what it took."""
    return _run(board, frame, _JPEG, (quality, mode, restart_interval))


def scale(board: str, frame: Frame, width: int, height: int, *, channels: int) -> tuple[U8, Counts]:
    """Scale the whole of `frame` on `board` to (height, width, channels)."""
    out, counts = _run(board, frame, _SCALE, (width, height, channels))
    return np.frombuffer(out, np.uint8).reshape(height, width, channels), counts


def screen(board: str, frame: Frame) -> tuple[tuple[int, int, int], Counts]:
    """Mean, 5th and 95th percentile of brightness of `frame`, as `board` measures them."""
    out, counts = _run(board, frame, _SCREEN, (0, 0, 0))
    return (out[0], out[1], out[2]), counts


def _run(board: str, frame: Frame, stage: int, settings: tuple[int, int, int]) -> tuple[bytes, Counts]:
    stride = frame.data.size // frame.height
    job = _JOB.pack(stage, frame.format, frame.width, frame.height, stride, *settings)
    with tempfile.TemporaryDirectory(prefix="framekeep-") as name:
        folder = Path(name)
        (folder / "job.bin").write_bytes(job)
        (folder / "input.bin").write_bytes(frame.data.tobytes())
        elf = firmware.image(board, IMAGE)
        done = count.run(elf, firmware.BOARDS[board], folder, marks=(count.BEGIN, count.END))
        return (folder / "output.bin").read_bytes(), done.between()[0]


__all__ = ["IMAGE", "jpeg", "scale", "screen"]
