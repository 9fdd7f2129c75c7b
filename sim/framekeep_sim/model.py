"""The model that flies: a .fkm as it is, a .tflite compiled on the way."""

from dataclasses import dataclass
from pathlib import Path

from framekeep_onboard import FkError, check
from framekeep_onboard._fk import ffi, lib

from framekeep_sim.errors import UserError
from framekeep_sim.mission import Mission


@dataclass(frozen=True, slots=True)
class FlightModel:
    """A model image and what it says of itself."""

    path: Path
    image: bytes
    id: bytes
    labels: tuple[str, ...]
    thresholds: tuple[int, ...]  # by class; 0 where its author named none

    def thresholds_of(self, mission: Mission) -> tuple[int, ...]:
        """Its own threshold for each class that `mission` wants, or nothing if it has none."""
        own = tuple(self.thresholds[i] for i in mission.outputs(self.labels) if i < len(self.thresholds))
        return own if len(own) == len(mission.classes) and all(own) else ()

    def class_name(self, index: int, mission: Mission) -> str:
        """What class `index` is called, by the model or else by the mission."""
        if index < len(self.labels):
            return self.labels[index]
        names = dict(zip(mission.outputs(self.labels), (c.name for c in mission.classes), strict=True))
        return names.get(index, f"class {index}")


def load(path: Path, target: str = "host") -> FlightModel:
    """Read `path`, or compile it as `target` runs it fastest; UserError says what is wrong with it.

    The order of the weights is all that differs between targets: every one reads every order, and the
    outputs are the same bit for bit.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such model; name a .fkm or .tflite with --model") from None
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise UserError(f"{path}: {problem}; name a .fkm or .tflite with --model") from None
    if path.suffix.lower() == ".tflite":
        data = _compiled(path, target)
    return describe(path, data)


def _compiled(path: Path, target: str) -> bytes:
    # only those who bring a .tflite need a compiler
    from framekeep_models.compile import Options, compile_model
    from framekeep_models.layouts import FASTEST
    from framekeep_models.program import ModelError
    from framekeep_models.tflite_model import ModelFileError

    try:
        return compile_model(path, options=Options(layout=FASTEST[target])).image
    except (ModelError, ModelFileError) as error:
        raise UserError(f"{path}: {error}") from None


def describe(path: Path, image: bytes) -> FlightModel:
    """What an image says of itself; the flight code checks it whole."""
    model = ffi.new("fk_model *")
    step = lib.FK_IMAGE_ALIGN
    owner = ffi.new("uint8_t[]", len(image) + step)
    pointer = owner + (-int(ffi.cast("uintptr_t", owner)) % step)
    ffi.memmove(pointer, image, len(image))
    try:
        check(lib.fk_model_load(model, pointer, len(image)))
    except FkError as error:
        raise UserError(f"{path}: not a usable model image: {error}; compile it again") from None
    if model.width == 0 or model.class_count == 0:
        raise UserError(
            f"{path}: takes no picture or gives no scores; a mission wants a model that classifies pictures"
        )
    classes = range(model.class_count)
    labels = tuple(ffi.string(lib.fk_model_label(model, i)).decode() for i in classes)
    thresholds = tuple(int(lib.fk_model_threshold(model, i)) for i in classes)
    return FlightModel(path, image, bytes(model.id), labels if any(labels) else (), thresholds)
