"""What each step of a mission costs on the microcontrollers: measured once, kept beside the mission.

`fk-sim bench pipeline --record` writes M.costs.json beside M.toml. A run of the same policy and model shows
it; another does not, and says how to measure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from framekeep_ground.output import read_json, write_text

from framekeep_sim.digest import sha256
from framekeep_sim.errors import UserError
from framekeep_sim.mission import Mission
from framekeep_sim.model import FlightModel

CORE_HZ = 168_000_000  # of an STM32F405, for which cycles are modelled
STEPS: Mapping[str, str] = {
    "screen": "brightness and contrast; a frame too dark, bright or empty ends here",
    "network": "scaled, looked at, judged",
    "encode": "to JPEG",
    "store": "into flash; more once others must give way",
    "record": "the decision, kept or not",
    "send": "packets of the records and pictures",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step on one target: the mean of a few frames of the demo."""

    target: str
    step: str  # one of STEPS; of `send` each is a picture, of the others a frame
    times: int
    instructions: int  # executed, each
    modelled_cycles: int  # Cortex-M4, each


@dataclass(frozen=True, slots=True)
class Costs:
    """The steps of a mission, and what they were measured of."""

    command: str  # that measured them
    policy_sha256: str
    model_id: str
    steps: tuple[Step, ...]

    def of(self, target: str) -> dict[str, Step]:
        """By name; empty where the mission does not fit the target."""
        return {step.step: step for step in self.steps if step.target == target}


def place(mission: Mission) -> Path:
    return mission.path.with_suffix(".costs.json")


def write(mission: Mission, model: FlightModel, command: str, steps: Sequence[Step]) -> Path:
    """Keep what was measured beside the mission."""
    path = place(mission)
    costs = asdict(Costs(command, _policy(mission, model), model.id.hex(), ()))
    lines = ",\n  ".join(json.dumps(asdict(step)) for step in steps)  # a line each, for those who compare
    text = json.dumps(costs, indent=1).replace('"steps": []', f'"steps": [\n  {lines}\n ]')
    write_text(path, f"{text}\n")
    return path


def find(mission: Mission, model: FlightModel) -> Costs | None:
    """What is kept beside the mission, if it was measured of the same policy and model."""
    path = place(mission)
    try:
        said: dict[str, Any] = read_json(path)
        costs = Costs(**said | {"steps": tuple(map(_step, said["steps"]))})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path}: not written by fk-sim bench pipeline --record; remove it") from None
    same = costs.policy_sha256 == _policy(mission, model) and costs.model_id == model.id.hex()
    return costs if same else None


def _step(said: dict[str, Any]) -> Step:
    step = Step(**said)
    if step.step not in STEPS or not all(
        isinstance(count, int) for count in (step.times, step.instructions, step.modelled_cycles)
    ):
        raise ValueError(step)
    return step


def _policy(mission: Mission, model: FlightModel) -> str:
    return sha256(mission.policy(model.labels, model.thresholds_of(mission)))
