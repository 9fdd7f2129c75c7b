"""Settles what a converter left open: dimensions that depend on the batch, and the arithmetic on them.

Keras models are usually converted with an open batch size. The file then computes shapes at run time (SHAPE,
STRIDED_SLICE, PACK, MUL ... on int32) and declares 1 where it does not know. For a batch of one everything is
known: the network is run once on zeros, every tensor takes the shape that came out, and operators on
integers that depend on shapes alone become constants.
"""

from dataclasses import replace

import numpy as np

from framekeep_models import reference
from framekeep_models.tflite_model import AnyArray, Model


def settle(model: Model) -> Model:
    """The same network with every shape fixed; returns `model` itself where nothing was open."""
    if not any(t.dynamic for t in model.tensors) and all(op.name != "SHAPE" for op in model.operators):
        return model
    tensors = {t.index: t for t in model.tensors}
    known = {t.index for t in model.tensors if t.data is not None}
    values: dict[int, AnyArray] = {i: np.zeros(tensors[i].shape, tensors[i].dtype) for i in model.inputs}
    operators = []
    for op in model.operators:
        try:
            if op.name in reference.KERNELS:
                found = reference.run_node(model, op, values)
            else:  # the compiler will refuse it; what follows should still make sense
                found = {i: np.zeros(tensors[i].shape, tensors[i].dtype) for i in op.outputs}
        except (ValueError, IndexError, TypeError, KeyError, AttributeError):
            return model  # whoever wants to use it will say which operator is at fault, and why
        values.update(found)
        is_shape = all(tensors[i].dtype.kind == "i" and tensors[i].dtype.itemsize >= 4 for i in op.outputs)
        fixed = is_shape and (op.name == "SHAPE" or all(i in known or i < 0 for i in op.inputs))
        for index, array in found.items():
            data = array if fixed else None
            tensors[index] = replace(tensors[index], shape=array.shape, dynamic=False, data=data)
        if fixed:
            known.update(op.outputs)
        else:
            operators.append(op)
    for index in model.inputs:
        tensors[index] = replace(tensors[index], dynamic=False)
    return replace(model, tensors=tuple(tensors.values()), operators=tuple(operators))
