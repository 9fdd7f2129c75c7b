"""A .tflite file as plain Python: tensors, operators, constants.

The flatbuffer is read once into dataclasses, so neither the compiler nor the twin sees the schema. Reading
is tolerant where files in the wild are sloppy (a `quantized_dimension` outside the tensor is taken as 0) and
strict where a wrong guess would change numbers.
"""

import io
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

AnyArray = npt.NDArray[Any]

# tensor types of TFLite
DTYPES: dict[int, np.dtype[Any]] = {
    tflite.TensorType.FLOAT32: np.dtype(np.float32),
    tflite.TensorType.INT32: np.dtype(np.int32),
    tflite.TensorType.UINT8: np.dtype(np.uint8),
    tflite.TensorType.INT64: np.dtype(np.int64),
    tflite.TensorType.BOOL: np.dtype(np.bool_),
    tflite.TensorType.INT16: np.dtype(np.int16),
    tflite.TensorType.INT8: np.dtype(np.int8),
}

PADDING = ("SAME", "VALID")
ACTIVATION = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")

_ACT = "fused_activation_function"
_STRIDES = ("padding", "stride_w", "stride_h")
_DILATION = ("dilation_w_factor", "dilation_h_factor")

# operator: (its options table, the fields that matter to int8 inference, the version that stands for int8)
OPTIONS: dict[str, tuple[str, tuple[str, ...], int]] = {
    "ADD": ("AddOptions", (_ACT,), 2),
    "AVERAGE_POOL_2D": ("Pool2DOptions", (*_STRIDES, "filter_width", "filter_height", _ACT), 2),
    "BATCH_TO_SPACE_ND": ("", (), 2),
    "CAST": ("", (), 1),
    "CONCATENATION": ("ConcatenationOptions", ("axis", _ACT), 2),
    "CONV_2D": ("Conv2DOptions", (*_STRIDES, *_DILATION, _ACT), 3),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        (*_STRIDES, *_DILATION, "depth_multiplier", _ACT),
        3,
    ),
    "DEQUANTIZE": ("DequantizeOptions", (), 2),
    "EXPAND_DIMS": ("", (), 1),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("weights_format", "keep_num_dims", _ACT), 4),
    "GATHER": ("GatherOptions", ("axis", "batch_dims"), 1),
    "HARD_SWISH": ("HardSwishOptions", (), 1),
    "LEAKY_RELU": ("LeakyReluOptions", ("alpha",), 2),
    "LOGISTIC": ("", (), 2),
    "MAX_POOL_2D": ("Pool2DOptions", (*_STRIDES, "filter_width", "filter_height", _ACT), 2),
    "MEAN": ("ReducerOptions", ("keep_dims",), 2),
    "MUL": ("MulOptions", (_ACT,), 2),
    "PACK": ("PackOptions", ("values_count", "axis"), 2),
    "PAD": ("PadOptions", (), 2),
    "PADV2": ("PadV2Options", (), 2),
    "PRELU": ("", (), 1),
    "QUANTIZE": ("QuantizeOptions", (), 2),
    "REDUCE_MAX": ("ReducerOptions", ("keep_dims",), 2),
    "REDUCE_PROD": ("ReducerOptions", ("keep_dims",), 1),
    "RELU": ("", (), 2),
    "RELU6": ("", (), 2),
    "RESHAPE": ("ReshapeOptions", ("new_shape",), 1),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("align_corners", "half_pixel_centers"), 3),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", ("align_corners", "half_pixel_centers"), 3),
    "SHAPE": ("ShapeOptions", ("out_type",), 1),
    "SOFTMAX": ("SoftmaxOptions", ("beta",), 2),
    "SPACE_TO_BATCH_ND": ("", (), 2),
    "SPLIT": ("SplitOptions", ("num_splits",), 2),
    "SQUEEZE": ("SqueezeOptions", ("squeeze_dims",), 1),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"),
        2,
    ),
    "SUB": ("SubOptions", (_ACT,), 2),
    "TANH": ("", (), 2),
    "TILE": ("", (), 1),
    "TRANSPOSE": ("TransposeOptions", (), 2),
    "TRANSPOSE_CONV": ("TransposeConvOptions", (*_STRIDES, _ACT), 4),  # 4: with an activation
}
THRESHOLDS_FILE = "thresholds.txt"  # one number 0..1 a line, as many as there are classes
_TEXT_MAX = 1 << 16  # bytes; an archive may claim to unpack to any size
_ELEMENTS_MAX = 1 << 26  # of a tensor; beyond it a file is damaged, not big
VECTOR_FIELDS = frozenset({"new_shape", "squeeze_dims"})

_BUILTIN_NAMES = {
    value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)
}


class ModelFileError(ValueError):
    """The file cannot be read as a .tflite model; the text says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor. `scale` is empty when it is not quantised and longer than 1 when quantised per channel."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int  # the dimension `scale` runs along, when there is more than one
    data: AnyArray | None  # of a constant
    dynamic: bool = False  # the file leaves a dimension open; `shape` then shows it as 1

    @property
    def quantised(self) -> bool:
        return self.scale.size > 0


@dataclass(frozen=True, slots=True)
class Operator:
    """One node, in execution order. A missing optional input is -1."""

    index: int
    name: str  # "CONV_2D"; "CUSTOM:<code>" for a custom operator
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    version: int = 1

    def activation(self) -> str:
        return str(self.options.get(_ACT, "NONE"))


@dataclass(frozen=True, slots=True)
class Model:
    """A file as it is: tensors, and operators in their order."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    description: str
    labels: tuple[str, ...]  # from a labels file packed into the model, where there is one
    thresholds: tuple[float, ...] = ()  # 0..1, one per label, likewise


def camel(field_name: str) -> str:
    return "".join(part.capitalize() for part in field_name.split("_"))


def load(source: str | Path | bytes) -> Model:
    """Reads a .tflite from a path or from its bytes; open dimensions are settled for a batch of one."""
    from framekeep_models.tflite_settle import settle  # it runs the twin, which imports this module

    return settle(read(source))


def read(source: str | Path | bytes) -> Model:
    """The file as it is."""
    blob = source if isinstance(source, bytes) else Path(source).read_bytes()
    if len(blob) < 8 or blob[4:8] != b"TFL3":
        raise ModelFileError("not a .tflite file: the identifier TFL3 is missing")
    try:
        return _read(blob)
    except (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"damaged .tflite file: {error}") from error


def _read(blob: bytes) -> Model:
    root = tflite.Model.GetRootAsModel(blob, 0)
    if root.SubgraphsLength() != 1:
        raise ModelFileError(f"{root.SubgraphsLength()} subgraphs; only models with one are understood")
    graph = root.Subgraphs(0)
    tensors = tuple(_tensor(root, graph.Tensors(i), i) for i in range(graph.TensorsLength()))
    operators = tuple(_operator(root, graph.Operators(i), i) for i in range(graph.OperatorsLength()))
    for operator in operators:
        for index in (*operator.inputs, *operator.outputs):
            if not -1 <= index < len(tensors):
                raise ModelFileError(f"node {operator.index} ({operator.name}) names tensor {index}")
    description, texts = root.Description(), _texts(blob)
    return Model(
        tensors,
        operators,
        tuple(graph.Inputs(i) for i in range(graph.InputsLength())),
        tuple(graph.Outputs(i) for i in range(graph.OutputsLength())),
        description.decode(errors="replace") if description else "",
        _labels(texts),
        _thresholds(texts),
    )


def _tensor(root: Any, raw: Any, index: int) -> Tensor:
    name = (raw.Name() or b"").decode(errors="replace")
    if raw.Type() not in DTYPES:
        raise ModelFileError(f"tensor {index} ({name}) has type number {raw.Type()}, which is not supported")
    dtype = DTYPES[raw.Type()]
    shape = tuple(int(raw.Shape(i)) for i in range(raw.ShapeLength()))
    if min(shape, default=0) < 0 or math.prod(shape) > _ELEMENTS_MAX:
        raise ModelFileError(f"tensor {index} ({name}) has shape {list(shape)}")
    quant = raw.Quantization()
    count = quant.ScaleLength() if quant is not None else 0
    scale = np.array([quant.Scale(i) for i in range(count)], np.float32)
    zeros = quant.ZeroPointLength() if quant is not None else 0
    zero_point = np.array([quant.ZeroPoint(i) if i < zeros else 0 for i in range(count)], np.int64)
    axis = int(quant.QuantizedDimension()) if count > 1 else 0
    if count > 1 and not 0 <= axis < len(shape):
        axis = 0  # person_detect.tflite says 3 of one-dimensional biases
    dynamic = any(raw.ShapeSignature(i) < 0 for i in range(raw.ShapeSignatureLength()))
    data = _constant(root, raw, shape, dtype)
    return Tensor(index, name, shape, dtype, scale, zero_point, axis, data, dynamic and data is None)


def _constant(root: Any, raw: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray | None:
    buffer = root.Buffers(raw.Buffer())
    if raw.Buffer() == 0 or buffer.DataLength() == 0:
        return None
    data = buffer.DataAsNumpy()
    wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if data.size != wanted:
        raise ModelFileError(
            f"tensor {raw.Name()!r}: constant of {data.size} bytes, its shape wants {wanted}"
        )
    array = np.frombuffer(data.tobytes(), dtype).reshape(shape)
    array.flags.writeable = False
    return array


def _operator(root: Any, raw: Any, index: int) -> Operator:
    code = root.OperatorCodes(raw.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _BUILTIN_NAMES.get(number, f"BUILTIN_{number}")
    if name == "CUSTOM":
        name = f"CUSTOM:{(code.CustomCode() or b'').decode(errors='replace')}"
    inputs = tuple(int(raw.Inputs(i)) for i in range(raw.InputsLength()))
    outputs = tuple(int(raw.Outputs(i)) for i in range(raw.OutputsLength()))
    return Operator(index, name, inputs, outputs, _options(name, raw), int(code.Version()))


def _options(name: str, raw: Any) -> dict[str, Any]:
    table, fields, _ = OPTIONS.get(name, ("", (), 1))
    if not fields:
        return {}
    view = getattr(tflite, table)()
    union = raw.BuiltinOptions()
    if union is None:
        return {}  # every field at its default; the operators read them with .get
    if raw.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, table):
        raise ModelFileError(f"{name} carries options of another operator")
    view.Init(union.Bytes, union.Pos)
    return {field_name: _field(view, field_name) for field_name in fields}


def _field(view: Any, name: str) -> Any:
    if name in VECTOR_FIELDS:
        length = getattr(view, camel(name) + "Length")()
        return tuple(int(getattr(view, camel(name))(i)) for i in range(length))
    value = getattr(view, camel(name))()
    if name == "padding":
        return PADDING[value]
    return ACTIVATION[value] if name == _ACT else value


def _texts(blob: bytes) -> dict[str, tuple[str, ...]]:
    """The lines of each text packed into the file.

    TFLite's metadata convention: associated files are a ZIP archive after the flatbuffer.
    """
    texts: dict[str, tuple[str, ...]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            for name in archive.namelist():
                if name.endswith(".txt"):
                    with archive.open(name) as member:
                        texts[name] = tuple(member.read(_TEXT_MAX).decode().splitlines())
    except (
        zipfile.BadZipFile,
        NotImplementedError,  # zipfile's word for a compression that it does not know
        RuntimeError,
        EOFError,
        OSError,
        zlib.error,
        UnicodeError,
    ):
        pass  # labels are a courtesy: a model without, or with broken ones, runs all the same
    return texts


def _labels(texts: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return next((lines for name, lines in texts.items() if name != THRESHOLDS_FILE), ())


def _thresholds(texts: dict[str, tuple[str, ...]]) -> tuple[float, ...]:
    try:
        values = tuple(float(line) for line in texts.get(THRESHOLDS_FILE, ()))
    except ValueError:
        return ()
    return values if all(0 <= value <= 1 for value in values) else ()
