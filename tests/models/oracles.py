"""Other implementations to hold the twin and the kernels against.

TFLite Micro's own interpreter, with its reference kernels, is the truth. LiteRT is a second opinion: its
kernels round once in places, so it may differ by one where a result is a rounding tie.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite
from ai_edge_litert import interpreter as litert
from framekeep_models.tflite_model import Model, load
from framekeep_onboard import Model as Flight
from framekeep_onboard import backends
from framekeep_onboard.network import OUTPUTS_MAX

Array = Any

BUILTIN = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
REFERENCE = litert.OpResolverType.BUILTIN_REF


class Micro:
    """TFLite Micro with every tensor kept; skips the test where no wheel of it exists."""

    def __init__(self, source: Path | bytes) -> None:
        micro = pytest.importorskip("tflite_micro", reason="tflite-micro has wheels for x86-64 only").runtime
        blob = source if isinstance(source, bytes) else source.read_bytes()
        self.model: Model = load(blob)
        self._run = micro.Interpreter.from_bytes(
            blob,
            arena_size=8 << 20,
            intrepreter_config=micro.InterpreterConfig.kPreserveAllTensors,
        )

    def outputs(self, inputs: Sequence[Array]) -> list[Array]:
        for i, (index, array) in enumerate(zip(self.model.inputs, inputs, strict=True)):
            self._run.set_input(array.reshape(self.model.tensors[index].shape), i)
        self._run.invoke()
        return [self._run.get_output(i) for i in range(len(self.model.outputs))]

    def tensor(self, index: int) -> Array:
        return self._run.GetTensor(index, 0)["tensor_data"]


class Lite:
    """LiteRT without a delegate, every tensor kept."""

    def __init__(self, source: Path | bytes, resolver: Any = REFERENCE) -> None:
        blob = source if isinstance(source, bytes) else source.read_bytes()
        self.model: Model = load(blob)
        self._run = litert.Interpreter(
            model_content=without_bad_dimensions(blob),
            experimental_op_resolver_type=resolver,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self._run.allocate_tensors()

    def outputs(self, inputs: Sequence[Array]) -> list[Array]:
        for index, array in zip(self.model.inputs, inputs, strict=True):
            self._run.set_tensor(index, array.reshape(self.model.tensors[index].shape))
        self._run.invoke()
        return [self._run.get_tensor(i) for i in self.model.outputs]

    def tensor(self, index: int) -> Array:
        return self._run.get_tensor(index)


def without_bad_dimensions(blob: bytes) -> bytes:
    """person_detect.tflite names dimension 3 of one-dimensional biases; LiteRT refuses it. Puts it to 0."""
    field_of_dimension = 16  # vtable slot of quantized_dimension
    fixed = bytearray(blob)
    graph = tflite.Model.GetRootAsModel(fixed, 0).Subgraphs(0)
    for i in range(graph.TensorsLength()):
        quantisation = graph.Tensors(i).Quantization()
        if quantisation is not None and quantisation.QuantizedDimension() >= graph.Tensors(i).ShapeLength():
            offset = quantisation._tab.Offset(field_of_dimension)
            if offset:
                at = quantisation._tab.Pos + offset
                fixed[at : at + 4] = bytes(4)
    return bytes(fixed)


def noise(model: Model, seed: int) -> list[Array]:
    """Inputs of a model: full-range noise, dark for one seed in three."""
    rng = np.random.default_rng(seed)
    arrays = []
    for index in model.inputs:
        tensor = model.tensors[index]
        raw = rng.integers(0, 256, tensor.shape) * (1 + seed % 3) // 3
        units = {"f": raw / 128 - 1, "u": raw, "i": raw - 128}[tensor.dtype.kind]
        arrays.append(units.astype(tensor.dtype))
    return arrays


def portable(image: bytes, seed: int) -> tuple[Array, list[Array]] | None:
    """A drawn input of a model image and what the portable kernels make of it, for boards: None where it has
    several inputs or more outputs than a board returns."""
    host = Flight(image)
    if host.input_count > 1 or host.output_count > OUTPUTS_MAX:
        return None
    x = np.random.default_rng(seed).integers(-128, 128, host.input_shape).astype(np.int8)
    with backends.using("portable"):
        given = host.run(x.copy())
    return x, list(given) if isinstance(given, list | tuple) else [given]
