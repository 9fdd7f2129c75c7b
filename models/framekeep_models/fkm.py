"""Writes a model image (.fkm): the bytes of docs/SPEC.md."""

import struct
import zlib
from typing import Any

from construct import Construct
from framekeep_ground.model_image import (
    FKM_MAGIC,
    FKM_NONE,
    FKM_RECORD,
    FKM_SLICE,
    FKM_VERSION,
    FkmBinary,
    FkmCopy,
    FkmFill,
    FkmHead,
    FkmHeader,
    FkmIo,
    FkmLut,
    FkmMean,
    FkmResize,
    FkmSoftmax,
    FkmTensor,
    FkmWindow,
)

from framekeep_models.contract import Contract
from framekeep_models.plan import Plan
from framekeep_models.program import Buffer, Constants, Kind, ModelError, Op, Program

RECORDS: dict[Kind, Construct] = {
    Kind.CONV: FkmWindow,
    Kind.DEPTHWISE: FkmWindow,
    Kind.AVG_POOL: FkmWindow,
    Kind.MAX_POOL: FkmWindow,
    Kind.SOFTMAX: FkmSoftmax,
    Kind.ADD: FkmBinary,
    Kind.MUL: FkmBinary,
    Kind.PRELU: FkmBinary,
    Kind.LUT: FkmLut,
    Kind.FILL: FkmFill,
    Kind.COPY: FkmCopy,
    Kind.MEAN: FkmMean,
    Kind.RESIZE_NEAREST: FkmResize,
    Kind.RESIZE_BILINEAR: FkmResize,
    Kind.TRANSPOSE_CONV: FkmWindow,
}
RANK_MAX = 5
FLAG_KEEP_ALL, FLAG_DEAD_REMOVED = 1, 2


def align(n: int, to: int = 16) -> int:
    return -(-n // to) * to


class _Pool(Constants):
    """Equal tables are stored once."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.data = bytearray()
        self.known: dict[bytes, int] = {}

    def add(self, data: bytes, align: int = 4) -> int:
        if data in self.known and self.known[data] % align == 0:
            return self.known[data]
        self.data += bytes(-len(self.data) % align)
        offset = self.base + len(self.data)
        self.data += data
        self.known[data] = offset
        return offset


def write(program: Program, plan: Plan, contract: Contract, model_id: bytes, flags: int = 0) -> bytes:
    """The image of a planned program."""
    numbers = {buffer: n for n, buffer in enumerate(sorted(plan.offsets))}
    labels = b"".join(label.encode() + b"\0" for label in contract.labels)
    luts = b"".join(lut.tobytes() for lut in contract.input.luts)
    sizes = {
        "tensors": FkmTensor.sizeof() * len(numbers),
        "operators": FKM_RECORD * len(program.ops),
        "tops": 4 * len(program.ops),
        "io": FkmIo.sizeof() * (len(program.inputs) + len(program.outputs)),
        "heads": FkmHead.sizeof() * len(contract.heads),
        "labels": len(labels),
        "thresholds": contract.class_count,
        "luts": len(luts),
    }
    offsets, at = {}, FkmHeader.sizeof()
    for name, size in sizes.items():
        offsets[name] = at
        at = align(at + size)
    pool = _Pool(at)
    sections = {
        "tensors": b"".join(
            _tensor(program.buffers[b], plan.offsets[b], plan.bands.get(b, 0)) for b in numbers
        ),
        "operators": b"".join(_operator(op, numbers, pool) for op in program.ops),
        "tops": struct.pack(f"<{len(plan.tops)}I", *plan.tops),
        "io": b"".join(_io(program.buffers[b], numbers[b]) for b in (*program.inputs, *program.outputs)),
        "heads": b"".join(_head(head, pool) for head in contract.heads),
        "labels": labels,
        "thresholds": bytes(contract.thresholds),
        "luts": luts,
    }
    crcs = align(at + len(pool.data))
    image_size = crcs + 4 * -(-crcs // FKM_SLICE)
    header = {
        **offsets,
        "magic": FKM_MAGIC,
        "version": FKM_VERSION,
        "header_size": FkmHeader.sizeof(),
        "image_size": image_size,
        "arena_size": plan.size,
        "model_id": model_id,
        "flags": flags,
        "constants": pool.base,
        "crcs": crcs,
        "tensor_count": len(numbers),
        "operator_count": len(program.ops),
        "labels_size": len(labels),
        "width": contract.input.width,
        "height": contract.input.height,
        "channels": {0: 0, 1: 1}.get(int(contract.input.order), 3),
        "order": int(contract.input.order),
        "fit": int(contract.input.fit),
        "lut_count": len(contract.input.luts),
        "output_count": len(program.outputs),
        "head_count": len(contract.heads),
        "class_count": contract.class_count,
        "input_count": len(program.inputs),
        "stream_count": plan.streamed,
        "reserved": bytes(8),
    }
    body = bytearray(crcs)
    body[: FkmHeader.sizeof()] = FkmHeader.build(header)
    for name, data in sections.items():
        body[offsets[name] : offsets[name] + len(data)] = data
    body[pool.base : pool.base + len(pool.data)] = pool.data
    return bytes(body) + slice_crcs(bytes(body))


def slice_crcs(body: bytes) -> bytes:
    starts = range(0, len(body), FKM_SLICE)
    return b"".join(struct.pack("<I", zlib.crc32(body[i : i + FKM_SLICE])) for i in starts)


def _tensor(buffer: Buffer, offset: int, band: int) -> bytes:
    shape = buffer.shape
    if len(shape) > RANK_MAX:
        raise ModelError(f"a tensor with {len(shape)} dimensions")
    source = buffer.views[0].tensor if buffer.views else FKM_NONE
    fields = {
        "offset": offset,
        "size": band or buffer.size,
        "source": source,
        "rank": len(shape),
        "band": int(band > 0),
    }
    return bytes(FkmTensor.build({**fields, "shape": [*shape, *[1] * (RANK_MAX - len(shape))]}))


def _io(buffer: Buffer, number: int) -> bytes:
    (scale,) = struct.unpack("<I", struct.pack("<f", buffer.scale))
    return bytes(FkmIo.build({"tensor": number, "zero_point": buffer.zero_point, "scale": scale}))


def _operator(op: Op, numbers: dict[int, int], pool: _Pool) -> bytes:
    fields = op.fields(pool)
    start = {
        "kind": int(op.number()),
        "layout": fields.pop("layout", 0),
        "input": numbers[op.inputs[0] if op.inputs else op.output],
        "input2": numbers[op.inputs[1]] if len(op.inputs) > 1 else FKM_NONE,
        "output": numbers[op.output],
    }
    layout = RECORDS[op.number()]
    return bytes(layout.build({"op": start, **fields, "reserved": bytes(_reserved(layout))}))


def _reserved(layout: Construct) -> int:
    last = layout.subcons[-1]
    return int(last.sizeof()) if last.name == "reserved" else 0


def _head(head: Any, pool: _Pool) -> bytes:
    return bytes(
        FkmHead.build(
            {
                "kind": int(head.kind),
                "output": head.output,
                "first": head.first,
                "anchors": head.anchors,
                "grid_h": head.grid[0],
                "grid_w": head.grid[1],
                "depth": head.depth,
                "object": head.object,
                "box": head.box,
                "scores": pool.add(head.scores),
                "boxes": pool.add(head.boxes) if head.boxes else 0,
                "reserved": bytes(12),
            }
        )
    )


__all__ = ["FLAG_DEAD_REMOVED", "FLAG_KEEP_ALL", "slice_crcs", "write"]
