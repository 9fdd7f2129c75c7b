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
        if len(writers) == 2 and _foldable(fill, writers[1], readers) and fill.output not in program.outputs:
            source = writers[1].inputs[0]
            for reader in readers:
                _fold(fill, reader, source, program.buffers[source].shape)
            program.ops = [op for op in program.ops if op not in writers]
            folded += 1
    return folded


def _foldable(fill: Fill, copy: Op, readers: list[Op]) -> bool:
    if fill.spatial is None or not isinstance(copy, Copy) or not readers:
        return False
    return all(
        isinstance(op, Conv | Depthwise) and not isinstance(op, TransposeConv) and op.in_zero == fill.value
        for op in readers
    )


def _fold(fill: Fill, reader: Op, source: int, shape: tuple[int, ...]) -> None:
    assert isinstance(reader, Conv | Depthwise)
    assert fill.spatial is not None
    geo = reader.geometry
    pad = (geo.pad[0] + fill.spatial[0], geo.pad[1] + fill.spatial[1])
    reader.geometry = replace(geo, in_shape=(shape[1], shape[2], shape[3]), pad=pad)
    reader.inputs = (source,)
    reader.nodes = (*fill.nodes, *reader.nodes)
