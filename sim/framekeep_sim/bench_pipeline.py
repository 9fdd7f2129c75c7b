"""What a whole frame costs on each emulated core: judged, encoded, stored, sent.

The demo's frames are flown twice, some and none; the difference over the frames is what one costs. What
starting up, mounting the flash and loading the model take is told apart.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from framekeep_onboard import sizes

from framekeep_sim import dataset, mission, model
from framekeep_sim.events import Flight
from framekeep_sim.play import TARGETS, DoesNotFit, on_target

FIRST = 20  # of the demo's frames: from here on a person comes into sight


@dataclass(frozen=True, slots=True)
class Row:
    """One target; None where the mission does not fit it."""

    target: str
    frames: int | None
    kept: int | None
    instructions_per_frame: int | None
    instructions_to_start: int | None
    text_bytes: int
    static_ram_bytes: int  # without the work area, which is what the mission's frame and model need
    stack_bytes: int


def run(path: Path, frames: int) -> dict[str, Any]:
    """A row per target, ready for JSON."""
    return {"mission": str(path), "dataset": "demo", "rows": [asdict(row) for row in _rows(path, frames)]}


def _unheard(_decision: object) -> None:
    """Nobody waits for a single decision."""


def _rows(path: Path, frames: int) -> Iterator[Row]:
    plan = mission.load(path)
    for target in TARGETS:
        flown = model.load(plan.model, target)
        policy = plan.policy(flown.labels, flown.thresholds_of(plan))
        image = sizes.measure(target, "flight")
        memory = (image.text, image.data + image.bss, image.stack)
        try:
            some = on_target(target, _flight(plan, frames), policy, flown, _unheard)
            none = on_target(target, _flight(plan, 0), policy, flown, _unheard)
        except DoesNotFit:
            yield Row(target, None, None, None, None, *memory)
            continue
        start = int(str(none.target["instructions"]))
        each = (int(str(some.target["instructions"])) - start) // len(some.decisions)
        kept = sum(bool(decision.size) for decision in some.decisions)
        yield Row(target, len(some.decisions), kept, each, start, *memory)


def _flight(plan: mission.Mission, frames: int) -> Flight:
    """The demo from frame FIRST on."""
    demo = dataset.load("demo")
    chosen = tuple(islice(demo, FIRST, FIRST + frames))
    return Flight(plan, replace(demo, items=chosen, count=len(chosen)))
