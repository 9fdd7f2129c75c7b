"""What a model's inference costs: instructions and modelled cycles on each emulated core, time on this one.

Every model is measured twice: as given, and with its dead channels removed. LiteRT with XNNPACK, one thread,
is timed beside the host in the same run, so that only their ratio counts.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from framekeep_models.compile import Compiled, Options, compile_model
from framekeep_models.layouts import FASTEST
from framekeep_models.program import ModelError
from framekeep_models.tflite_model import ModelFileError
from framekeep_onboard import Model, sizes
from framekeep_onboard.model import Int8Array
from framekeep_onboard.network import IMAGE, run_network

from framekeep_sim.errors import UserError

HOST = "host"
VARIANTS = {"as-given": True, "eliminated": False}  # name -> are dead channels kept?
ROUNDS, ROUND_S = 7, 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One model, variant and target; None where a figure does not apply."""

    model: str
    variant: str
    target: str
    layer: str | None
    macs: int
    instructions: int | None
    modelled_cycles: int | None
    arena_bytes: int | None
    stack_bytes: int | None
    code_bytes: int | None
    model_bytes: int | None
    microseconds: float | None
    litert_xnnpack_microseconds: float | None


def run(models: Sequence[Path], targets: Sequence[str], *, layers: bool = False) -> dict[str, Any]:
    """All rows, ready for JSON. UserError where a model does not compile."""
    return {"rows": [asdict(row) for model in models for row in _rows(model, targets, layers)]}


def _rows(path: Path, targets: Sequence[str], layers: bool) -> Iterator[Row]:
    for variant, keep_dead in VARIANTS.items():
        for target in targets:
            try:
                made = compile_model(path, options=Options(keep_dead=keep_dead, layout=FASTEST[target]))
            except (ModelError, ModelFileError) as error:
                raise UserError(f"{path}: {error}") from None
            if target == HOST:
                yield _host(path, variant, made)
            else:
                yield from _target(path, variant, target, made, layers)


def _host(path: Path, variant: str, made: Compiled) -> Row:
    model = Model(made.image)
    inputs = _inputs(model)
    model.run(inputs)
    ours, peer = _beside_each_other(model.again, _litert(path))
    return Row(
        path.stem,
        variant,
        HOST,
        None,
        made.report["macs"],
        instructions=None,
        modelled_cycles=None,
        arena_bytes=model.arena_size,
        stack_bytes=None,
        code_bytes=None,
        model_bytes=len(made.image),
        microseconds=ours,
        litert_xnnpack_microseconds=peer,
    )


def _target(path: Path, variant: str, target: str, made: Compiled, layers: bool) -> Iterator[Row]:
    model = Model(made.image)
    inputs = _inputs(model)
    expected = [np.asarray(part) for part in _as_list(model.run(inputs))]
    whole = run_network(target, made.image, [_flat(inputs)] * 2)
    for got, want in zip(whole.outputs[1], expected, strict=True):
        if not np.array_equal(got.reshape(-1), want.reshape(-1)):
            raise UserError(f"{path}: {target} and the host give different outputs")
    warm = whole.counts[1]
    yield Row(
        path.stem,
        variant,
        target,
        None,
        made.report["macs"],
        instructions=warm.instructions,
        modelled_cycles=warm.cycles,
        arena_bytes=model.arena_size,
        stack_bytes=sizes.stack_of(target, IMAGE, "fk_model_run"),
        code_bytes=sizes.library_bytes(target, IMAGE),
        model_bytes=len(made.image),
        microseconds=None,
        litert_xnnpack_microseconds=None,
    )
    if not layers:
        return
    steps = run_network(target, made.image, [_flat(inputs)], stepwise=True).counts
    for number, (op, counts) in enumerate(zip(made.program.ops, steps, strict=True)):
        yield Row(
            path.stem,
            variant,
            target,
            f"{number} {op.kind.name.lower()}",
            op.macs(),
            instructions=counts.instructions,
            modelled_cycles=counts.cycles,
            arena_bytes=None,
            stack_bytes=None,
            code_bytes=None,
            model_bytes=None,
            microseconds=None,
            litert_xnnpack_microseconds=None,
        )


def _inputs(model: Model) -> list[Int8Array]:
    """Seeded noise: the kernels take the same path whatever the numbers."""
    rng = np.random.default_rng(1)
    return [rng.integers(-128, 128, shape).astype(np.int8) for shape in model.input_shapes]


def _flat(inputs: Sequence[Int8Array]) -> Int8Array:
    return np.concatenate([part.reshape(-1) for part in inputs])


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _litert(path: Path) -> Callable[[], object] | None:
    """A run of LiteRT with XNNPACK on one thread; None where it is not installed or refuses the file."""
    try:
        from ai_edge_litert.interpreter import Interpreter

        peer = Interpreter(model_content=_acceptable(path.read_bytes()), num_threads=1)
        peer.allocate_tensors()
    except (ImportError, ValueError, RuntimeError):
        return None
    rng = np.random.default_rng(1)
    for detail in peer.get_input_details():
        noise = rng.integers(-128, 128, detail["shape"]).astype(detail["dtype"])
        peer.set_tensor(detail["index"], noise)
    invoke: Callable[[], object] = peer.invoke
    return invoke


def _acceptable(blob: bytes) -> bytes:
    """With quantised dimensions that a tensor does not have set to 0: TFLite Micro ignores them on
    one-dimensional biases, LiteRT refuses the model."""
    vtable_slot = 16  # of quantized_dimension
    fixed = bytearray(blob)
    graph = tflite.Model.GetRootAsModel(fixed, 0).Subgraphs(0)
    for i in range(graph.TensorsLength()):
        about = graph.Tensors(i).Quantization()
        if about is not None and about.QuantizedDimension() >= graph.Tensors(i).ShapeLength():
            offset = about._tab.Offset(vtable_slot)
            if offset:
                fixed[about._tab.Pos + offset : about._tab.Pos + offset + 4] = bytes(4)
    return bytes(fixed)


def _beside_each_other(
    ours: Callable[[], object], peer: Callable[[], object] | None
) -> tuple[float, float | None]:
    """Best microseconds of each, in turns, so that both see the same machine."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, call in enumerate((ours, peer)):
            if call is not None:
                best[i] = min(best[i], _mean_us(call))
    return best[0], best[1] if peer is not None else None


def _mean_us(call: Callable[[], object]) -> float:
    call()
    started, runs = time.perf_counter(), 0
    while time.perf_counter() - started < ROUND_S:
        call()
        runs += 1
    return (time.perf_counter() - started) / runs * 1e6
