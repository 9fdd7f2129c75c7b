"""LiteRT as a second opinion: every tensor of a .tflite, or of one put right in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import tflite
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def put_right(blob: bytes) -> bytes:
    """`quantized_dimension` 0 where it lies outside the tensor: LiteRT refuses such files."""
    data = bytearray(blob)
    graph = tflite.Model.GetRootAsModel(data, 0).Subgraphs(0)
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        quant = tensor.Quantization()
        if quant is None or quant.QuantizedDimension() < tensor.ShapeLength():
            continue
        at = quant._tab.Pos + quant._tab.Offset(16)  # the field in the flatbuffer's table
        data[at : at + 4] = bytes(4)
    return bytes(data)


class LiteRT:
    """Plain built-in kernels, no delegate, all tensors kept."""

    def __init__(self, model: Path | bytes) -> None:
        blob = model if isinstance(model, bytes) else model.read_bytes()
        self._interpreter = Interpreter(
            model_content=put_right(blob),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            num_threads=1,
        )
        self._interpreter.allocate_tensors()
        self.input: dict[str, Any] = self._interpreter.get_input_details()[0]

    def run(self, x: np.ndarray) -> None:
        self._interpreter.set_tensor(self.input["index"], x.reshape(self.input["shape"]))
        self._interpreter.invoke()

    def tensor(self, index: int) -> np.ndarray:
        return np.asarray(self._interpreter.get_tensor(index))
