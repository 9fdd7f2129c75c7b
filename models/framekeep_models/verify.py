"""Is the compiled model the model? Every tensor of the engine against the NumPy twin, byte for byte.

Two images are compared for each input: one compiled with `--keep-all`, where every tensor of the .tflite is
there to be looked at, and the optimised one, tensor by tensor while it runs (the memory is shared), where a
tensor may have lost the channels that are constant or unused.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from framekeep_onboard import Model as Engine
from framekeep_onboard import check
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.firmware import BOARDS
from framekeep_onboard.network import run_tensors

from framekeep_models import reference
from framekeep_models.compile import Compiled, Options, compile_model
from framekeep_models.contract import Wishes
from framekeep_models.layouts import Layout
from framekeep_models.program import Buffer, Int8Array, ModelError
from framekeep_models.tflite_model import AnyArray, Model

SEED, SEEDED_INPUTS = 2025, 32
HOST = "host"  # the fastest that this computer has
LAYOUTS = dict.fromkeys(("qemu-f405", "qemu-m4", "qemu-m7"), Layout.ARMV7EM)
Steps = list[tuple[int, Int8Array]]


@dataclass(slots=True)
class Result:
    """What was compared, and what differed."""

    inputs: int = 0
    tensors: int = 0  # of the .tflite, that are int8 or uint8 and computed by a node
    compared: int = 0  # of them, in the image with all tensors
    surviving: int = 0  # in the optimised image
    survivors_compared: int = 0
    golden: int = 0  # inputs whose golden output was compared
    differences: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return self.inputs > 0 and self.compared == self.tensors and self.survivors_compared == self.surviving

    @property
    def passed(self) -> bool:
        return self.complete and not self.differences


Progress = Callable[[int, int], None]


def host_backends() -> list[str]:
    """The instruction sets that the engine has kernels for and this computer can run."""
    numbers = range(lib.FK_BACKEND_COUNT)
    return [ffi.string(lib.fk_backend_name(n)).decode() for n in numbers if lib.fk_backend_available(n)]


@contextmanager
def _forced(backend: str) -> Iterator[None]:
    """The host's kernels of one instruction set."""
    if backend == HOST:
        yield
        return
    before = lib.fk_backend_chosen()
    names = {ffi.string(lib.fk_backend_name(n)).decode(): n for n in range(lib.FK_BACKEND_COUNT)}
    if backend not in names:
        raise ModelError(f"no backend {backend}")
    check(lib.fk_backend_force(names[backend]), backend)
    try:
        yield
    finally:
        lib.fk_backend_force(before)


class _Subject:
    """An image, and which tensors of the .tflite its tensors hold."""

    def __init__(self, compiled: Compiled) -> None:
        self.image = compiled.image
        used = sorted(compiled.plan.offsets)
        self.buffers: dict[int, Buffer] = {n: compiled.program.buffers[b] for n, b in enumerate(used)}
        self.bands = {n for n, b in enumerate(used) if b in compiled.plan.bands}  # never whole
        self.outputs = [used.index(b) for b in compiled.program.outputs]
        self.seen: set[int] = set()

    def runs(self, backend: str, samples: Sequence[list[Int8Array]]) -> Iterator[Steps]:
        """The tensors of each sample; an emulated core runs all of them at once."""
        if backend in BOARDS:
            if any(len(x) != 1 for x in samples):
                raise ModelError(f"several inputs; {backend} takes models of one")
            yield from run_tensors(backend, self.image, [x[0] for x in samples])
            return
        with _forced(backend):
            engine = Engine(self.image)
            for x in samples:
                yield list(engine.steps(x))

    def differences(self, number: int, got: Int8Array, expected: dict[int, AnyArray]) -> Iterator[str]:
        buffer = self.buffers[number]
        for view in buffer.views:
            if view.tensor not in expected:
                continue
            want = expected[view.tensor]
            if want.dtype == np.uint8:
                want = (want.astype(np.int16) - 128).astype(np.int8)
            if want.dtype != np.int8:
                continue
            if buffer.channels is not None:
                # a view that flattens the map counts channels as the tensor it is a view of
                want = want.reshape(-1, buffer.views[0].shape[-1])[:, buffer.channels]
            self.seen.add(view.tensor)
            wrong = np.flatnonzero(got.reshape(-1) != want.reshape(-1))
            if wrong.size:
                at = int(wrong[0])
                yield (
                    f"tensor {view.tensor}: {wrong.size} of {got.size} values differ, the first at {at}: "
                    f"{int(got.reshape(-1)[at])} for {int(want.reshape(-1)[at])}"
                )


def verify(  # noqa: PLR0917
    source: Path | bytes,
    inputs: Sequence[Int8Array | Sequence[Int8Array]] | None = None,
    golden: Sequence[Int8Array] | None = None,
    wishes: Wishes | None = None,
    progress: Progress = lambda _done, _all: None,
    backend: str = HOST,
) -> Result:
    """Compares over `inputs` (32 seeded ones if None); `golden`: the first output's true values.

    `backend` is HOST, one of its instruction sets, or an emulated board with the weights packed for it."""
    layout = LAYOUTS.get(backend, Layout.PLAIN)
    whole = compile_model(source, wishes, Options(keep_all=True, keep_dead=True, layout=layout))
    subjects = [_Subject(whole), _Subject(compile_model(source, wishes, Options(layout=layout)))]
    model, shapes = whole.model, [whole.program.buffers[b].shape for b in whole.program.inputs]
    given = list(zip(*(seeded_inputs(s) for s in shapes), strict=True)) if inputs is None else list(inputs)
    samples = [[x] if isinstance(x, np.ndarray) else list(x) for x in given]
    comparable = {i for i in _comparable(whole.simple) if i < len(model.tensors)}
    result = Result(tensors=len(comparable))
    runs = [subject.runs(backend, samples) for subject in subjects]
    for done, (x, *found) in enumerate(zip(samples, *runs, strict=True)):
        expected = reference.run(model, [as_model_input(model, whole, v, i) for i, v in enumerate(x)])
        for name, subject, tensors in zip(("all tensors", "optimised"), subjects, found, strict=True):
            for number, value in tensors:
                result.differences += [
                    f"input {done}, {name}, {text}" for text in subject.differences(number, value, expected)
                ]
        if golden is not None:
            result.golden += 1
            got = dict(found[1])[subjects[1].outputs[0]]
            if not np.array_equal(got.reshape(-1), np.asarray(golden[done]).reshape(-1)):
                result.differences.append(f"input {done}: the output differs from the golden file")
        result.inputs += 1
        progress(done + 1, len(given))
    result.compared = len(subjects[0].seen & comparable)
    held = {
        v.tensor
        for number, b in subjects[1].buffers.items()
        for v in b.views
        if number not in subjects[1].bands
    }
    result.surviving, result.survivors_compared = len(held & comparable), len(subjects[1].seen & comparable)
    return result


def _comparable(model: Model) -> set[int]:
    """The 8-bit tensors that nodes compute, and the input if it has 8 bits."""
    computed = {i for node in model.operators for i in node.outputs} | set(model.inputs)
    return {i for i in computed if model.tensors[i].dtype in (np.int8, np.uint8)}


def as_model_input(model: Model, compiled: Compiled, x: Int8Array, position: int = 0) -> AnyArray:
    """The engine's int8 input as the .tflite itself takes it."""
    tensor = model.tensors[model.inputs[position]]
    if tensor.dtype == np.uint8:
        return (x.astype(np.int16) + 128).astype(np.uint8).reshape(tensor.shape)
    if tensor.dtype == np.float32:
        buffer = compiled.program.buffers[compiled.program.inputs[position]]
        real = (x.astype(np.float32) - np.float32(buffer.zero_point)) * np.float32(buffer.scale)
        return real.astype(np.float32).reshape(tensor.shape)
    return x.reshape(tensor.shape)


def seeded_inputs(shape: tuple[int, ...], count: int = SEEDED_INPUTS) -> list[Int8Array]:
    """Noise of several ranges, constants at the ends, gradients: what pictures and accidents look like."""
    rng = np.random.default_rng(SEED)
    size = int(np.prod(shape))
    inputs = [np.full(shape, v, np.int8) for v in (-128, 127, 0)]
    inputs.append((np.arange(size) % 256 - 128).astype(np.int8).reshape(shape))
    while len(inputs) < count:
        low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
        noise = rng.integers(low, high + 1, shape)
        if len(inputs) % 2:  # smooth along the rows, as pictures are
            noise = np.sort(noise, axis=len(shape) // 2)
        inputs.append(noise.astype(np.int8))
    return inputs[:count]


def picture_inputs(folder: Path, engine: Engine) -> list[Int8Array]:
    """Every picture of a folder, resized to the input and taken through the image's own preprocessing."""
    from PIL import Image

    if not engine.height:
        raise ModelError("the model's input is no picture: leave --images out")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp"))
    if not paths:
        raise ModelError(f"{folder}: no .jpg, .png or .bmp in it")
    mode = "L" if engine.channels == 1 else "RGB"
    inputs = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                small = picture.convert(mode).resize((engine.width, engine.height))
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: not a readable picture: {error}") from error
        inputs.append(engine.preprocess(np.asarray(small)))
    return inputs


def golden_file(path: Path) -> tuple[list[Int8Array], list[Int8Array]]:
    """`inputs` and `outputs` of a golden .npz; one without inputs shares those of its base model."""
    try:
        with np.load(path) as arrays:
            outputs = arrays["outputs"]
            inputs: npt.NDArray[np.int8] | None = arrays.get("inputs")
        if inputs is None:
            base = path.parent.parent / f"{path.stem.rsplit('_', 1)[0]}.npz"
            with np.load(base) as arrays:
                inputs = arrays["inputs"]
    except (KeyError, ValueError, EOFError, BadZipFile) as error:
        raise ModelError(f"{path}: not a golden file with inputs and outputs: {error}") from error
    if len(inputs) != len(outputs):
        raise ModelError(f"{path}: {len(inputs)} inputs but {len(outputs)} outputs")
    return list(inputs), list(outputs)


def check_golden(path: Path, inputs: Sequence[Int8Array], shapes: Sequence[tuple[int, ...]]) -> None:
    """Refuses the golden file of another model, by what its inputs look like."""
    wanted = math.prod(shapes[0])
    if len(shapes) == 1 and all(x.dtype == np.int8 and x.size == wanted for x in inputs):
        return
    takes = " and ".join("x".join(map(str, shape)) for shape in shapes)
    given = f"{inputs[0].dtype} {'x'.join(map(str, inputs[0].shape))}"
    raise ModelError(f"{path}: inputs of {given}, the model takes int8 {takes}; is it another model's file?")
