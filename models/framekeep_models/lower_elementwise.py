"""SOFTMAX, ADD, SUB, MUL, PRELU; LOGISTIC, TANH, the RELUs, HARD_SWISH and QUANTIZE as tables; DEQUANTIZE."""

import numpy as np

from framekeep_models.fixedpoint import exp_on_negative_values, scale
from framekeep_models.lower import Lowering, describe, lowers, quantisation, value_for_value
from framekeep_models.lower_window import INT32_MAX, clamp
from framekeep_models.ops_elementwise import ZERO, Binary, Lut, Softmax
from framekeep_models.program import Int8Array, Kind, ModelError
from framekeep_models.quantise import (
    SOFTMAX_INTEGER_BITS,
    Multiplier,
    add_params,
    leaky_multiplier,
    mul_multiplier,
    rescale_multiplier,
    sigmoid_params,
    softmax_params,
)
from framekeep_models.reference import KERNELS, Node, UnsupportedOperatorError
from framekeep_models.tflite_model import Operator, Tensor


@lowers("SOFTMAX")
def softmax(state: Lowering, node: Operator) -> None:
    source = state.source(node)
    value_for_value(state.tensor(node, 0), state.out(node))
    if quantisation(state.out(node)) != (1 / 256, -128):
        raise ModelError(f"output {describe(state.out(node))} is not quantised as (1/256, -128)")
    shape = state.tensor(node, 0).shape
    depth = shape[-1] if shape else 1
    in_scale, beta = quantisation(state.tensor(node, 0))[0], float(node.options.get("beta", 1.0))
    if beta * in_scale * (1 << (31 - SOFTMAX_INTEGER_BITS)) <= 1:  # TFLite Micro stops
        raise ModelError(f"beta = {beta:g} leaves no difference between inputs at scale {in_scale:g}")
    params = softmax_params(in_scale, beta)
    differences = np.arange(min(255, -params.diff_min) + 1)
    exps = exp_on_negative_values(scale(-differences, params.scale), SOFTMAX_INTEGER_BITS)
    output = state.new_buffer(state.out(node))
    state.ops.append(
        Softmax(
            inputs=(source,),
            output=output,
            nodes=(node.index,),
            rows=int(np.prod(shape)) // depth,
            depth=depth,
            exps=[int(e) for e in exps],
        )
    )


@lowers("LOGISTIC", "TANH", "RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "QUANTIZE")
def table(state: Lowering, node: Operator) -> None:
    """A function of one value is the table of its 256 results, taken from the reference itself."""
    source, given, out = state.source(node), state.tensor(node, 0), state.out(node)
    if quantisation(given) != quantisation(out) and node.name == "RELU6":
        state.notes.append(
            f"node {node.index}: RELU6 from one scale to another clamps without rescaling, as TFLite Micro "
            "does and LiteRT does not: put the activation into the operator before it"
        )
    value_for_value(given, out)
    _check_fixed_scale(state, node)
    _check_defined(state, node)
    if node.name in RESCALING and rescale_multiplier(quantisation(given)[0], quantisation(out)[0]).shift > 30:
        raise ModelError("a multiplier of 2^30 or more")
    every = np.arange(-128, 128).astype(np.int8)
    if given.dtype == np.uint8:
        every = np.arange(256).astype(np.uint8)
    try:
        result = KERNELS[node.name](Node(node, (_of_size(given, 256),), (_of_size(out, 256),), (every,)))
    except UnsupportedOperatorError as error:
        raise ModelError(str(error)) from error
    values = np.asarray(result).astype(np.int16) - (128 if out.dtype == np.uint8 else 0)
    if np.array_equal(values, np.arange(-128, 128)) and quantisation(given) == quantisation(out):
        state.alias(out, source)
        return
    output = state.new_buffer(out)
    lut = Lut(inputs=(source,), output=output, nodes=(node.index,), table=values.astype(np.int8))
    state.ops.append(lut)


RESCALING = ("RELU", "LEAKY_RELU", "QUANTIZE")
FIXED_SCALES = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}  # of what they write


def _check_fixed_scale(state: Lowering, node: Operator) -> None:
    """TFLite Micro's LOGISTIC and TANH never look at the output's scale."""
    said, fixed = quantisation(state.out(node)), FIXED_SCALES.get(node.name)
    if fixed is None or said == fixed:
        return
    if node.name == "LOGISTIC" and said[1] != fixed[1]:
        raise ModelError(f"output {describe(state.out(node))} has zero point {said[1]}, not {fixed[1]}")
    state.notes.append(
        f"node {node.index}: {node.name} writes at 1/{1 / fixed[0]:.0f} from {fixed[1]} as in TFLite Micro, "
        f"though its output says scale {said[0]:.6g}, zero point {said[1]}: convert the model again"
    )


def _check_defined(state: Lowering, node: Operator) -> None:
    """Refuses what TFLite Micro computes by shifts, factors or conversions that C++ does not define."""
    in_scale, out_scale = (quantisation(t)[0] for t in (state.tensor(node, 0), state.out(node)))
    too_small = f"{describe(state.tensor(node, 0))} has a scale of {in_scale:g}, too small for the arithmetic"
    if node.name in FIXED_SCALES and sigmoid_params(in_scale).scale.shift < 0:
        raise ModelError(too_small)
    if node.name == "RELU6" and 6 / in_scale > INT32_MAX:
        raise ModelError(too_small)
    if node.name == "LEAKY_RELU":
        alpha = float(node.options.get("alpha", 0.0))
        if alpha < 0 or leaky_multiplier(in_scale, alpha, out_scale).shift > 30:
            raise ModelError(f"alpha of {alpha:g}: a multiplier below 0, or of 2^30 or more")


def _of_size(t: Tensor, size: int) -> Tensor:
    return Tensor(t.index, t.name, (size,), t.dtype, t.scale, t.zero_point, t.axis, None)


class _Pair:
    """Two operands brought to four dimensions, the tensor first; the second may be a constant."""

    def __init__(self, state: Lowering, node: Operator) -> None:
        first, second = state.tensor(node, 0), state.tensor(node, 1)
        self.swapped = first.data is not None
        if self.swapped:
            first, second = second, first
        if first.data is not None:
            raise ModelError("both operands are constants")
        self.first, self.second, self.out = first, second, state.out(node)
        self.constant: Int8Array | None = None
        inputs = [state.source(node, 1 if self.swapped else 0)]
        if second.data is None:
            inputs.append(state.source(node, 1))
        elif second.data.dtype == np.int8:
            self.constant = np.ascontiguousarray(second.data)
        else:
            raise ModelError(f"constant {describe(second)} is {second.data.dtype}, not int8")
        self.inputs = tuple(inputs)
        self.dims, self.masks = broadcast(first.shape, second.shape, self.out.shape)
        (self.first_scale, a), (self.second_scale, b) = quantisation(first), quantisation(second)
        self.out_scale, out = quantisation(self.out)
        self.zeros = (a, b, out)


def broadcast(
    a: tuple[int, ...], b: tuple[int, ...], out: tuple[int, ...]
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """The output in four dimensions, and for each operand the mask of those where it has only 1.

    Neighbouring dimensions that all three step through alike become one."""
    rank = len(out)
    if np.broadcast_shapes(a, b) != tuple(out):
        raise ModelError(f"shapes {list(a)} and {list(b)} do not make {list(out)}")
    wide = [(1,) * (rank - len(s)) + tuple(s) for s in (a, b)]
    joined: list[tuple[int, bool, bool]] = []
    for d in range(rank):
        if out[d] == 1:
            continue
        now = (out[d], wide[0][d] == 1, wide[1][d] == 1)
        if joined and joined[-1][1:] == now[1:]:
            joined[-1] = (joined[-1][0] * now[0], now[1], now[2])
        else:
            joined.append(now)
    if len(joined) > 4:
        raise ModelError(f"shapes {list(a)} and {list(b)} broadcast in more than four dimensions")
    joined = [(1, False, False)] * (4 - len(joined)) + joined
    masks = [sum(1 << d for d, row in enumerate(joined) if row[1 + i]) for i in (0, 1)]
    return tuple(row[0] for row in joined), (masks[0], masks[1])  # type: ignore[return-value]


def _append(  # noqa: PLR0917
    state: Lowering,
    node: Operator,
    what: Kind,
    pair: _Pair,
    multipliers: tuple[Multiplier, Multiplier, Multiplier],
    act: tuple[int, int],
    negate: int = 0,
) -> None:
    if any(m.shift > 30 for m in multipliers):
        raise ModelError("a multiplier of 2^30 or more")
    output = state.new_buffer(pair.out)
    state.ops.append(
        Binary(
            inputs=pair.inputs,
            output=output,
            nodes=(node.index,),
            what=what,
            dims=pair.dims,
            broadcast=pair.masks,
            zeros=pair.zeros,
            act=act,
            negate=negate,
            multipliers=multipliers,
            constant=pair.constant,
        )
    )


@lowers("ADD", "SUB")
def add(state: Lowering, node: Operator) -> None:
    pair = _Pair(state, node)
    params = add_params(pair.first_scale, pair.second_scale, pair.out_scale)
    if params.output.shift > 0:
        raise ModelError("the output's scale is so small that TensorFlow Lite Micro refuses it")
    negate = 0 if node.name == "ADD" else 1 if pair.swapped else 2
    multipliers = (params.input1, params.input2, params.output)
    _append(state, node, Kind.ADD, pair, multipliers, clamp(node, pair.out), negate)


@lowers("MUL")
def mul(state: Lowering, node: Operator) -> None:
    pair = _Pair(state, node)
    product = mul_multiplier(pair.first_scale, pair.second_scale, pair.out_scale)
    _append(state, node, Kind.MUL, pair, (ZERO, ZERO, product), clamp(node, pair.out))


@lowers("PRELU")
def prelu(state: Lowering, node: Operator) -> None:
    pair = _Pair(state, node)
    if pair.constant is None or pair.swapped:
        raise ModelError("alpha must be a constant")
    above = rescale_multiplier(pair.first_scale, pair.out_scale)
    below = leaky_multiplier(pair.first_scale, pair.second_scale, pair.out_scale)
    _append(state, node, Kind.PRELU, pair, (above, below, ZERO), (-128, 127))


@lowers("DEQUANTIZE")
def dequantize(state: Lowering, node: Operator) -> None:
    out = state.out(node)
    if out.index not in state.model.outputs:
        raise ModelError("float32 inside the model; only at its outputs can it be dropped")
    source = state.source(node)
    value_for_value(state.tensor(node, 0), out)
    state.buffer_of[out.index] = source
    buffer = state.buffers[source]
    state.notes.append(
        f"the float32 output {out.name or out.index} is left as int8 "
        f"(scale {buffer.scale:.6g}, zero point {buffer.zero_point})"
    )
