"""From a lossy pass to whole pictures, with the commands that a person would type."""

import csv
import json
from pathlib import Path

import pytest
from framekeep_ground.cli import main as ground
from framekeep_sim.cli import main as sim

from tests.end_to_end.test_targets_flight import mission
from tests.reference.walk_packets import walk

FRAMES = 40


def fly(folder: Path, name: str, plan: Path, *words: str) -> dict:
    out = folder / name
    fixed = ["run", "demo", "--mission", str(plan), "--out", str(out), "--limit", str(FRAMES)]
    assert sim([*fixed, *words]) == 0
    return json.loads((out / "summary.json").read_text())


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A pass after every ten frames; all frames are of interest."""
    return mission(tmp_path, output="1\nthreshold = 0.0", pass_every="10")


def test_what_a_pass_lost_is_asked_for_and_comes(tmp_path: Path, plan: Path) -> None:
    fly(tmp_path, "first", plan)
    sent = (tmp_path / "first/downlink.bin").read_bytes()
    packets = [(start, end) for start, end, said in walk(sent) if said.header.subtype == 3]
    lost = packets[5:9] + packets[40:41]
    heard = bytearray(sent)
    for start, end in reversed(lost):
        del heard[start:end]
    (tmp_path / "heard.bin").write_bytes(heard)
    assert ground(["decode", str(tmp_path / "heard.bin"), "--out", str(tmp_path / "pass1")]) == 0
    before = json.loads((tmp_path / "pass1/summary.json").read_text())
    assert before["frames"]["partial"] > 0

    up = tmp_path / "resend.tc"
    assert ground(["command", "resend", "--from", str(tmp_path / "pass1"), "-o", str(up)]) == 0
    summary = fly(tmp_path, "second", plan, "--uplink", f"{FRAMES}:{up}")
    assert summary["commands"] == len(before["resend"])
    assert summary["commands_refused"] == 0
    again = (tmp_path / "second/downlink.bin").read_bytes()
    assert again.startswith(sent), "the commands come after all passes of the first run"
    last_pass = again[len(sent) :]
    (tmp_path / "last.bin").write_bytes(bytes(heard) + last_pass)
    assert ground(["decode", str(tmp_path / "last.bin"), "--out", str(tmp_path / "pass2")]) == 0
    after = json.loads((tmp_path / "pass2/summary.json").read_text())
    assert after["resend"] == []
    assert after["frames"]["complete"] == before["frames"]["complete"] + len(before["resend"])
    assert after["reports"] == {"done": len(before["resend"]), "refused": 0}


def test_an_uploaded_mission_judges_from_where_its_report_says(tmp_path: Path, plan: Path) -> None:
    night = tmp_path / "night.toml"
    night.write_text(plan.read_text().replace("threshold = 0.0", "threshold = 1.0"))
    assert sim(["policy", str(night), "-o", str(tmp_path / "night.policy")]) == 0
    up = tmp_path / "up.tc"
    assert ground(["command", "policy", str(tmp_path / "night.policy"), "-o", str(up)]) == 0
    fly(tmp_path, "run", plan, "--uplink", f"25:{up}")
    source, out = tmp_path / "run/downlink.bin", tmp_path / "out"
    assert ground(["decode", str(source), "--out", str(out)]) == 0
    with (out / "reports.csv").open(newline="") as file:
        (said,) = csv.DictReader(file)
    assert (said["command"], said["error"]) == ("policy", "OK")
    with (tmp_path / "run/decisions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = {int(row["frame_id"]) for row in rows if row["reason"] == "KEPT"}
    assert int(said["frame_id"]) == int(rows[25]["frame_id"])
    assert kept
    assert max(kept) < int(said["frame_id"])


def test_deleted_frames_are_not_counted_as_evicted(tmp_path: Path, plan: Path) -> None:
    whole = fly(tmp_path, "whole", plan)
    with (tmp_path / "whole/decisions.csv").open(newline="") as file:
        kept = [row["frame_id"] for row in csv.DictReader(file) if row["reason"] == "KEPT"]
    up = tmp_path / "up.tc"
    assert ground(["command", "delete", *kept[:3], kept[0], "-o", str(up)]) == 0
    summary = fly(tmp_path, "less", plan, "--uplink", f"{FRAMES}:{up}")
    assert (summary["deleted"], summary["commands"], summary["commands_refused"]) == (3, 4, 1)
    assert summary["stored"] == whole["stored"] - 3
    assert summary["evicted"] == whole["evicted"]


@pytest.mark.parametrize("text", ["5", "x:up.tc", ":up.tc", "5:", "5:nowhere.tc"])
def test_an_uplink_that_makes_no_sense_is_one_line(
    text: str, tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "demo", "--mission", str(plan), "--out", str(tmp_path / "run"), "--uplink", text]
    with pytest.raises(SystemExit) as stop:
        sim(words)
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.qemu
def test_the_same_bytes_when_commands_come_up(
    tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up = tmp_path / "up.tc"
    night = tmp_path / "night.toml"
    night.write_text(plan.read_text().replace("threshold = 0.0", "threshold = 1.0"))
    sim(["policy", str(night), "-o", str(tmp_path / "night.policy")])
    parts = [
        ["ping"],
        ["resend", "21", "22:9-99"],
        ["delete", "1", "23"],
        ["policy", str(tmp_path / "night.policy")],
    ]
    packets = b""
    for words in parts:
        ground(["command", *words, "-o", str(up)])
        packets += up.read_bytes()
    up.write_bytes(packets)
    fixed = ["parity", "demo", "--mission", str(plan), "--limit", str(FRAMES), "--target", "qemu-f405"]
    capsys.readouterr()
    assert sim([*fixed, "--uplink", f"35:{up}", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["equal"]
    host = result["targets"]["host"]
    assert (host["commands"], host["commands_refused"], host["deleted"]) == (6, 1, 1)
