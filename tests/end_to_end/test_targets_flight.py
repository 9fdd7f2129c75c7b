"""Host and emulated microcontrollers, given the same frames, leave the same bytes."""

import hashlib
import json
from pathlib import Path

import pytest
from framekeep_onboard import firmware
from framekeep_onboard.pipeline import Decision
from framekeep_sim import dataset, model
from framekeep_sim.cli import main
from framekeep_sim.events import Flight
from framekeep_sim.mission import load
from framekeep_sim.play import play

pytestmark = pytest.mark.qemu

MISSIONS = Path(__file__).resolve().parents[2] / "missions"


def mission(folder: Path, **changes: str) -> Path:
    """The security mission with some of its `key = value` lines changed."""
    lines = (MISSIONS / "security.toml").read_text().splitlines()
    model = f'file = "{MISSIONS.parent / "models" / "trained" / "person_96.tflite"}"'
    changes = {"file": model, **{key: f"{key} = {value}" for key, value in changes.items()}}
    for key, line in changes.items():
        places = [n for n, old in enumerate(lines) if old.startswith(f"{key} ")]
        assert len(places) == 1, f"the mission has {len(places)} lines for {key}"
        lines[places[0]] = line
    path = folder / "mission.toml"
    path.write_text("\n".join(lines))
    return path


def parity(capsys: pytest.CaptureFixture[str], path: Path, frames: int, *names: str) -> dict:
    chosen = [word for name in names for word in ("--target", name)]
    code = main(["parity", "demo", "--mission", str(path), "--limit", str(frames), *chosen, "--json"])
    result = json.loads(capsys.readouterr().out)
    assert code == (0 if result["equal"] else 1)
    return result


def test_host_and_targets_leave_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = parity(capsys, mission(tmp_path), 24, "qemu-f405", "qemu-m7")
    assert result["equal"]
    assert result["frames"] == 24
    assert 0 < result["kept"] < 24
    digests = [run["digests"] for run in result["targets"].values()]
    assert len(digests) == 3
    assert digests[0] == digests[1] == digests[2]


def test_the_same_bytes_when_flash_is_full_and_frames_give_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = mission(tmp_path, output="1\nthreshold = 0.0", segment_count="24", every="7")
    result = parity(capsys, path, 40, "qemu-f405")
    assert result["equal"]
    assert result["targets"]["host"]["evicted"] > 0


def test_the_same_bytes_where_a_class_may_hold_only_so_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quotas = "64\nquotas = { person = { floor = 5000, ceiling = 9700 } }"
    path = mission(tmp_path, output="1\nthreshold = 0.0", max_bytes="9000", segment_count=quotas)
    result = parity(capsys, path, 12, "qemu-f405")
    assert result["equal"]
    assert result["targets"]["host"]["refused"] > 0  # in a flash that is nearly empty


def test_the_same_bytes_where_the_network_looks_at_tiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = parity(capsys, mission(tmp_path, height="120\ntiles = [3, 2]"), 6, "qemu-f405")
    assert result["equal"]
    at_a_glance = parity(capsys, mission(tmp_path), 6, "qemu-f405")
    tiled, once = (r["targets"]["host"]["digests"] for r in (result, at_a_glance))
    assert tiled["decisions"] != once["decisions"], "the tiles make no difference: the test shows nothing"


def test_the_same_bytes_where_a_window_of_the_frame_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = f'"{MISSIONS.parent / "models" / "trained" / "person_grid.tflite"}"'
    path = mission(tmp_path, file=grid, output="0\nthreshold = 0.0", quality="60\nwindow = [48, 40]")
    result = parity(capsys, path, 30, "qemu-m4")
    assert result["equal"]
    host = result["targets"]["host"]
    assert 0 < host["picture_bytes_mean"] < 2000


def test_a_run_proves_that_the_emulator_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = parity(capsys, mission(tmp_path), 2, "qemu-m55")
    proof = result["targets"]["qemu-m55"]["target"]
    elf = firmware.image("qemu-m55", "flight")
    assert proof["elf_sha256"] == hashlib.sha256(elf.read_bytes()).hexdigest()
    assert proof["command"][:3] == [firmware.find_tool("qemu-system-arm"), "-M", "mps3-an547"]
    assert proof["instructions"] > 1_000_000


def test_decisions_are_heard_as_the_board_makes_them(tmp_path: Path) -> None:
    plan = load(mission(tmp_path))
    person = model.load(plan.model)
    heard: list[Decision] = []
    flight = Flight(plan, dataset.load("demo", limit=10))
    played = play("qemu-m7", flight, plan.policy(person.labels), person, heard.append)
    assert len(heard) == 10
    assert heard == played.decisions


def test_a_frame_that_the_chip_has_no_memory_for_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = mission(tmp_path, width="640", height="480")
    words = ["run", "demo", "--mission", str(path), "--out", str(tmp_path / "run"), "--limit", "1"]
    assert main([*words, "--target", "qemu-f405"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "memory" in error
    assert not (tmp_path / "run").exists()
