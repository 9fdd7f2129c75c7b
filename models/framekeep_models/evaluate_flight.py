"""A model as it flies: the image's own preprocessing and kernels, fed by the camera stage, called from
Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from framekeep_onboard import FkError, check
from framekeep_onboard._fk import ffi, lib

from framekeep_models.compile import compile_model
from framekeep_models.data import DataError
from framekeep_models.data_crops import U8
from framekeep_models.program import ModelError
from framekeep_models.tflite_model import ModelFileError


class FlightModel:
    """Scores pictures with the flight code. A .tflite is compiled first, into a folder that goes away
    again."""

    def __init__(self, path: Path, class_index: int | None = None) -> None:
        image = read_image(path)
        # the image must lie at a multiple of 4 and outlive the model, the arena at a multiple of 16
        self._image = ffi.new("uint32_t[]", -(-len(image) // 4))
        ffi.memmove(self._image, image, len(image))
        self._model = ffi.new("fk_model *")
        try:
            check(lib.fk_model_load(self._model, ffi.cast("uint8_t *", self._image), len(image)))
        except FkError as error:
            raise DataError(f"{path}: not a model image that can be run: {error}") from error
        model = self._model
        if model.width == 0:
            raise DataError(f"{path}: its input is no picture; eval judges models of pictures")
        if model.class_count == 0:
            raise DataError(f"{path}: declares no class to score; compile it with labels")
        self.class_index = model.class_count - 1 if class_index is None else class_index
        if not 0 <= self.class_index < model.class_count:
            raise DataError(
                f"{path}: has classes 0..{model.class_count - 1}; class {class_index} is none of them"
            )
        self.arena_size = int(lib.fk_model_arena_size(model))
        self._arena_owner = ffi.new("uint8_t[]", self.arena_size + 16)
        skip = -int(ffi.cast("uintptr_t", self._arena_owner)) % 16
        self._arena = self._arena_owner + skip
        self._scratch = ffi.new("uint32_t[]", lib.fk_camera_scale_scratch_words(model.width, model.channels))
        self._frame = ffi.new("fk_frame *")
        self._crop = ffi.new("fk_rect *")
        self._rows = ffi.new("fk_row_source *")
        self._row = ffi.callback(
            "int(void *, unsigned, uint8_t *)", self._give_row
        )  # kept alive with the model
        self._rows.row = self._row
        self._score = ffi.new("uint8_t *")
        self._box = ffi.new("fk_box *")

    @property
    def model_id(self) -> str:
        return bytes(self._model.id).hex()

    @property
    def threshold(self) -> float:
        return float(lib.fk_model_threshold(self._model, self.class_index))

    @property
    def size(self) -> tuple[int, int, int]:
        """Width, height and channels of the input picture."""
        return int(self._model.width), int(self._model.height), int(self._model.channels)

    def score(self, image: U8) -> int:
        """0..255 for one RGB picture, through scaling, lookup table, kernels and head."""
        return self.score_and_box(image)[0]

    def score_and_box(self, image: U8) -> tuple[int, tuple[float, float, float, float]]:
        """The score and where, as x, y, width, height in fractions; all 0 where the model does not say."""
        pixels = np.ascontiguousarray(image)
        height, width = pixels.shape[:2]
        frame, model = self._frame, self._model
        data = ffi.from_buffer("uint8_t[]", pixels)
        frame.data, frame.size, frame.stride = data, pixels.nbytes, width * 3
        frame.width, frame.height, frame.format = width, height, lib.FK_PIXEL_RGB888
        check(lib.fk_camera_crop(self._crop, frame, model.fit, model.width, model.height))
        check(lib.fk_model_infer(model, self._rows, self._arena, self.arena_size))
        check(lib.fk_model_score(model, self._arena, self.class_index, self._score, self._box))
        box = self._box
        return int(self._score[0]), (box.x / 65535, box.y / 65535, box.width / 65535, box.height / 65535)

    def _give_row(self, _: object, y: int, out: object) -> int:
        model = self._model
        done = lib.fk_camera_scale_row(
            self._frame, self._crop, model.width, model.height, model.channels, y, out,
            self._scratch, len(self._scratch),
        )  # fmt: skip
        return min(int(done), 0)


def read_image(path: Path) -> bytes:
    """The bytes of a .fkm, or of what the compiler makes of a .tflite."""
    try:
        if path.suffix.lower() != ".tflite":
            return path.read_bytes()
        return compile_model(path).image
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ModelError, ModelFileError) as error:
        raise DataError(f"{path}: does not compile: {error}") from error
