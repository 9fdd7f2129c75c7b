"""Which first operators run row by row: the picture and the first feature maps are never whole in memory."""

from framekeep_models.ops_window import AvgPool, Conv, Depthwise, Geometry, MaxPool, TransposeConv, Window
from framekeep_models.program import Program

STATE_BYTES = 160  # of RAM that a 32-bit core keeps for each such operator (fk_stage)
STREAMED_MAX = 32


def chain(program: Program) -> list[Window]:
    """The longest run of first operators of which each reads only what the one before wrote."""
    found: list[Window] = []
    at = program.input
    if len(program.inputs) != 1:
        return found
    for op in program.ops[:STREAMED_MAX]:
        readers = [o for o in program.ops if at in o.inputs]
        if not _is_window(op) or op.inputs != (at,) or len(readers) != 1 or at in program.outputs:
            break
        assert isinstance(op, Window)
        if found and op.geometry.in_shape != found[-1].geometry.out_shape:
            break  # a RESHAPE between them
        found.append(op)
        at = op.output
    return found


def _is_window(op: object) -> bool:
    return isinstance(op, Conv | Depthwise | AvgPool | MaxPool) and not isinstance(op, TransposeConv)


def band_bytes(geometry: Geometry) -> int:
    """The rows under one window."""
    rows, columns, depth = geometry.in_shape
    span = (geometry.kernel[0] - 1) * geometry.dilation[0] + 1
    return min(span, rows) * columns * depth
