"""A model as it flies: the camera stage, the image's own preprocessing and the kernels, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from framekeep_ground.model_image import FkmHeader
from framekeep_onboard import FkError, Model, check
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.imaging import Fit, Frame, PixelFormat, crop_for, scale

from framekeep_models.compile import compile_model
from framekeep_models.data import DataError
from framekeep_models.data_crops import U8, shrink
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.program import ModelError
from framekeep_models.tflite_model import ModelFileError


class FlightModel:
    """Scores pictures with the flight code. A .tflite is compiled first.

    The class is `class_index`, or the one whose label is `wanted`, or the last."""

    def __init__(self, path: Path, class_index: int | None = None, wanted: str | None = None) -> None:
        self.image = read_image(path)
        try:
            self.model = Model(self.image)
        except FkError as error:
            raise DataError(f"{path}: not a model image that can be run: {error}") from error
        self._fk = self.model._fk
        classes = int(self._fk.class_count)
        if self.model.width == 0:
            raise DataError(f"{path}: its input is no picture; eval judges models of pictures")
        if classes == 0:
            raise DataError(f"{path}: declares no class to score; compile it with labels")
        word = (wanted or "").strip().lower()
        named = [k for k, label in enumerate(self.model.labels) if word and label.strip().lower() == word]
        usual = named[0] if named else classes - 1
        self.guessed = classes > 2 and class_index is None and not named  # which class is meant
        self.class_index = usual if class_index is None else class_index
        if not 0 <= self.class_index < classes:
            raise DataError(f"{path}: has classes 0..{classes - 1}; class {class_index} is none of them")

    @property
    def model_id(self) -> str:
        return self.model.id

    @property
    def label(self) -> str:
        """Of the class that is judged; empty where the model names none."""
        return str(self.model.labels[self.class_index])

    @property
    def arena_size(self) -> int:
        """As the compiler planned it for a core; this host's kernels take scratch on top."""
        return int(FkmHeader.parse(self.image).arena_size)

    @property
    def threshold(self) -> float:
        return float(lib.fk_model_threshold(self._fk, self.class_index))

    @property
    def is_grid(self) -> bool:
        head = self._head()
        return int(head.grid_h) * int(head.grid_w) > 1

    def _head(self) -> Any:
        """The first head, its values where the last run left them."""
        head = ffi.new("fk_head *")
        check(lib.fk_head_parse(head, self._fk, self.model._bytes(self.model._arena), 0))
        return head

    def look(self, image: U8) -> None:
        """Runs the model on an RGB picture of any size; one larger than a frame is binned to one."""
        pixels = np.ascontiguousarray(binned(image))
        height, width = pixels.shape[:2]
        frame = Frame(pixels, width, height, PixelFormat.RGB888)
        model = self.model
        crop = crop_for(frame, Fit(self._fk.fit), model.width, model.height)
        model.infer(scale(frame, model.width, model.height, channels=model.channels, crop=crop))

    def score(self, image: U8) -> int:
        """0..255 for the class."""
        self.look(image)
        return self.model.score(self.class_index)[0]

    def grid(self, image: U8) -> Floats:
        """The score of every cell, 0..255, of a model with one channel a cell."""
        self.look(image)
        head = self._head()
        rows, columns = int(head.grid_h), int(head.grid_w)
        if head.depth != 1 or head.kind != lib.FK_HEAD_TABLE:
            raise DataError(f"an output of {head.depth} channels a cell is no grid of single scores")
        values = np.frombuffer(ffi.buffer(head.values, rows * columns), np.int8).reshape(rows, columns)
        table = np.frombuffer(ffi.buffer(head.table, 256), np.uint8)
        return table[values.astype(np.int64) + 128].astype(np.float64)


def binned(image: U8) -> U8:
    """A picture that no frame can hold, both sides divided by the least whole number that makes it one."""
    height, width = image.shape[:2]
    factor = -(-max(height, width) // int(lib.FK_FRAME_SIDE_MAX))
    return image if factor == 1 else shrink(image, -(-width // factor), -(-height // factor))


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
