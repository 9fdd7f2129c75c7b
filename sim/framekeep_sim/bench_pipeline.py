"""What a whole frame costs on each emulated core, and each step of it: judged, encoded, stored, sent.

The demo's frames are flown twice, some and none; the difference over the frames is what one costs. What
starting up, mounting the flash and loading the model take is told apart. A step lasts from the entry of the
stage's function to that of the next.
"""

import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from framekeep_ground.formats import SUBTYPE_FRAME
from framekeep_ground.packets import Scanner
from framekeep_onboard import ErrorCode, sizes, targets
from framekeep_onboard.count import Counts, ImageError
from framekeep_onboard.events import Event, Frame, Pass
from framekeep_onboard.pipeline import decisions_of

from framekeep_sim import costs, dataset, mission, model
from framekeep_sim.costs import Step
from framekeep_sim.events import Flight
from framekeep_sim.play import TARGETS, flash_setup

FIRST = 20  # of the demo's frames: from here on a person comes into sight
STEP_OF: Mapping[str, str] = {
    "fk_pipeline_frame": "screen",
    "fk_screen_measure": "screen",
    "fk_model_infer": "network",
    "fk_trigger_judge": "network",
    "fk_jpeg_encode": "encode",
    "fk_store_append": "store",
    "fk_decision_pack": "record",
    "fk_pipeline_downlink": "send",
    "fk_pipeline_sync": "end",
}


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


def run(path: Path, frames: int, *, record: bool = False) -> dict[str, Any]:
    """A row per target and one per step of each, ready for JSON; `record` keeps them beside the mission."""
    plan = mission.load(path)
    rows: list[Row] = []
    steps: list[Step] = []
    for target in TARGETS:
        row, its_steps = _measure(plan, target, frames)
        rows.append(row)
        steps += its_steps
    report = {"mission": str(path), "dataset": "demo", "rows": [asdict(row) for row in rows]}
    if record:
        command = shlex.join(["fk-sim", "bench", "pipeline", "--mission", str(path)])
        report["recorded"] = str(costs.write(plan, model.load(plan.model), command, steps))
    return report | {"steps": [asdict(step) for step in steps]}


def _measure(plan: mission.Mission, target: str, frames: int) -> tuple[Row, Sequence[Step]]:
    image = sizes.measure(target, targets.IMAGE)
    memory = (image.text, image.data + image.bss, image.stack)
    events = _frames(plan, frames)
    try:
        some = _fly(plan, target, [*events, Pass()])
        none = _fly(plan, target, [Pass()])
    except ImageError as error:
        if error.status != -ErrorCode["FK_ERR_TOOSMALL"]:
            raise
        return Row(target, None, None, None, None, *memory), ()
    each = (some.instructions - none.instructions) // len(events)
    kept = sum(bool(decision.size) for decision in decisions_of(some.records))
    return Row(target, len(events), kept, each, none.instructions, *memory), list(_steps(target, some))


def _frames(plan: mission.Mission, count: int) -> list[Event]:
    """The demo from frame FIRST on."""
    demo = dataset.load("demo")
    chosen = tuple(islice(demo, FIRST, FIRST + count))
    flight = Flight(plan, replace(demo, items=chosen, count=len(chosen)))
    return [event for event in flight.events() if isinstance(event, Frame)]


def _fly(plan: mission.Mission, target: str, events: Sequence[Event]) -> targets.TargetRun:
    flown = model.load(plan.model, target)
    policy = plan.policy(flown.labels, flown.thresholds_of(plan))
    with tempfile.TemporaryDirectory(prefix="framekeep-model-") as folder:
        image = Path(folder) / "model.fkm"
        image.write_bytes(flown.image)
        return targets.run(target, policy, image, events, flash_setup(plan.store), marks=tuple(STEP_OF))


def _steps(target: str, flown: targets.TargetRun) -> Iterator[Step]:
    """The mean of each step."""
    spent: dict[str, Counts] = {}
    entered: Counter[str] = Counter()
    for (name, before), (_, after) in pairwise(flown.snapshots):
        step = STEP_OF[name]
        spent[step] = spent[step] + (after - before) if step in spent else after - before
        entered[name] += 1
    frames = entered["fk_pipeline_frame"]
    pictures = len(Scanner().feed(flown.downlink, last=True).of(SUBTYPE_FRAME)[0])
    times = {
        "screen": frames,
        "network": entered["fk_trigger_judge"],
        "encode": entered["fk_jpeg_encode"],
        "store": entered["fk_store_append"],
        "record": frames,
        "send": pictures,
    }
    for step in costs.STEPS:
        if times[step]:
            counts = spent[step]
            yield Step(
                target,
                step,
                times[step],
                round(counts.instructions / times[step]),
                round(counts.cycles / times[step]),
            )
