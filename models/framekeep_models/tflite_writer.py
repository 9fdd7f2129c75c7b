"""Writes int8 .tflite files: a builder that takes tensors and operators in order of execution.

    net = Writer()
    x = net.tensor((1, 96, 96, 3), scale=1 / 255, zero_point=-128)
    w = net.constant(weights, scale=per_channel_scales, axis=0)
    b = net.constant(bias, scale=bias_scales)
    y = net.tensor((1, 48, 48, 8), scale=0.02, zero_point=-128)
    net.add("CONV_2D", [x, w, b], [y], padding="SAME", stride_w=2, stride_h=2,
            fused_activation_function="RELU6")
    net.save("net.tflite", inputs=[x], outputs=[y], labels=["cat", "dog"])

Options are named as in TFLite's schema, in snake case; `tflite_model.OPTIONS` lists them. Nothing is
inferred: a wrong shape is written as given, so that readers can be tested with it.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite
from framekeep_ground.output import write_bytes

from framekeep_models.tflite_model import (
    ACTIVATION,
    DTYPES,
    OPTIONS,
    PADDING,
    THRESHOLDS_FILE,
    VECTOR_FIELDS,
    camel,
)

_TYPE_OF = {dtype: number for number, dtype in DTYPES.items()}
_SCHEMA_VERSION = 3
_BUFFER_ALIGNMENT = 16
# the schema's own defaults are zero, which no kernel accepts for these
_DEFAULTS: dict[str, Any] = {
    "stride_w": 1,
    "stride_h": 1,
    "dilation_w_factor": 1,
    "dilation_h_factor": 1,
    "depth_multiplier": 1,
    "beta": 1.0,
    "out_type": tflite.TensorType.INT32,
}


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int
    data: bytes | None
    signature: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Operator:
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


_Once = dict[tuple[Any, ...], int]  # parts of the file that several tensors point to, by what they hold


class Writer:
    """Collects a graph, then turns it into a flatbuffer."""

    def __init__(self, description: str = "") -> None:
        self.description = description
        self._tensors: list[_Tensor] = []
        self._operators: list[_Operator] = []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: npt.DTypeLike = np.int8,
        *,
        scale: float | Sequence[float] | npt.NDArray[Any] = (),
        zero_point: int | Sequence[int] | npt.NDArray[Any] = 0,
        axis: int = 0,
        name: str = "",
        data: bytes | None = None,
        signature: Sequence[int] = (),
    ) -> int:
        """Declares a tensor and returns its index. Several scales mean one for each channel along `axis`.

        `signature` is the shape again with -1 for each dimension left open."""
        scales = tuple(float(s) for s in np.atleast_1d(np.asarray(scale, np.float64)))
        zeros = tuple(int(z) for z in np.broadcast_to(np.asarray(zero_point, np.int64), len(scales)))
        index = len(self._tensors)
        self._tensors.append(
            _Tensor(
                name or f"t{index}",
                tuple(int(d) for d in shape),
                np.dtype(dtype),
                scales,
                zeros,
                axis,
                data,
                tuple(signature),
            )
        )
        return index

    def constant(
        self,
        values: npt.ArrayLike,
        dtype: npt.DTypeLike | None = None,
        *,
        scale: float | Sequence[float] | npt.NDArray[Any] = (),
        zero_point: int = 0,
        axis: int = 0,
        name: str = "",
    ) -> int:
        """A tensor whose values travel in the file; int32 for shapes and axes, int8 for weights."""
        array = np.asarray(values, dtype)
        return self.tensor(
            array.shape,
            array.dtype,
            scale=scale,
            zero_point=zero_point,
            axis=axis,
            name=name,
            data=np.ascontiguousarray(array).tobytes(),
        )

    def add(self, name: str, inputs: Sequence[int], outputs: Sequence[int], **options: Any) -> None:
        """Appends an operator. An input of -1 is an optional one left out."""
        if name not in OPTIONS:
            raise ValueError(f"{name}: not an operator this writer knows; it knows {', '.join(OPTIONS)}")
        unknown = set(options) - set(OPTIONS[name][1])
        if unknown:
            raise ValueError(f"{name} has no option {', '.join(sorted(unknown))}")
        self._operators.append(_Operator(name, tuple(inputs), tuple(outputs), options))

    def build(self, inputs: Sequence[int], outputs: Sequence[int], labels: Sequence[str] = ()) -> bytes:
        """The whole file as bytes; `labels` follow as an associated file, as TFLite's metadata has it."""
        builder = flatbuffers.Builder(1024)
        buffers = [self._buffer(builder, b"")]
        tensors = []
        once: _Once = {}
        for tensor in self._tensors:
            if tensor.data is not None:
                buffers.append(self._buffer(builder, tensor.data))
            buffer = len(buffers) - 1 if tensor.data is not None else 0
            tensors.append(_write_tensor(builder, tensor, buffer, once))
        names = list(dict.fromkeys(op.name for op in self._operators))
        operators = [_write_operator(builder, op, names.index(op.name)) for op in self._operators]
        graph_parts = (
            _vector(builder, tflite.SubGraphStartTensorsVector, tensors),
            _ints(builder, tflite.SubGraphStartInputsVector, inputs),
            _ints(builder, tflite.SubGraphStartOutputsVector, outputs),
            _vector(builder, tflite.SubGraphStartOperatorsVector, operators),
            builder.CreateString("main"),
        )
        tflite.SubGraphStart(builder)
        tflite.SubGraphAddTensors(builder, graph_parts[0])
        tflite.SubGraphAddInputs(builder, graph_parts[1])
        tflite.SubGraphAddOutputs(builder, graph_parts[2])
        tflite.SubGraphAddOperators(builder, graph_parts[3])
        tflite.SubGraphAddName(builder, graph_parts[4])
        graph = tflite.SubGraphEnd(builder)
        codes = _vector(
            builder, tflite.ModelStartOperatorCodesVector, [_write_code(builder, n) for n in names]
        )
        graphs = _vector(builder, tflite.ModelStartSubgraphsVector, [graph])
        buffer_vector = _vector(builder, tflite.ModelStartBuffersVector, buffers)
        description = builder.CreateString(self.description)
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, _SCHEMA_VERSION)
        tflite.ModelAddOperatorCodes(builder, codes)
        tflite.ModelAddSubgraphs(builder, graphs)
        tflite.ModelAddDescription(builder, description)
        tflite.ModelAddBuffers(builder, buffer_vector)
        builder.Finish(tflite.ModelEnd(builder), b"TFL3")
        blob = bytes(builder.Output())
        return _with_labels(blob, labels) if labels else blob

    def save(
        self, path: str | Path, inputs: Sequence[int], outputs: Sequence[int], labels: Sequence[str] = ()
    ) -> Path:
        """Writes the file whole or not at all."""
        write_bytes(Path(path), self.build(inputs, outputs, labels))
        return Path(path)

    @staticmethod
    def _buffer(builder: Any, data: bytes) -> int:
        if not data:
            tflite.BufferStart(builder)
            return int(tflite.BufferEnd(builder))
        # The data is placed by hand: CreateByteVector does not align, and kernels read int32 in place.
        builder.StartVector(1, len(data), _BUFFER_ALIGNMENT)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
        tflite.BufferStart(builder)
        tflite.BufferAddData(builder, vector)
        return int(tflite.BufferEnd(builder))


def _vector(builder: Any, start: Any, offsets: Sequence[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _ints(builder: Any, start: Any, values: Sequence[int]) -> int:
    start(builder, len(values))
    for value in reversed(values):
        builder.PrependInt32(int(value))
    return int(builder.EndVector())


def _write_tensor(builder: Any, tensor: _Tensor, buffer: int, once: _Once) -> int:
    quantisation = _write_quantisation(builder, tensor, once) if tensor.scale else None
    name = builder.CreateString(tensor.name)
    if ("shape", tensor.shape) not in once:
        once["shape", tensor.shape] = _ints(builder, tflite.TensorStartShapeVector, tensor.shape)
    shape = once["shape", tensor.shape]
    signature = (
        _ints(builder, tflite.TensorStartShapeSignatureVector, tensor.signature) if tensor.signature else 0
    )
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, _TYPE_OF[tensor.dtype])
    tflite.TensorAddBuffer(builder, buffer)
    tflite.TensorAddName(builder, name)
    if tensor.signature:
        tflite.TensorAddShapeSignature(builder, signature)
    if quantisation is not None:
        tflite.TensorAddQuantization(builder, quantisation)
    return int(tflite.TensorEnd(builder))


def _write_quantisation(builder: Any, tensor: _Tensor, once: _Once) -> int:
    """Zero points are eight bytes for each channel, nearly all of them zero, and LiteRT wants as many as
    there are scales: so tensors with the same ones point to one vector."""
    whole = ("quantisation", tensor.scale, tensor.zero_point, tensor.axis)
    if whole in once:
        return once[whole]
    tflite.QuantizationParametersStartScaleVector(builder, len(tensor.scale))
    for scale in reversed(tensor.scale):
        builder.PrependFloat32(scale)
    scales = builder.EndVector()
    zeros = ("zero points", tensor.zero_point)
    if zeros not in once:
        tflite.QuantizationParametersStartZeroPointVector(builder, len(tensor.zero_point))
        for zero in reversed(tensor.zero_point):
            builder.PrependInt64(zero)
        once[zeros] = builder.EndVector()
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scales)
    tflite.QuantizationParametersAddZeroPoint(builder, once[zeros])
    tflite.QuantizationParametersAddQuantizedDimension(builder, tensor.axis)
    once[whole] = int(tflite.QuantizationParametersEnd(builder))
    return once[whole]


def _write_operator(builder: Any, operator: _Operator, code: int) -> int:
    inputs = _ints(builder, tflite.OperatorStartInputsVector, operator.inputs)
    outputs = _ints(builder, tflite.OperatorStartOutputsVector, operator.outputs)
    table = OPTIONS[operator.name][0]
    options = _write_options(builder, operator) if table else None
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, table))
        tflite.OperatorAddBuiltinOptions(builder, options)
    return int(tflite.OperatorEnd(builder))


def _write_options(builder: Any, operator: _Operator) -> int:
    table, fields, _ = OPTIONS[operator.name]
    values = {name: _DEFAULTS[name] for name in fields if name in _DEFAULTS} | operator.options
    for name in VECTOR_FIELDS & values.keys():
        start = getattr(tflite, f"{table}Start{camel(name)}Vector")
        values[name] = _ints(builder, start, values[name])
    getattr(tflite, table + "Start")(builder)
    enums = {"padding": PADDING, "fused_activation_function": ACTIVATION}
    for name, value in values.items():
        number = enums[name].index(value) if name in enums else value
        getattr(tflite, f"{table}Add{camel(name)}")(builder, number)
    return int(getattr(tflite, table + "End")(builder))


def _write_code(builder: Any, name: str) -> int:
    number = getattr(tflite.BuiltinOperator, name)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(
        builder, min(number, 127)
    )  # an int8; 127 refers to the wide field
    tflite.OperatorCodeAddVersion(builder, OPTIONS[name][2])
    tflite.OperatorCodeAddBuiltinCode(builder, number)
    return int(tflite.OperatorCodeEnd(builder))


def _with_labels(blob: bytes, labels: Sequence[str]) -> bytes:
    return with_file(blob, "labels.txt", labels)


def with_thresholds(blob: bytes, thresholds: Sequence[float]) -> bytes:
    """The model with the score, 0..1, from which each class counts as present; the compiler reads it."""
    return with_file(blob, THRESHOLDS_FILE, [f"{t:.6g}" for t in thresholds])


def with_file(blob: bytes, name: str, lines: Sequence[str]) -> bytes:
    """The model with a text packed into it, as TFLite does: a ZIP archive after the flatbuffer."""
    files = packed_files(blob)
    files[name] = "\n".join(lines) + "\n"
    stream = io.BytesIO(flatbuffer_of(blob))
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        for each, text in files.items():
            # a fixed date, so that the same model gives the same bytes
            archive.writestr(zipfile.ZipInfo(each), text)
    return stream.getvalue()


def packed_files(blob: bytes) -> dict[str, str]:
    """The texts packed into the model."""
    if not zipfile.is_zipfile(io.BytesIO(blob)):
        return {}
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        return {info.filename: archive.read(info).decode() for info in archive.infolist()}


def flatbuffer_of(blob: bytes) -> bytes:
    """The model without what is packed behind it."""
    if not zipfile.is_zipfile(io.BytesIO(blob)):
        return blob
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        return blob[: min((info.header_offset for info in archive.infolist()), default=len(blob))]
