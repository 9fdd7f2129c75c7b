"""Every frame leaves a decision record on the ground, also when nobody listens for long."""

import csv
import json
from pathlib import Path

import pytest
from framekeep_ground import cli as ground
from framekeep_sim import cli as sim
from PIL import Image

MISSION = Path(__file__).parents[2] / "missions" / "security.toml"


@pytest.mark.parametrize(("pass_every", "audit_every"), [(0, 0), (0, 7), (100, 3), (999, 1)])
def test_records_reach_the_ground_when_frames_outnumber_their_ring(
    tmp_path: Path, pass_every: int, audit_every: int
) -> None:
    pictures = tmp_path / "night"
    pictures.mkdir()
    for i in range(600):  # the ring of this mission holds some 250; all black, so nothing is encoded
        Image.new("L", (16, 12)).save(pictures / f"{i:03}.png")
    mission = tmp_path / "mission.toml"
    text = MISSION.read_text()
    for old, new in (
        ("../models", f"{MISSION.parents[1]}/models"),
        ("pass_every = 150", f"pass_every = {pass_every}"),
        ("pass_bytes = 60000", "pass_bytes = 0"),
        ("every = 20 ", f"every = {audit_every} "),
    ):
        assert text.count(old) >= 1
        text = text.replace(old, new)
    mission.write_text(text)

    run, decoded = tmp_path / "run", tmp_path / "decoded"
    assert sim.main(["run", str(pictures), "--mission", str(mission), "--out", str(run), "--json"]) == 0
    assert ground.main(["decode", str(run / "downlink.bin"), "--out", str(decoded), "--json"]) == 0

    rows = list(csv.DictReader((decoded / "decisions.csv").open()))
    assert [int(row["frame_id"]) for row in rows] == list(range(1, 601))
    assert {row["reason"] for row in rows} == {"DARK"}
    audited = sorted(int(path.stem) for path in decoded.glob("thumbnails/*.png"))
    assert audited == [i for i in range(1, 601) if audit_every and i % audit_every == 0]


def test_pictures_that_are_too_large_are_wanted_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mission = tmp_path / "mission.toml"
    text = MISSION.read_text().replace("../models", f"{MISSION.parents[1]}/models")
    assert "max_bytes = 16384" in text and "quality = 60" in text
    mission.write_text(
        text.replace("max_bytes = 16384", "max_bytes = 4096").replace("quality = 60", "quality = 75")
    )
    words = [
        "run",
        "demo",
        "--limit",
        "40",
        "--mission",
        str(mission),
        "--out",
        str(tmp_path / "run"),
        "--json",
    ]
    assert sim.main(words) == 0
    s = json.loads(capsys.readouterr().out)
    assert 0 < s["reasons"]["TOO_LARGE"] == s["refused"] < s["kept"]
    assert s["kept"] == s["stored"] + s["evicted"] + s["refused"]
    assert s["kept"] + sum(s["reasons"][name] for name in ("DARK", "BRIGHT", "BLANK", "LOW_SCORE")) == 40
