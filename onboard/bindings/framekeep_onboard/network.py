"""A model image alone on an emulated microcontroller: its outputs, and what each run executed."""

import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from framekeep_onboard import count, firmware
from framekeep_onboard.count import Counts
from framekeep_onboard.model import Int8Array, Model

IMAGE = "network"
OUTPUTS_MAX = 4
_WHOLE, _STEPWISE, _TENSORS = 0, 1, 2  # modes of network.c
_JOB = struct.Struct(f"<4I{OUTPUTS_MAX}I")


@dataclass(frozen=True, slots=True)
class NetworkRun:
    """What a target made of the inputs."""

    outputs: list[list[Int8Array]]  # by input, then by output of the model
    counts: list[Counts]  # by input; or by input and operator


def run_network(
    target: str, image: bytes, inputs: Sequence[Int8Array], *, stepwise: bool = False, timeout: float = 600
) -> NetworkRun:
    """Run the model `image` on `target` for each of `inputs`.

    `stepwise` counts each operator by itself. Raises ToolError where the cross tools are missing or the
    image refuses: status 4 is a bad model image, 5 an arena that the board does not have.
    """
    shapes = Model(image).output_shapes
    rows, counts = _run(target, image, inputs, _STEPWISE if stepwise else _WHOLE, timeout)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    outputs = [
        [part.reshape(shape) for part, shape in zip(np.split(row, ends), shapes, strict=True)] for row in rows
    ]
    return NetworkRun(outputs, counts)


def run_tensors(
    target: str, image: bytes, inputs: Sequence[Int8Array], timeout: float = 600
) -> list[list[tuple[int, Int8Array]]]:
    """For each input what `Model.steps` gives on the host: the number and value of each tensor."""
    model = Model(image)
    written = model.written()
    sizes = [0 if model.is_band(number) else int(np.prod(model.shape(number))) for number in written]
    rows, _ = _run(target, image, inputs, _TENSORS, timeout, sum(sizes))
    found = []
    for x, row in zip(inputs, rows, strict=True):
        parts = np.split(row[: sum(sizes)], np.cumsum(sizes)[:-1])
        tensors = [(number, x) for number in model.input_numbers() if not model.is_band(number)]
        for index, (number, part) in enumerate(zip(written, parts, strict=True)):
            if part.size and number not in written[index + 1 :]:
                tensors.append((number, part.reshape(model.shape(number))))
        found.append(tensors)
    return found


def _run(  # noqa: PLR0917
    target: str,
    image: bytes,
    inputs: Sequence[Int8Array],
    mode: int,
    timeout: float,
    extra: int = 0,
) -> tuple[Int8Array, list[Counts]]:
    """What the target wrote, a row for each input: `extra` bytes, then the outputs."""
    sizes = [int(np.prod(shape)) for shape in Model(image).output_shapes]
    elf = firmware.image(target, IMAGE)
    with tempfile.TemporaryDirectory(prefix="framekeep-") as name:
        folder = Path(name)
        model = write_job(folder, image, inputs, mode)
        marks = [count.BEGIN, count.END]
        board = firmware.BOARDS[target]
        done = count.run(elf, board, folder, marks=marks, model=model, timeout=timeout)
        values = np.frombuffer((folder / "output.bin").read_bytes(), np.int8)
    return values.reshape(len(inputs), extra + sum(sizes)), done.between()


def write_job(folder: Path, image: bytes, inputs: Sequence[Int8Array], mode: int = _WHOLE) -> Path:
    """What the network image reads (onboard/boards/images/network.c); returns where the model lies."""
    sizes = [int(np.prod(shape)) for shape in Model(image).output_shapes]
    if len(sizes) > OUTPUTS_MAX:
        raise ValueError(f"a model of {len(sizes)} outputs; the image returns {OUTPUTS_MAX}")
    model = folder / "model.fkm"
    model.write_bytes(image)
    padding = [0] * (OUTPUTS_MAX - len(sizes))
    job = _JOB.pack(len(image), len(inputs), inputs[0].size, mode, *sizes, *padding)
    (folder / "job.bin").write_bytes(job)
    (folder / "input.bin").write_bytes(b"".join(x.astype(np.int8).tobytes() for x in inputs))
    return model
