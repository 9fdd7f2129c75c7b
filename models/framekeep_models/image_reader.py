"""Reads a model image back, for people: what `fk-models info` prints."""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from construct import ConstructError
from framekeep_ground.model_image import FKM_MAGIC, FKM_NONE, FKM_RECORD, FkmHeader, FkmIo, FkmOp, FkmTensor
from framekeep_onboard import FkError
from framekeep_onboard import Model as Engine

from framekeep_models.contract import Fit, Order
from framekeep_models.fkm import RECORDS
from framekeep_models.program import Kind, ModelError


@dataclass(frozen=True, slots=True)
class Layer:
    kind: Kind
    inputs: tuple[int, ...]
    output: int
    fields: dict[str, Any]
    macs: int
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    offset: int
    size: int
    shape: tuple[int, ...]
    source: int


@dataclass(frozen=True, slots=True)
class ImageInfo:
    header: dict[str, Any]
    layers: list[Layer]
    tensors: list[Place]
    io: list[dict[str, Any]]
    labels: list[str]
    arena_bytes: int  # with this build's scratch

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return self.io[: self.header["input_count"]]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return self.io[self.header["input_count"] :]


def _plain(container: Any) -> dict[str, Any]:
    return {k: v for k, v in container.items() if not k.startswith("_") and k != "reserved"}


def read_image(path: Path) -> ImageInfo:
    """Everything but the constants. The engine judges the image first: what it refuses is not explained."""
    data = path.read_bytes()
    if int.from_bytes(data[:4], "little") != FKM_MAGIC:
        raise ModelError(f"{path}: not a model image; make one with fk-models compile")
    try:
        engine = Engine(path)
    except FkError as error:
        raise ModelError(f"{error}; copy it again, or make it anew with fk-models compile") from error
    try:
        header = FkmHeader.parse(data)
        tensors = [_tensor(data, header.tensors + i * FkmTensor.sizeof()) for i in range(header.tensor_count)]
        layers = [_layer(data, header.operators + i * FKM_RECORD) for i in range(header.operator_count)]
        io = [
            _plain(FkmIo.parse(data[header.io + i * FkmIo.sizeof() :]))
            for i in range(header.input_count + header.output_count)
        ]
    except (ConstructError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from error
    return ImageInfo(_plain(header), layers, tensors, io, engine.labels, engine.arena_size)


def _tensor(data: bytes, at: int) -> Place:
    t = FkmTensor.parse(data[at:])
    return Place(t.offset, t.size, tuple(t.shape[: t.rank]), t.source)


def _layer(data: bytes, at: int) -> Layer:
    op = FkmOp.parse(data[at:])
    kind = Kind(op.kind)
    fields = _plain(RECORDS[kind].parse(data[at:]))
    fields.pop("op")
    inputs = tuple(t for t in (op.input, op.input2) if t != FKM_NONE)
    weights = 0
    if kind in (Kind.CONV, Kind.DEPTHWISE, Kind.TRANSPOSE_CONV):
        weights = fields["kernel_h"] * fields["kernel_w"] * fields["out_c"]
        weights *= 1 if kind == Kind.DEPTHWISE else fields["in_c"]
    side = (
        "in" if kind == Kind.TRANSPOSE_CONV else "out"
    )  # each value there meets every weight of its channel
    macs = weights * fields.get(f"{side}_h", 0) * fields.get(f"{side}_w", 0)
    return Layer(kind, inputs, op.output, fields, macs, weights)


def alive(info: ImageInfo) -> list[list[int]]:
    """For each operator, the tensors that hold a value while it runs."""
    inputs = [io["tensor"] for io in info.inputs]
    first, last = dict.fromkeys(inputs, -1), dict.fromkeys(inputs, 0)
    for step, layer in enumerate(info.layers):
        first.setdefault(layer.output, step)
        for tensor in (*layer.inputs, layer.output):
            last[tensor] = step
    for io in info.outputs:
        last[io["tensor"]] = len(info.layers)
    together = range(info.header["stream_count"])  # these run row by row, all at once
    for layer in info.layers[: len(together)]:
        for tensor in (*layer.inputs, layer.output):
            first[tensor], last[tensor] = 0, max(last[tensor], together[-1])
    steps = range(len(info.layers))
    return [[t for t in first if first[t] <= step <= last[t]] for step in steps]


def name_of(enum: type[IntEnum], value: int) -> str:
    return enum(value).name


__all__ = ["Fit", "ImageInfo", "Layer", "Order", "Place", "alive", "name_of", "read_image"]
