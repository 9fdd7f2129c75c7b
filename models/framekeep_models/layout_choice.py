"""Which operators of a program get packed weights."""

from framekeep_models.layouts import PAIRS, Channels, Layout, pack_pairs
from framekeep_models.ops_window import Conv
from framekeep_models.program import Program


def choose_layouts(program: Program, layout: Layout) -> int:
    """Pack the weights of each operator that `layout` has an order for; returns how many it has."""
    packed = 0
    for op in program.ops:
        if layout is not Layout.ARMV7EM or not isinstance(op, Conv):
            continue
        taps = op.weights.reshape(len(op.weights), -1)
        stream = pack_pairs(Channels.prepare(taps, op.folded_bias(), op.multiplier, op.shift, op.out_zero))
        if stream is not None:
            op.layout, op.packed = PAIRS, stream
            packed += 1
    return packed
