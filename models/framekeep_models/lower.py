"""From a .tflite graph to a `Program`: every operator to those of the flight engine.

Each rule prepares what TFLite Micro prepares at run time (multipliers, ranges, tables), so that nothing
real-valued is left. What cannot be lowered is refused here, all of it at once, by operator, node and reason.
"""

import math
from collections.abc import Callable

import numpy as np

from framekeep_models.program import Buffer, ModelError, Op, Program, View
from framekeep_models.tflite_model import AnyArray, Model, Operator, Tensor


class Lowering:
    """The program while it is made, and what the rules ask of the graph."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.buffers: list[Buffer] = []
        self.ops: list[Op] = []
        self.buffer_of: dict[int, int] = {}  # tensor -> buffer
        self.notes: list[str] = []

    def tensor(self, node: Operator, i: int) -> Tensor:
        if i >= len(node.inputs) or node.inputs[i] < 0:
            raise ModelError(f"lacks input {i}")
        return self.model.tensors[node.inputs[i]]

    def has(self, node: Operator, i: int) -> bool:
        return i < len(node.inputs) and node.inputs[i] >= 0

    def out(self, node: Operator, i: int = 0) -> Tensor:
        return self.model.tensors[node.outputs[i]]

    def constant(self, node: Operator, i: int) -> AnyArray:
        tensor = self.tensor(node, i)
        if tensor.data is None:
            raise ModelError(f"{describe(tensor)} must be a constant")
        return tensor.data

    def source(self, node: Operator, i: int = 0) -> int:
        """The buffer of an input."""
        tensor = self.tensor(node, i)
        if tensor.data is not None:
            raise ModelError(f"{describe(tensor)} is a constant where an activation belongs")
        if tensor.index not in self.buffer_of:
            raise ModelError(f"{describe(tensor)} is used before it is computed")
        return self.buffer_of[tensor.index]

    def new_buffer(self, tensor: Tensor, shape: tuple[int, ...] | None = None) -> int:
        """Memory for `tensor`."""
        scale, zero = quantisation(tensor)
        buffer = Buffer(len(self.buffers), shape or tensor.shape, scale, zero)
        if shape is None:
            buffer.views.append(View(tensor.index, tensor.shape, tensor.dtype == np.uint8))
            self.buffer_of[tensor.index] = buffer.index
        self.buffers.append(buffer)
        return buffer.index

    def alias(self, tensor: Tensor, buffer: int) -> None:
        """`tensor` has the very bytes of `buffer`: no operator is needed."""
        self.buffers[buffer].views.append(View(tensor.index, tensor.shape, tensor.dtype == np.uint8))
        self.buffer_of[tensor.index] = buffer


PORTS_MAX = 16
# What moves values is the same for uint8 moved to int8; what computes with them rounds otherwise.
TAKES_UINT8 = (
    *("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2", "TILE"),
    *("CONCATENATION", "SPLIT", "STRIDED_SLICE", "TRANSPOSE", "RESIZE_NEAREST_NEIGHBOR"),
)
Rule = Callable[[Lowering, Operator], None]
RULES: dict[str, Rule] = {}


def lowers(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def counted(value: int, size: int, what: str) -> int:
    """A position counted from 0; below 0 it counts from the end."""
    if not -size <= value < size:
        raise ModelError(f"{what} {value} of {size}")
    return value % size


def axis_of(value: int, rank: int) -> int:
    return counted(value, rank, "axis")


def describe(tensor: Tensor) -> str:
    return f"tensor {tensor.index} ({tensor.name})" if tensor.name else f"tensor {tensor.index}"


def value_for_value(given: Tensor, out: Tensor) -> None:
    """An operator on single values cannot change their number."""
    if math.prod(given.shape) != math.prod(out.shape):
        raise ModelError(f"{describe(out)} of shape {list(out.shape)} cannot hold {list(given.shape)}")


def quantisation(tensor: Tensor) -> tuple[float, int]:
    """Scale and zero point of an activation, uint8 ones as the int8 they become."""
    if tensor.dtype not in (np.int8, np.uint8):
        raise ModelError(f"{describe(tensor)} is {tensor.dtype}, not int8: quantise the model first")
    if tensor.scale.size != 1 or not np.isfinite(tensor.scale[0]) or tensor.scale[0] <= 0:
        raise ModelError(f"{describe(tensor)} has no single scale above 0")
    if 0 in tensor.shape:
        raise ModelError(f"{describe(tensor)} of shape {list(tensor.shape)} holds no values")
    zero = int(tensor.zero_point[0]) - (128 if tensor.dtype == np.uint8 else 0)
    if not -128 <= zero <= 127:
        raise ModelError(f"{describe(tensor)} has zero point {int(tensor.zero_point[0])}")
    return float(tensor.scale[0]), zero


def refuse_uint8(model: Model, node: Operator) -> None:
    """An operator that computes takes int8; uint8 is for the ends of a network."""
    for tensor in (model.tensors[i] for i in (*node.inputs, *node.outputs) if i >= 0):
        if tensor.dtype == np.uint8 and tensor.data is None and node.name not in TAKES_UINT8:
            raise ModelError(f"{describe(tensor)} is uint8, not int8: put a QUANTIZE between")


def batch_of_one(tensor: Tensor) -> tuple[int, int, int]:
    """(rows, columns, channels) of an NHWC tensor."""
    if len(tensor.shape) != 4 or tensor.shape[0] != 1:
        raise ModelError(
            f"{describe(tensor)} has shape {list(tensor.shape)}; [1, rows, columns, channels] only"
        )
    return tensor.shape[1], tensor.shape[2], tensor.shape[3]


def lower(model: Model) -> tuple[Program, list[str]]:
    """The program of `model`, and notes for the report. Raises ModelError with every node it cannot lower."""
    # the rules register themselves
    from framekeep_models import lower_elementwise, lower_shape, lower_window  # noqa: F401

    if not 1 <= len(model.inputs) <= PORTS_MAX or not 1 <= len(model.outputs) <= PORTS_MAX:
        raise ModelError(
            f"{len(model.inputs)} inputs and {len(model.outputs)} outputs; 1 to {PORTS_MAX} each"
        )
    state = Lowering(model)
    problems = []
    entry = {node for index in model.inputs for node in _lower_entry(state, model.tensors[index])}
    for node in model.operators:
        try:
            if node.name not in RULES:
                raise ModelError("the operator is not supported")
            refuse_uint8(model, node)
            if any(index in model.inputs for index in node.outputs):
                raise ModelError("writes an input of the model")
            if node.index not in entry:
                RULES[node.name](state, node)
        except ModelError as error:
            problems.append(f"node {node.index} {node.name}: {error}")
            for index in node.outputs:  # so that what follows is judged on its own
                _pretend(state, model.tensors[index])
    outputs = [_output(state, model.tensors[i], problems) for i in model.outputs]
    if problems:
        raise ModelError("; ".join(problems))
    inputs = [state.buffer_of[i] for i in model.inputs]
    shapes = [model.tensors[i].shape for i in model.outputs]
    return Program(state.buffers, state.ops, inputs, outputs, shapes), state.notes


def _pretend(state: Lowering, tensor: Tensor) -> None:
    if tensor.index not in state.buffer_of:
        state.buffer_of[tensor.index] = len(state.buffers)
        state.buffers.append(Buffer(len(state.buffers), tensor.shape, 1.0, 0))


def _lower_entry(state: Lowering, tensor: Tensor) -> set[int]:
    """An input's buffer. A float input is taken as its QUANTIZE makes it; returns the nodes this uses up."""
    model = state.model
    if tensor.dtype != np.float32:
        state.new_buffer(tensor)
        if tensor.dtype == np.uint8:
            state.notes.append("the uint8 input is taken as int8: its values less 128")
        return set()
    users = [n for n in model.operators if tensor.index in n.inputs]
    if not users or any(n.name != "QUANTIZE" for n in users):
        raise ModelError(f"the input {describe(tensor)} is float32 and does not go to a QUANTIZE")
    scales = {quantisation(model.tensors[n.outputs[0]]) for n in users}
    if len(scales) != 1:
        raise ModelError(f"the input {describe(tensor)} is quantised in {len(scales)} ways")
    for node in users:
        value_for_value(tensor, model.tensors[node.outputs[0]])
    buffer = state.new_buffer(model.tensors[users[0].outputs[0]])
    for node in users[1:]:
        state.alias(model.tensors[node.outputs[0]], buffer)
    state.buffer_of[tensor.index] = buffer
    state.notes.append(
        f"the float32 input is taken as int8 (scale {state.buffers[buffer].scale:.6g}, "
        f"zero point {state.buffers[buffer].zero_point}), as its QUANTIZE makes it"
    )
    return {n.index for n in users}


def _output(state: Lowering, tensor: Tensor, problems: list[str]) -> int:
    if tensor.index not in state.buffer_of:
        problems.append(f"output {describe(tensor)} is computed by no node")
        return 0
    if tensor.dtype == np.uint8:
        state.notes.append(f"the uint8 output {tensor.name or tensor.index} is left as int8: 128 less")
    return state.buffer_of[tensor.index]
