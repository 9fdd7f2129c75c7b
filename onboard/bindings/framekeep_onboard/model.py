"""A model image on the flight engine.

model = Model("person.fkm")
probabilities = model.run(x)          # int8 in, int8 out
score, box = model.score(1)           # of class 1, after a run
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framekeep_onboard._errors import check
from framekeep_onboard._fk import ffi, lib

Int8Array = npt.NDArray[np.int8]
Inputs = Int8Array | Sequence[Int8Array]
Uint8Array = npt.NDArray[np.uint8]
ALIGN = 16
_IO_BYTES, _TENSOR_BYTES, _OP_BYTES = 8, 32, 64


def _aligned(size: int) -> Uint8Array:
    """`size` bytes of zeros that begin at a multiple of ALIGN."""
    room = np.zeros(size + ALIGN, np.uint8)
    skip = -room.ctypes.data % ALIGN
    return room[skip : skip + size]


class Model:
    """A loaded image and an arena of its own."""

    def __init__(self, image: str | Path | bytes) -> None:
        blob = image if isinstance(image, bytes) else Path(image).read_bytes()
        self._image = _aligned(len(blob))
        self._image[:] = np.frombuffer(blob, np.uint8)
        self._fk = ffi.new("fk_model *")
        name = "model image" if isinstance(image, bytes) else str(image)
        check(lib.fk_model_load(self._fk, self._bytes(self._image), len(blob)), name)
        self._arena = _aligned(lib.fk_model_run_size(self._fk))
        self.id: str = bytes(self._fk.id).hex()
        self.width, self.height, self.channels = self._fk.width, self._fk.height, self._fk.channels
        self.labels = [
            ffi.string(lib.fk_model_label(self._fk, c)).decode() for c in range(self._fk.class_count)
        ]
        ports = self.input_count + self.output_count
        io = self._image[self._at(self._fk.io) :][: ports * _IO_BYTES].reshape(-1, _IO_BYTES)
        self._io = [int(n) for n in io[:, 0:2].copy().view("<u2")[:, 0]]

    @property
    def arena_size(self) -> int:
        """Bytes that an inference from a picture's rows needs."""
        return int(lib.fk_model_arena_size(self._fk))

    @property
    def input_count(self) -> int:
        return int(self._fk.input_count)

    @property
    def output_count(self) -> int:
        return int(self._fk.output_count)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shape(self._io[0])

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        return [self.shape(number) for number in self._io[: self.input_count]]

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        return [self.shape(number) for number in self._io[self.input_count :]]

    def run(self, x: Inputs) -> Int8Array | list[Int8Array]:
        """The int8 output for the int8 input `x`; lists where the model has several."""
        self._set_inputs(x)
        check(lib.fk_model_run(self._fk, self._bytes(self._arena), len(self._arena)), "run")
        outputs = [self.tensor(n) for n in self._io[self.input_count :]]
        return outputs[0] if len(outputs) == 1 else outputs

    def again(self) -> None:
        """Run once more on whatever is in the arena: for timing."""
        check(lib.fk_model_run(self._fk, self._bytes(self._arena), len(self._arena)), "run")

    def steps(self, x: Inputs) -> Iterator[tuple[int, Int8Array]]:
        """Runs operator by operator; yields each tensor's number and value, the input first."""
        self._set_inputs(x)
        for number in self._io[: self.input_count]:
            if not self.is_band(number):
                yield number, self.tensor(number)
        outputs = self.written()
        for index, output in enumerate(outputs):
            check(lib.fk_model_step(self._fk, self._bytes(self._arena), len(self._arena), index), "step")
            last = output not in outputs[index + 1 :]  # several operators may fill one tensor
            if last and not self.is_band(output):
                yield output, self.tensor(output)

    def written(self) -> list[int]:
        """The tensor that each operator writes."""
        records = self._image[self._at(self._fk.operators) :][: self._fk.operator_count * _OP_BYTES]
        return [int(n) for n in records.reshape(-1, _OP_BYTES)[:, 6:8].copy().view("<u2")[:, 0]]

    def input_numbers(self) -> list[int]:
        """The tensors of the inputs."""
        return self._io[: self.input_count]

    def infer(self, picture: Uint8Array) -> None:
        """Takes a picture of the model's size, grey or RGB 0..255, through the image's preprocessing."""
        wanted = (self.height, self.width, self.channels)
        rows = np.ascontiguousarray(picture, np.uint8).reshape(wanted)

        @ffi.callback("int(void *, unsigned, uint8_t *)")  # type: ignore[untyped-decorator]
        def row(_ctx: Any, y: int, out: Any) -> int:
            ffi.memmove(out, rows[y].tobytes(), rows[y].size)
            return 0

        source = ffi.new("fk_row_source *", {"ctx": ffi.NULL, "row": row})
        check(lib.fk_model_infer(self._fk, source, self._bytes(self._arena), len(self._arena)), "infer")

    def preprocess(self, picture: Uint8Array) -> Int8Array:
        """The input tensor that `infer` makes of a picture of the model's size."""
        rows = np.ascontiguousarray(picture, np.uint8).reshape(self.height, self.width, self.channels)
        luts = self._image[self._at(self._fk.luts) :][: 256 * self._fk.lut_count].reshape(-1, 256)
        if self._fk.order == lib.FK_ORDER_BGR:
            rows = rows[:, :, ::-1]
        mapped = [luts[c % len(luts)][rows[:, :, c]] for c in range(self.channels)]
        return np.stack(mapped, axis=-1).view(np.int8).reshape(self.input_shape)

    def score(self, class_index: int) -> tuple[int, tuple[int, int, int, int]]:
        """Score 0..255 of a class after a run; its box (x, y, width, height) in 1/65535 of the picture."""
        score, box = ffi.new("uint8_t *"), ffi.new("fk_box *")
        check(
            lib.fk_model_score(self._fk, self._bytes(self._arena), class_index, score, box),
            f"class {class_index}",
        )
        return int(score[0]), (box.x, box.y, box.width, box.height)

    def tensor(self, number: int) -> Int8Array:
        """A copy of tensor `number` as it is in the arena."""
        shape, offset = self.shape(number), int(self._record(number)[0:4].view("<u4")[0])
        size = int(np.prod(shape))
        return self._arena[offset : offset + size].view(np.int8).reshape(shape).copy()

    def put(self, number: int, values: Int8Array) -> None:
        """Overwrites tensor `number`, so that what follows is computed from `values`."""
        offset = int(self._record(number)[0:4].view("<u4")[0])
        self._write(offset, values.reshape(self.shape(number)))

    def _write(self, offset: int, values: Int8Array) -> None:
        dense = np.ascontiguousarray(values, np.int8).reshape(-1)
        self._arena[offset : offset + dense.size] = dense.view(np.uint8)

    def is_band(self, number: int) -> bool:
        """Is tensor `number` one of which only some rows are in memory at a time?"""
        return bool(self._record(number)[11])

    def shape(self, number: int) -> tuple[int, ...]:
        record = self._record(number)
        return tuple(int(n) for n in record[12:32].view("<u4")[: int(record[10])])

    def _record(self, number: int) -> Uint8Array:
        at = self._at(self._fk.tensors) + number * _TENSOR_BYTES
        return self._image[at : at + _TENSOR_BYTES].copy()

    def _at(self, pointer: Any) -> int:
        return int(pointer - self._fk.image)

    def _set_inputs(self, x: Inputs) -> None:
        arrays = [x] if isinstance(x, np.ndarray) else list(x)
        for number, array in zip(self._io[: self.input_count], arrays, strict=True):
            if array.dtype != np.int8:
                raise TypeError(f"the input is int8, not {array.dtype}")
            if self.is_band(number):  # the engine draws its rows from beyond the arena
                self._write(int(self._fk.whole_input), array)
            else:
                self.put(number, array.reshape(self.shape(number)))

    @staticmethod
    def _bytes(array: Uint8Array) -> Any:
        return ffi.cast("uint8_t *", array.ctypes.data)
