"""`fk-models info X.fkm`."""

import argparse
import json
import struct
from pathlib import Path
from typing import Any

from framekeep_models.image_reader import Fit, ImageInfo, Layer, Order, alive, name_of, read_image

EXAMPLES = """examples:
  fk-models info person.fkm
  fk-models info person.fkm --plot arena.png     which tensor lies where in the arena, and when
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("fkm", type=Path, help="a model image")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the arena over time")
    parser.add_argument("--json", action="store_true", help="all of it as one JSON object")


def run(options: argparse.Namespace) -> int:
    info = read_image(options.fkm)
    if options.plot:
        from framekeep_models.plot_arena import plot_arena

        plot_arena(info, options.plot)
    if options.json:
        print(json.dumps(_summary(options.fkm, info)))
    else:
        print(_text(options.fkm, info))
    return 0


def _quantisation(io: dict[str, Any]) -> dict[str, Any]:
    (scale,) = struct.unpack("<f", struct.pack("<I", io["scale"]))
    return {"scale": scale, "zero_point": io["zero_point"]}


def _summary(path: Path, info: ImageInfo) -> dict[str, Any]:
    h = info.header
    live = alive(info)
    return {
        "image": str(path),
        "model_id": h["model_id"].hex(),
        "image_bytes": h["image_size"],
        "arena_bytes": h["arena_size"],
        "host_arena_bytes": info.arena_bytes,
        "macs": sum(layer.macs for layer in info.layers),
        "weight_bytes": sum(layer.weight_bytes for layer in info.layers),
        "input": {
            "shape": list(info.tensors[info.inputs[0]["tensor"]].shape),
            "order": name_of(Order, h["order"]),
            "fit": name_of(Fit, h["fit"]),
            **_quantisation(info.inputs[0]),
        },
        "outputs": [
            {"shape": list(info.tensors[io["tensor"]].shape), **_quantisation(io)} for io in info.outputs
        ],
        "class_count": h["class_count"],
        "labels": info.labels,
        "layers": [
            {
                "kind": layer.kind.name,
                "input": [list(info.tensors[t].shape) for t in layer.inputs],
                "output": list(info.tensors[layer.output].shape),
                "macs": layer.macs,
                "weight_bytes": layer.weight_bytes,
                "live_bytes": _extent(info, tensors),
            }
            for layer, tensors in zip(info.layers, live, strict=True)
        ],
    }


def _extent(info: ImageInfo, tensors: list[int]) -> int:
    """Bytes of the arena that hold something, shared ones counted once."""
    total, reached = 0, 0
    for start, end in sorted(
        (info.tensors[t].offset, info.tensors[t].offset + info.tensors[t].size) for t in tensors
    ):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _shape(info: ImageInfo, tensor: int) -> str:
    return "x".join(str(n) for n in info.tensors[tensor].shape[1:]) or "1"


def _what(layer: Layer) -> str:
    f = layer.fields
    if "kernel_h" not in f:
        return layer.kind.name.lower()
    stride = "" if f["stride_h"] == f["stride_w"] == 1 else f" /{f['stride_h']}"
    return f"{layer.kind.name.lower()} {f['kernel_h']}x{f['kernel_w']}{stride}"


def _text(path: Path, info: ImageInfo) -> str:
    s = _summary(path, info)
    shape = "x".join(map(str, s["input"]["shape"][1:]))
    lines = [
        f"{path}: id {s['model_id']}, {s['image_bytes']:,} bytes, arena {s['arena_bytes']:,} bytes "
        f"({s['host_arena_bytes']:,} on this host, with its kernels' scratch)",
        f"  input   {shape} {s['input']['order']} {s['input']['fit']}, "
        f"scale {s['input']['scale']:.6g}, zero point {s['input']['zero_point']}",
        f"  classes {', '.join(s['labels']) if any(s['labels']) else s['class_count']}",
        f"  MACs    {s['macs']:,}   weights {s['weight_bytes']:,} bytes",
        "",
        f"  {'#':>3} {'operator':<20} {'input':>12} {'output':>12} {'MACs':>11} {'weights':>9} {'arena':>8}",
    ]
    for i, (layer, row) in enumerate(zip(info.layers, s["layers"], strict=True)):
        lines.append(
            f"  {i:>3} {_what(layer):<20} {_shape(info, layer.inputs[0]):>12} "
            f"{_shape(info, layer.output):>12} "
            f"{row['macs']:>11,} {row['weight_bytes']:>9,} {row['live_bytes']:>8,}"
        )
    return "\n".join(lines)
