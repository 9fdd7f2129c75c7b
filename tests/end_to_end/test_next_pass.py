"""A lossy link, a request for what is missing, and the pass that brings it: the commands of `make demo`."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from framekeep_ground.cli import main as ground
from framekeep_onboard.events import Frame, Pass
from framekeep_onboard.pipeline import Pipeline
from framekeep_sim import mission as missions
from framekeep_sim import model as models
from framekeep_sim.cli import main as sim
from framekeep_sim.dataset import load
from framekeep_sim.events import Flight
from framekeep_sim.ground import counters_after, receive
from framekeep_sim.play import flash_setup

from tests.reference.walk_packets import walk

ROOT = Path(__file__).parents[2]
MISSION = str(ROOT / "missions" / "satellite.toml")


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's run; what reads it leaves it as it is."""
    run = tmp_path_factory.mktemp("flown") / "run"
    assert sim(["run", "demo", "--mission", MISSION, "--out", str(run)]) == 0
    return run


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def demo_commands() -> list[list[str]]:
    """What `make demo` types, as its recipe says."""
    text = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert recipe
    lines = re.sub(r"\\\n\t*", " ", recipe[1]).splitlines()
    return [shlex.split(line) for line in lines if line.startswith("\tfk-")]


def test_make_demo_ends_with_every_picture_whole_that_flash_still_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "missions").symlink_to(ROOT / "missions")
    before: dict = {}
    for command, *words in demo_commands():
        assert {"fk-sim": sim, "fk-ground": ground}[command](words) == 0
        if "resend" in words:
            before = summary_of(Path("demo/before"))
    after = summary_of(Path("demo/after"))
    assert ground(["flash", "demo/run/flash.bin", "--extract", "kept"]) == 0
    kept = {path.name: path.read_bytes() for path in Path("kept").iterdir()}
    asked = {int(word.partition(":")[0]) for word in before["resend"]}
    assert len(asked) == before["frames"]["partial"] >= 4, "bands are missing in some"
    with Path("demo/run/decisions.csv").open(newline="") as file:
        worth = {row["frame_id"]: int(row["value"]) for row in csv.DictReader(file)}
    values = [worth[word.partition(":")[0]] for word in before["resend"]]
    assert values == sorted(values, reverse=True) != values[::-1], "the most valuable first"
    assert after["gone"] == sorted(frame for frame in asked if f"{frame}.jpg" not in kept)
    assert after["resend"] == []
    assert after["frames"]["partial"] == after["reports"]["refused"] == len(after["gone"])
    assert after["newest"]["repaired"] == len(asked) - len(after["gone"]) >= 4
    sent = {path.name: path.read_bytes() for path in Path("demo/after/frames").iterdir()}
    assert len(sent) >= before["frames"]["complete"] + after["newest"]["repaired"]
    repaired = {f"{frame}.jpg" for frame in asked - set(after["gone"])}
    assert {name: sent[name] for name in repaired} == {name: kept[name] for name in repaired}
    page = Path("demo/after/index.html").read_text()
    assert page.count("no longer on board") == len(after["gone"])
    assert "fk-ground command resend" not in page
    named = re.findall(r"demo/\S+\.html", (ROOT / "Makefile").read_text())
    assert named and all(Path(name).is_file() for name in named)


def test_a_pass_is_the_next_in_its_counts_and_nothing_seems_missing(flown: Path, tmp_path: Path) -> None:
    up = tmp_path / "up.tc"
    assert ground(["command", "resend", "84:0-999", "-o", str(up)]) == 0
    sent = (flown / "downlink.bin").read_bytes()
    folders = [flown]
    for name in ("next", "third"):
        words = ["pass", str(folders[-1]), "--mission", MISSION, "--uplink", str(up)]
        assert sim([*words, "--out", str(tmp_path / name)]) == 0
        folders.append(tmp_path / name)
        sent += (tmp_path / name / "downlink.bin").read_bytes()
    (tmp_path / "all.bin").write_bytes(sent)
    assert ground(["decode", str(tmp_path / "all.bin"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "gaps.csv").read_text().count("\n") == 1
    counts: dict[int, list[int]] = {}
    for _, _, packet in walk(sent):
        counts.setdefault(packet.header.packet_id & 0x7FF, []).append(packet.header.sequence & 0x3FFF)
    for numbers in counts.values():
        assert numbers == list(range(len(numbers)))


def test_a_run_tells_the_counters_that_the_camera_has() -> None:
    plan = missions.load(Path(MISSION))
    model = models.load(plan.model)
    camera = Pipeline(
        plan.policy(model.labels, model.thresholds_of(plan)), model.image, flash_setup(plan.store)
    )
    downlink = b""
    for event in Flight(plan, load("demo", limit=50)).events():
        if isinstance(event, Frame):
            camera.frame(event)
        elif isinstance(event, Pass):
            downlink += b"".join(camera.downlink(event))
            assert counters_after(downlink, (100, 101)) == camera.counters()


def test_a_frame_that_is_gone_is_refused_and_the_report_says_so(
    flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up, out = tmp_path / "up.tc", tmp_path / "next"
    assert ground(["command", "resend", "3", "84", "-o", str(up)]) == 0
    assert sim(["pass", str(flown), "--mission", MISSION, "--uplink", str(up), "--out", str(out)]) == 0
    assert "1 carried out, 1 refused: no such frame or record" in capsys.readouterr().out
    assert summary_of(out)["refused"] == {"NOENT": 1}
    assert not {3, 84} & set(summary_of(out)["waited"]), "what was asked for did not wait"
    assert ground(["decode", str(out / "downlink.bin"), "--out", str(tmp_path / "decoded")]) == 0
    with (tmp_path / "decoded" / "reports.csv").open(newline="") as file:
        assert [row["error"] for row in csv.DictReader(file)] == ["NOENT", "OK"]


def test_a_frame_that_waited_comes_too_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "little.toml"
    text = (ROOT / "missions" / "satellite.toml").read_text().replace("../models", str(ROOT / "models"))
    plan.write_text(text.replace("last_pass_bytes = 0", "last_pass_bytes = 9000"))
    run, out = tmp_path / "run", tmp_path / "next"
    assert sim(["run", "demo", "--mission", str(plan), "--limit", "24", "--out", str(run)]) == 0
    with (run / "decisions.csv").open(newline="") as file:
        kept = {int(row["frame_id"]) for row in csv.DictReader(file) if row["reason"] == "KEPT"}
    capsys.readouterr()
    assert sim(["pass", str(run), "--mission", str(plan), "--out", str(out)]) == 0
    waited = summary_of(out)["waited"]
    assert set(waited) == kept - receive((run / "downlink.bin").read_bytes()).pictures.keys()
    assert f"also whole: {len(waited)} frames that waited in flash ({waited[0]}" in capsys.readouterr().out


def test_a_pass_carries_no_more_than_its_budget(
    flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up, out = tmp_path / "up.tc", tmp_path / "next"
    assert ground(["command", "resend", "83", "84", "-o", str(up)]) == 0
    capsys.readouterr()
    words = ["pass", str(flown), "--mission", MISSION, "--uplink", str(up), "--budget", "3000"]
    assert sim([*words, "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == summary_of(out)
    assert 2500 < (out / "downlink.bin").stat().st_size <= 3000
    assert {path.name for path in out.iterdir()} == {"downlink.bin", "flash.bin", "summary.json"}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"run": "nowhere"}, "nowhere: no folder of fk-sim run"),
        ({"mission": "security.toml"}, "flew with another mission (satellite); name it with --mission"),
        ({"model": "ship_80.tflite"}, "flew with another model (person_96.tflite); name it with --model"),
        ({"uplink": "nowhere.tc"}, "nowhere.tc: no such file; make it with fk-ground command"),
        ({"uplink": MISSION}, "no file of telecommands"),
        ({"budget": "0"}, "0 is no number of bytes from 1"),
        ({"budget": "-5"}, "-5"),
        ({"flash": b""}, "flash.bin: does not fit the mission"),
        ({"summary": b"{}"}, "summary.json: not written by this fk-sim run"),
        ({"summary": b"\xff"}, "summary.json: not written by this fk-sim run"),
        ({"summary": b"[" * 100_000}, "summary.json: not written by this fk-sim run"),
        ({"summary": b"7"}, "summary.json: not written by this fk-sim run"),
        ({"counters": {"sequence": [0, 0], "message": [0, 0, 0, 0, -1]}}, "not written by this fk-sim run"),
        ({"counters": {"sequence": [0], "message": [0, 0, 0, 0, 0]}}, "not written by this fk-sim run"),
        ({"counters": {"sequence": "00", "message": [0, 0, 0, 0, 0]}}, "not written by this fk-sim run"),
        ({"out": "run"}, "holds the pass before; name another folder"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    changed: dict, says: str, flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("summary.json", "flash.bin", "downlink.bin"):
        (run / name).write_bytes((flown / name).read_bytes())
    for name, file in (("flash", "flash.bin"), ("summary", "summary.json")):
        if name in changed:
            (run / file).write_bytes(changed[name])
    if "counters" in changed:
        said = summary_of(run) | {"counters": changed["counters"]}
        (run / "summary.json").write_text(json.dumps(said))
    words = ["pass", str(tmp_path / changed.get("run", "run"))]
    words += ["--mission", str(ROOT / "missions" / changed.get("mission", "satellite.toml"))]
    if "model" in changed:
        words += ["--model", str(ROOT / "models" / "trained" / changed["model"])]
    for name in ("uplink", "budget"):
        if name in changed:
            words += [f"--{name}", changed[name]]
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    try:
        status = sim([*words, "--out", str(tmp_path / changed.get("out", "next"))])
    except SystemExit as stop:
        status = int(str(stop.code))
    error = capsys.readouterr().err
    assert (status, error.count("\n")) == (2, 1), error
    assert says in error
    assert sorted(tmp_path.rglob("*")) == before
