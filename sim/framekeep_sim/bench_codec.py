"""What encoding, scaling and screening a frame takes: instructions on emulated cores, time here, bytes."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from framekeep_onboard import firmware, imaging, imaging_target
from framekeep_onboard.count import Counts
from framekeep_onboard.imaging import Frame, JpegMode, PixelFormat
from PIL import Image

from framekeep_sim import camera, mission

WIDTH, HEIGHT = 320, 240
QUALITY = 50
MODEL_SIDE = 96  # what most models of this size look at
BOARDS = ("qemu-m4", "qemu-m7", "qemu-m55")  # the F405's core is that of qemu-m4
SOURCES = ("jpeg", "fdct", "entropy", "load", "tables")  # onboard/src/codec

_KEPT = re.compile(r"0x[0-9a-f]*[1-9a-f][0-9a-f]*\s+(0x[0-9a-f]+) \S*libframekeep\.a\((\w+)\.c\.obj\)")


@dataclass(frozen=True, slots=True)
class Row:
    """One stage on one core."""

    stage: str
    format: str
    board: str
    instructions: int  # for the whole frame
    instructions_per_pixel: float  # of the frame
    cycles_per_pixel: float  # modelled, Cortex-M4
    host_us: float  # the same frame on this computer through the bindings, best of several
    bytes: int = 0  # of the JPEG file


def run(boards: Sequence[str] = BOARDS) -> dict[str, Any]:
    """Everything that can be measured of the picture stages, ready for JSON."""
    whole = _host_file(0)
    return {
        "picture": f"scikit-image's astronaut, {WIDTH}x{HEIGHT}, quality {QUALITY}",
        "rows": [asdict(row) for board in boards for row in _rows(board)],
        "flash_bytes": _flash_bytes(boards[0]),
        "scratch_bytes": imaging.JPEG_SCRATCH_BYTES,
        "restart_interval_10_costs_percent": round(100 * (_host_file(10) / whole - 1), 2),
    }


def frame(pixel_format: PixelFormat) -> Frame:
    """A photograph as a camera of this format delivers it."""
    original = Image.open(Path(str(files("skimage"))) / "data" / "astronaut.png").convert("RGB")
    picture = original.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    packed = camera.encode(np.asarray(picture), mission.PixelFormat[pixel_format.name])
    return Frame(np.frombuffer(packed, np.uint8).copy(), WIDTH, HEIGHT, pixel_format)


def _rows(board: str) -> Iterator[Row]:
    for view in map(frame, PixelFormat):
        for mode in JpegMode:
            if mode is JpegMode.GREY or view.format is not PixelFormat.GRAY8:
                yield _jpeg(board, view, mode)
        for channels in (1, 3):
            yield _scale(board, view, channels)
        yield _screen(board, view)


def _jpeg(board: str, view: Frame, mode: JpegMode) -> Row:
    file, counts = imaging_target.jpeg(board, view, quality=QUALITY, mode=mode)
    here = partial(imaging.jpeg, view, quality=QUALITY, mode=mode, capacity=len(file))
    return replace(_row(f"jpeg {mode.name}", board, view, counts, here), bytes=len(file))


def _scale(board: str, view: Frame, channels: int) -> Row:
    _, counts = imaging_target.scale(board, view, MODEL_SIDE, MODEL_SIDE, channels=channels)
    here = partial(imaging.scale, view, MODEL_SIDE, MODEL_SIDE, channels=channels)
    name = f"scale to {MODEL_SIDE}x{MODEL_SIDE} {'grey' if channels == 1 else 'rgb'}"
    return _row(name, board, view, counts, here)


def _screen(board: str, view: Frame) -> Row:
    _, counts = imaging_target.screen(board, view)
    return _row("screen", board, view, counts, partial(imaging.screen, view))


def _row(stage: str, board: str, view: Frame, counts: Counts, here: Callable[[], object]) -> Row:
    pixels = view.width * view.height
    return Row(
        stage,
        view.format.name,
        board,
        counts.instructions,
        round(counts.instructions / pixels, 2),
        round(counts.cycles / pixels, 2),
        round(_best_us(here), 1),
    )


def _best_us(call: Callable[[], object], rounds: int = 5) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1e6 * best


def _host_file(restart_interval: int) -> int:
    view = frame(PixelFormat.RGB888)
    return len(imaging.jpeg(view, quality=QUALITY, restart_interval=restart_interval))


def _flash_bytes(board: str) -> int:
    """Code and tables of the codec in the linked image, by the linker's map."""
    text = (firmware.build(board) / f"{imaging_target.IMAGE}.map").read_text()
    return sum(int(size, 16) for size, source in _KEPT.findall(text) if source in SOURCES)
