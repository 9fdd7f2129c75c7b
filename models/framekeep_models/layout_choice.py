"""Which operators of a program get packed weights."""

from framekeep_models.layouts import (
    PAIRS,
    PLANES,
    PLANES_GROUP,
    Channels,
    Layout,
    pack_pairs,
    pack_planes,
)
from framekeep_models.ops_window import Conv, Depthwise, Weighted
from framekeep_models.program import Int8Array, Program


def choose_layouts(program: Program, layout: Layout) -> int:
    """Pack the weights of each operator that `layout` has an order for; returns how many it has."""
    if layout is Layout.PLAIN:
        return 0
    packed = 0
    for op in program.ops:
        if type(op) is Conv:  # a transposed one is a Conv too, and has no packed kernel
            packed += _pack_conv(op)
        elif isinstance(op, Depthwise):
            packed += _pack_depthwise(op)
    return packed


def _pack_conv(op: Conv) -> bool:
    stream = pack_pairs(_channels(op, op.weights.reshape(len(op.weights), -1)))
    return _take(op, PAIRS, stream)


def _pack_depthwise(op: Depthwise) -> bool:
    geo = op.geometry
    channels = geo.in_shape[2]
    window = (geo.kernel, geo.dilation, geo.out_shape[2]) == ((3, 3), (1, 1), channels)
    if not window or geo.stride not in ((1, 1), (2, 2)) or channels < PLANES_GROUP or max(geo.pad) > 2:
        return False
    stream = pack_planes(_channels(op, op.weights.reshape(-1, channels).T))
    return _take(op, PLANES, stream)


def _channels(op: Weighted, weights: Int8Array) -> Channels | None:
    return Channels.prepare(weights, op.folded_bias(), op.multiplier, op.shift, op.out_zero)


def _take(op: Weighted, layout: int, stream: bytes | None) -> bool:
    if stream is None:
        return False
    op.layout, op.packed = layout, stream
    return True
