"""A mission's cost on the microcontroller is said only where it was measured of that very mission."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from framekeep_ground.codes import Reason
from framekeep_sim import costs, mission, model, report, report_costs
from framekeep_sim.cli import main
from framekeep_sim.outcome import Run, reason_of

from tests.sim.test_report import flown

__all__ = ["flown"]

MISSIONS = Path(__file__).parents[2] / "missions"
RECORDED = sorted(MISSIONS.glob("*.costs.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_what_lies_beside_a_mission_was_measured_of_it(path: Path) -> None:
    plan = mission.load(path.with_name(path.name.replace(".costs.json", ".toml")))
    found = costs.find(plan, model.load(plan.model))
    assert found is not None, "fk-sim bench pipeline --mission M.toml --record measures it again"
    assert set(costs.STEPS) == set(found.of("qemu-m4"))
    assert f"missions/{plan.path.name}" in found.command


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The security mission and its costs, to be changed."""
    text = (MISSIONS / "security.toml").read_text()
    (tmp_path / "m.toml").write_text(text.replace("../models", str(MISSIONS.parent / "models")))
    shutil.copy(MISSIONS / "security.costs.json", tmp_path / "m.costs.json")
    return tmp_path / "m.toml"


def test_another_policy_or_model_has_no_costs(copied: Path) -> None:
    plan = mission.load(copied)
    own = model.load(plan.model)
    assert costs.find(plan, own) is not None
    assert costs.find(plan, model.load(MISSIONS.parent / "models/trained/person_96_all.tflite")) is None
    copied.write_text(copied.read_text().replace("quality = 60", "quality = 61"))
    assert costs.find(mission.load(copied), own) is None
    (copied.parent / "m.costs.json").unlink()
    assert costs.find(plan, own) is None


def test_what_was_measured_is_found_again(copied: Path) -> None:
    plan = mission.load(copied)
    step = costs.Step("qemu-m7", "store", 3, 1000, 2000)
    assert costs.write(plan, model.load(plan.model), "measured so", [step]) == copied.parent / "m.costs.json"
    found = costs.find(plan, model.load(plan.model))
    assert found is not None
    assert (found.command, found.of("qemu-m7"), found.of("qemu-m4")) == ("measured so", {"store": step}, {})


STEP = {"target": "qemu-m4", "step": "store", "times": 1, "instructions": 2, "modelled_cycles": 3}
FILE = {"command": "so", "policy_sha256": "", "model_id": "", "steps": [STEP]}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"steps": 1}', '{"steps": [{}]}'),
        json.dumps(FILE | {"steps": [STEP | {"step": "dance"}]}),
        json.dumps(FILE | {"steps": [STEP | {"modelled_cycles": "3"}]}),
    ],
)
def test_a_file_of_costs_that_is_none_is_one_line(
    text: str, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.costs.json").write_text(text)
    assert main(["run", "demo", "--mission", str(copied), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "m.costs.json: not written by" in said
    assert not (tmp_path / "run").exists()


def test_a_run_takes_each_step_as_often_as_its_frames_went_through_it(flown: Run) -> None:
    reasons = [reason_of(decision) for decision in flown.played.decisions]
    dropped_first = sum(reason in (Reason.DARK, Reason.BRIGHT, Reason.BLANK) for reason in reasons)
    kept = reasons.count(Reason.KEPT)
    assert dropped_first and kept
    assert report_costs.times(flown) == {
        "screen": len(reasons),
        "network": len(reasons) - dropped_first,
        "encode": kept,
        "store": kept,
        "record": len(reasons),
        "send": len(flown.received.pictures),
    }
    each = {name: costs.Step("qemu-m4", name, 1, 10, 1_000_000) for name in costs.STEPS}
    seconds, share = report_costs.busy(flown, each)
    count = sum(report_costs.times(flown).values())
    assert seconds == pytest.approx(count * 1e6 / 168e6)
    assert share == pytest.approx(seconds / (len(reasons) * float(flown.mission.camera.cadence)))


@pytest.mark.parametrize("frames", [1, 2])
def test_the_share_of_a_short_run_is_that_of_a_long_one(flown: Run, frames: int) -> None:
    played = dataclasses.replace(flown.played, decisions=flown.played.decisions[:frames])
    short = dataclasses.replace(flown, shots=flown.shots[:frames], played=played)
    seconds, share = report_costs.busy(short, {"screen": costs.Step("qemu-m4", "screen", 1, 10, 168_000)})
    assert seconds == pytest.approx(frames / 1000)
    assert share == pytest.approx(0.001 / float(flown.mission.camera.cadence))


def test_the_report_shows_the_costs_or_how_to_measure_them(flown: Run) -> None:
    assert flown.costs is not None
    step = flown.costs.of("qemu-f405")["encode"]
    page = report.render(flown)
    assert f"<td class=n>{step.instructions / 1e6:.1f} M" in page
    assert flown.costs.command in page
    assert any("encode" in line for line in report_costs.sentences(flown))

    without = dataclasses.replace(flown, costs=None)
    assert report_costs.sentences(without) == []
    assert "bench pipeline --mission" in report.render(without)
    assert "--record" in report.render(without)


def test_only_cores_that_hold_the_mission_are_shown(flown: Run) -> None:
    assert flown.costs is not None
    on_m7 = tuple(step for step in flown.costs.steps if step.target == "qemu-m7")
    page = report_costs.section(
        dataclasses.replace(flown, costs=dataclasses.replace(flown.costs, steps=on_m7))
    )
    assert "Cortex-M7" in page and "Cortex-M55" not in page
    large = tuple(step for step in flown.costs.steps if step.target == "qemu-m4")
    page = report_costs.section(
        dataclasses.replace(flown, costs=dataclasses.replace(flown.costs, steps=large))
    )
    assert "too small for this mission" in page


def test_a_record_names_the_command_that_made_it() -> None:
    for path in RECORDED:
        said = json.loads(path.read_text())["command"]
        assert said == f"fk-sim bench pipeline --mission missions/{path.name.replace('.costs.json', '.toml')}"
