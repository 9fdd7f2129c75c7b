"""One behaviour: the emulated microcontrollers do what the host does, and a difference does not go unseen."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from framekeep_onboard import firmware
from framekeep_sim import parity
from framekeep_sim.cli import main
from framekeep_sim.play import DoesNotFit

MISSIONS = Path(__file__).parents[2] / "missions"


def compare(capsys: pytest.CaptureFixture[str], mission: str, *options: str) -> tuple[int, dict[str, Any]]:
    status = main(["parity", "demo", "--mission", str(MISSIONS / f"{mission}.toml"), "--json", *options])
    return status, json.loads(capsys.readouterr().out)


def board_size(frames: int, kept: int, **digests: str) -> SimpleNamespace:
    """A flight as parity looks at it."""
    told = {"decisions": "d", "flash": "f", "downlink": "l"} | digests
    return SimpleNamespace(summary=lambda: {"frames": frames, "kept": kept, "digests": told, "target": {}})


@pytest.mark.parametrize("name", parity.DIGESTS)
def test_a_difference_is_named_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def fly(_args: object, _mission: object, target: str) -> SimpleNamespace:
        return board_size(24, 5, **({name: "other"} if target == "qemu-m7" else {}))

    monkeypatch.setattr(parity, "fly", fly)
    status, told = compare(capsys, "security")
    assert status == 1
    assert not told["equal"]
    assert told["differ"] == {t: [name] if t == "qemu-m7" else [] for t in ("host", *firmware.BOARDS)}
    assert main(["parity", "demo", "--mission", str(MISSIONS / "security.toml")]) == 1
    assert f"qemu-m7: {name} differ from the host" in capsys.readouterr().out


def test_nothing_compared_is_not_equal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fly(_args: object, _mission: object, target: str) -> SimpleNamespace:
        if target != "host":
            raise DoesNotFit(f"{target}: too small")
        return board_size(24, 5)

    monkeypatch.setattr(parity, "fly", fly)
    status, told = compare(capsys, "security")
    assert status == 1 and not told["equal"]
    assert set(told["too_small"]) == set(firmware.BOARDS)
    assert main(["parity", "demo", "--mission", str(MISSIONS / "security.toml"), "--target", "qemu-m4"]) == 2


@pytest.mark.qemu
def test_every_target_equals_the_host(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = compare(capsys, "security", "--limit", "26")
    assert status == 0 and told["equal"]
    assert set(told["targets"]) == {"host", *firmware.BOARDS} and told["too_small"] == {}
    assert told["frames"] == 26 and told["kept"] >= 5
    for name, summary in told["targets"].items():
        assert summary["digests"] == told["targets"]["host"]["digests"]
        if name != "host":  # and the emulator did run
            proof = summary["target"]
            assert proof["instructions"] > 26 * 1_000_000
            assert firmware.BOARDS[name].machine in proof["command"]
            assert len(bytes.fromhex(proof["elf_sha256"])) == 32


@pytest.mark.qemu
def test_a_full_flash_and_several_passes_are_the_same_too(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = compare(capsys, "satellite", "--target", "qemu-m7")
    assert status == 0
    host, target = told["targets"]["host"], told["targets"]["qemu-m7"]
    assert host["evicted"] > 0 and host["passes"] > 1
    for name in ("frames", "kept", "evicted", "stored", "downlinked", "passes", "reasons"):
        assert host[name] == target[name], name


@pytest.mark.qemu
def test_a_mission_too_large_for_a_board_is_said_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "demo", "--mission", str(MISSIONS / "satellite.toml"), "--limit", "2"]
    assert main([*words, "--target", "qemu-f405", "--out", str(tmp_path / "run")]) == 2
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("fk-sim: ")]
    assert said == [
        "fk-sim: qemu-f405: the board has not the memory for frames of 153600 bytes "
        "with this model and store; make one of them smaller"
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_target_without_its_emulator_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    firmware.build.cache_clear()
    words = ["run", "demo", "--mission", str(MISSIONS / "security.toml"), "--limit", "1"]
    assert main([*words, "--target", "qemu-f405", "--out", str(tmp_path / "run")]) == 2
    assert "sudo apt-get install" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
