"""`fk-models compile`: a .tflite in, a model image and a report out."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from construct import ConstructError

from framekeep_models import fkm
from framekeep_models.contract import Contract, Wishes, make_contract
from framekeep_models.dead_channels import remove_dead_channels
from framekeep_models.fold_padding import fold_padding
from framekeep_models.layout_choice import choose_layouts
from framekeep_models.layouts import Layout
from framekeep_models.lower import lower
from framekeep_models.plan import Plan, plan
from framekeep_models.plan_choice import choose_plan
from framekeep_models.program import ModelError, Program
from framekeep_models.tflite_model import Model, ModelFileError, load
from framekeep_models.tflite_simplify import simplify


@dataclass(frozen=True, slots=True)
class Options:
    """How far the compiler may go."""

    keep_all: bool = False  # every tensor is there and keeps its own memory until the end
    keep_dead: bool = False  # channels with constant outputs stay
    arena: int | None = None  # bytes the plan must keep within; None: as little as there is
    layout: Layout = Layout.PLAIN  # of the weights: which cores read them fast


@dataclass(frozen=True, slots=True)
class Compiled:
    """An image, and all that was known on the way to it."""

    image: bytes
    model: Model  # as it is in the file
    simple: Model  # as it was lowered: some nodes rewritten, so that some tensors are gone
    program: Program
    plan: Plan
    contract: Contract
    notes: tuple[str, ...]
    report: dict[str, Any] = field(default_factory=dict)


def compile_model(
    source: Path | bytes, wishes: Wishes | None = None, options: Options | None = None
) -> Compiled:
    """Compiles; raises ModelError or ModelFileError with what is wrong."""
    blob = source if isinstance(source, bytes) else source.read_bytes()
    try:
        return _compile(blob, wishes or Wishes(), options or Options())
    except (ModelError, ModelFileError):
        raise
    except (ArithmeticError, LookupError, ValueError, TypeError, ConstructError) as error:
        # a damaged file can contradict itself in more ways than the rules ask about
        raise ModelError(f"the file contradicts itself: {type(error).__name__}: {error}") from error


def _compile(blob: bytes, wishes: Wishes, options: Options) -> Compiled:
    model = load(blob)
    simple, rewrites = simplify(model)
    program, notes = lower(simple)
    wishes = replace(
        wishes,
        labels=wishes.labels or model.labels,
        thresholds=wishes.thresholds or model.thresholds,
    )
    before = {"macs": program.macs(), "weight_bytes": program.weight_bytes()}
    removed = 0
    if not options.keep_all:
        fold_padding(program)
        removed = 0 if options.keep_dead else remove_dead_channels(program)
    contract = make_contract(program, wishes)
    packed = choose_layouts(program, options.layout)
    planned = plan(program, keep_all=True) if options.keep_all else choose_plan(program, options.arena)
    digest = hashlib.sha256(blob).digest()
    flags = (fkm.FLAG_KEEP_ALL if options.keep_all else 0) | (fkm.FLAG_DEAD_REMOVED if removed else 0)
    image = fkm.write(program, planned, contract, digest[:8], flags)
    all_notes = (*rewrites, *notes, *wishes.notes)
    report = {
        "model_id": digest[:8].hex(),
        "image_bytes": len(image),
        "arena_bytes": planned.size,
        "arena_lower_bound": planned.bound,
        "operators": len(program.ops),
        "streamed_operators": planned.streamed,
        "layout": options.layout.value,
        "packed_operators": packed,
        "macs": program.macs(),
        "weight_bytes": program.weight_bytes(),
        "before": before,
        "channels_removed": removed,
        "classes": list(contract.labels) or contract.class_count,
        "notes": list(all_notes),
    }
    return Compiled(image, model, simple, program, planned, contract, all_notes, report)
