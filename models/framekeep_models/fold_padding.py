"""PAD in front of a convolution becomes the convolution's own padding: both read the zero point there."""

from dataclasses import replace

from framekeep_models.ops_shape import Copy, Fill
from framekeep_models.ops_window import Conv, Depthwise, TransposeConv
from framekeep_models.program import Op, Program


def fold_padding(program: Program) -> int:
    """Changes the program in place; returns how many PADs went."""
    folded = 0
    for fill in [op for op in program.ops if isinstance(op, Fill)]:
        writers = [op for op in program.ops if op.output == fill.output]
        readers = [op for op in program.ops if fill.output in op.inputs]
        if fill.output in program.outputs or len(writers) != 2:
            continue
        if _foldable(fill, writers[1], readers, program.buffers[fill.output].shape):
            source = writers[1].inputs[0]
            for reader in readers:
                _fold(fill, reader, source)
            program.ops = [op for op in program.ops if op not in writers]
            folded += 1
    return folded


def _foldable(fill: Fill, copy: Op, readers: list[Op], shape: tuple[int, ...]) -> bool:
    if fill.spatial is None or not isinstance(copy, Copy) or not readers:
        return False
    return all(
        isinstance(op, Conv | Depthwise)
        and not isinstance(op, TransposeConv)
        and op.in_zero == fill.value
        and (1, *op.geometry.in_shape) == shape  # not the padded map seen flattened or turned
        for op in readers
    )


def _fold(fill: Fill, reader: Op, source: int) -> None:
    assert isinstance(reader, Conv | Depthwise)
    assert fill.spatial is not None
    geo = reader.geometry
    rows, columns, channels = fill.inner
    pad = (geo.pad[0] + fill.spatial[0], geo.pad[1] + fill.spatial[1])
    reader.geometry = replace(geo, in_shape=(rows, columns, channels), pad=pad)
    reader.inputs = (source,)
    reader.nodes = (*fill.nodes, *reader.nodes)
