"""Rewrites of a graph into operators the engine has, where the result is the same byte for byte.

- SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND: what converters make of a dilated convolution they do
  not recognise. It becomes that convolution again; the two tensors in between cease to exist.
- A convolution in groups becomes one over all channels, with zero weights between the groups.
- REDUCE_MAX over height and width becomes a MAX_POOL_2D over the whole map.

Only the compiler uses this: the twin runs the graph as it is, and `verify` holds the two together.
"""

from dataclasses import replace

import numpy as np

from framekeep_models.tflite_model import AnyArray, Model, Operator, Tensor

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def simplify(model: Model) -> tuple[Model, list[str]]:
    """The rewritten graph and a note for each rewrite. Tensors keep their indices; new ones follow."""
    graph = _Graph(model)
    for op in model.operators:
        if op.name in CONVOLUTIONS:
            _undo_batches(graph, op)
    for op in list(graph.operators):
        if op.name == "CONV_2D":
            _join_groups(graph, op)
        elif op.name == "REDUCE_MAX":
            _pool_whole_map(graph, op)
    if not graph.notes:
        return model, []
    return replace(model, tensors=tuple(graph.tensors), operators=tuple(graph.operators)), graph.notes


class _Graph:
    def __init__(self, model: Model) -> None:
        self.tensors = list(model.tensors)
        self.operators = list(model.operators)
        self.outputs = model.outputs
        self.notes: list[str] = []

    def maker(self, tensor: int) -> Operator | None:
        return next((op for op in self.operators if tensor in op.outputs), None)

    def only_reader(self, tensor: int) -> Operator | None:
        readers = [op for op in self.operators if tensor in op.inputs]
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def constant(self, tensor: int) -> AnyArray | None:
        return self.tensors[tensor].data

    def add_tensor(self, like: Tensor, shape: tuple[int, ...], data: AnyArray | None = None) -> int:
        dtype = like.dtype if data is None else data.dtype
        index = len(self.tensors)
        made = replace(like, index=index, name="", shape=shape, dtype=dtype, data=data, dynamic=False)
        self.tensors.append(made)
        return index


def _undo_batches(graph: _Graph, conv: Operator) -> None:
    before, after = graph.maker(conv.inputs[0]), graph.only_reader(conv.outputs[0])
    if before is None or before.name != "SPACE_TO_BATCH_ND" or graph.only_reader(conv.inputs[0]) is not conv:
        return
    if after is None or after.name != "BATCH_TO_SPACE_ND":
        return
    option = conv.options.get
    plain = ("stride_h", "stride_w", "dilation_h_factor", "dilation_w_factor")
    if option("padding") != "VALID" or any(option(name, 1) != 1 for name in plain):
        return
    block, pads = graph.constant(before.inputs[1]), graph.constant(before.inputs[2])
    block_after, crops = graph.constant(after.inputs[1]), graph.constant(after.inputs[2])
    weights = graph.tensors[conv.inputs[1]]
    if block is None or pads is None or block_after is None or crops is None or len(weights.shape) != 4:
        return
    if block.size != 2 or not np.array_equal(block, block_after):
        return
    source, out = graph.tensors[before.inputs[0]], graph.tensors[after.outputs[0]]
    dealt, folded = graph.tensors[conv.inputs[0]], graph.tensors[conv.outputs[0]]
    if not (_same_scale(source, dealt) and _same_scale(folded, out)):
        return
    ahead = [int(pads[a][0]) - int(crops[a][0]) for a in (0, 1)]
    extent = [(weights.shape[1 + a] - 1) * int(block[a]) + 1 for a in (0, 1)]
    behind = [out.shape[1 + a] + extent[a] - 1 - source.shape[1 + a] - ahead[a] for a in (0, 1)]
    if min(ahead + behind) < 0:
        return
    given = source.index
    same = all(ahead[a] == (extent[a] - 1) // 2 and source.shape[1 + a] == out.shape[1 + a] for a in (0, 1))
    where = graph.operators.index(conv)
    made = []
    if not same and max(ahead + behind) > 0:
        widths = np.array([(0, 0), *zip(ahead, behind, strict=True), (0, 0)], np.int32)
        shape = tuple(n + int(w.sum()) for n, w in zip(source.shape, widths, strict=True))
        given = graph.add_tensor(source, shape)
        made.append(
            Operator(
                conv.index, "PAD", (source.index, graph.add_tensor(source, widths.shape, widths)), (given,)
            )
        )
    options = {
        **conv.options,
        "padding": "SAME" if same else "VALID",
        "dilation_h_factor": int(block[0]),
        "dilation_w_factor": int(block[1]),
    }
    dilated = replace(conv, inputs=(given, *conv.inputs[1:]), outputs=after.outputs, options=options)
    graph.operators[where : where + 1] = [*made, dilated]
    graph.operators.remove(before)
    graph.operators.remove(after)
    graph.notes.append(
        f"nodes {before.index}, {conv.index} and {after.index} are one {conv.name} dilated by "
        f"{int(block[0])}x{int(block[1])}: tensors {conv.inputs[0]} and {conv.outputs[0]} do not exist"
    )


def _same_scale(a: Tensor, b: Tensor) -> bool:
    return (a.scale.tolist(), a.zero_point.tolist()) == (b.scale.tolist(), b.zero_point.tolist())


def _join_groups(graph: _Graph, conv: Operator) -> None:
    weights, source = graph.tensors[conv.inputs[1]], graph.tensors[conv.inputs[0]]
    if weights.data is None or len(weights.shape) != 4 or len(source.shape) != 4:
        return
    (out_channels, rows, columns, each), channels = weights.shape, source.shape[3]
    if each == channels or channels % each or out_channels % (channels // each):
        return
    groups = channels // each
    whole = np.zeros((out_channels, rows, columns, channels), weights.data.dtype)
    for g in range(groups):
        outs = slice(g * out_channels // groups, (g + 1) * out_channels // groups)
        whole[outs, :, :, g * each : (g + 1) * each] = weights.data[outs]
    index = graph.add_tensor(weights, whole.shape, whole)
    where = graph.operators.index(conv)
    graph.operators[where] = replace(conv, inputs=(conv.inputs[0], index, *conv.inputs[2:]))
    graph.notes.append(
        f"node {conv.index}: a convolution in {groups} groups, computed as one with zeros between them"
    )


def _pool_whole_map(graph: _Graph, op: Operator) -> None:
    axes, source, out = (
        graph.constant(op.inputs[1]),
        graph.tensors[op.inputs[0]],
        graph.tensors[op.outputs[0]],
    )
    if axes is None or len(source.shape) != 4 or sorted(int(a) % 4 for a in axes.ravel()) != [1, 2]:
        return
    if not _same_scale(source, out):
        return
    height, width = source.shape[1:3]
    pooled = graph.add_tensor(source, (1, 1, 1, source.shape[3]))
    options = {
        "padding": "VALID",
        "stride_h": 1,
        "stride_w": 1,
        "filter_height": height,
        "filter_width": width,
    }
    where = graph.operators.index(op)
    graph.operators[where : where + 1] = [
        Operator(op.index, "MAX_POOL_2D", (source.index,), (pooled,), options),
        Operator(op.index, "RESHAPE", (pooled,), op.outputs, {"new_shape": out.shape}),
    ]
    graph.notes.append(f"node {op.index}: REDUCE_MAX over the map is computed as a MAX_POOL_2D")
