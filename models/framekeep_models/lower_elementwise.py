"""SOFTMAX, RESHAPE, DEQUANTIZE."""

import numpy as np

from framekeep_models.fixedpoint import exp_on_negative_values, scale
from framekeep_models.lower import Lowering, describe, lowers, quantisation
from framekeep_models.ops_softmax import Softmax
from framekeep_models.program import ModelError
from framekeep_models.quantise import SOFTMAX_INTEGER_BITS, softmax_params
from framekeep_models.tflite_model import Operator


@lowers("SOFTMAX")
def softmax(state: Lowering, node: Operator) -> None:
    source = state.source(node)
    if quantisation(state.out(node)) != (1 / 256, -128):
        raise ModelError(f"output {describe(state.out(node))} is not quantised as (1/256, -128)")
    shape = state.tensor(node, 0).shape
    depth = shape[-1] if shape else 1
    params = softmax_params(state.buffers[source].scale, float(node.options.get("beta", 1.0)))
    differences = np.arange(min(255, -params.diff_min) + 1)
    exps = exp_on_negative_values(scale(-differences, params.scale), SOFTMAX_INTEGER_BITS)
    rows = int(np.prod(shape)) // depth
    output = state.new_buffer(state.out(node))
    state.ops.append(
        Softmax(
            inputs=(source,),
            output=output,
            nodes=(node.index,),
            rows=rows,
            depth=depth,
            exps=[int(e) for e in exps],
        )
    )


@lowers("RESHAPE", "SQUEEZE")
def reshape(state: Lowering, node: Operator) -> None:
    source, out = state.source(node), state.out(node)
    if int(np.prod(out.shape)) != state.buffers[source].size:
        raise ModelError(f"{describe(out)} of shape {list(out.shape)} cannot hold the input")
    state.alias(out, source)


@lowers("DEQUANTIZE")
def dequantize(state: Lowering, node: Operator) -> None:
    out = state.out(node)
    if out.index not in state.model.outputs:
        raise ModelError("float32 inside the model; only at its outputs can it be dropped")
    source = state.source(node)
    state.buffer_of[out.index] = source
    buffer = state.buffers[source]
    state.notes.append(
        f"the float32 output {out.name or out.index} is left as int8 "
        f"(scale {buffer.scale:.6g}, zero point {buffer.zero_point})"
    )
