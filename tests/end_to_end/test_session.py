"""A session recorded for a board of one's own, played by the same image as a program of this computer."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from framekeep_ground.formats import DecisionRecord
from framekeep_sim.cli import main

from tests.reference.walk_packets import walk

ROOT = Path(__file__).resolve().parents[2]
MISSION = str(ROOT / "missions" / "security.toml")
FRAMES = 12
PIXELS = 160 * 120 * 2  # of a frame of the security mission, YUYV


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session that nobody has played; what reads it leaves it as it is."""
    folder = tmp_path_factory.mktemp("recorded") / "S"
    assert main(["session", "demo", "--mission", MISSION, "--limit", str(FRAMES), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def played(recorded: Path, tmp_path: Path) -> Path:
    """The same, after a board that did all as the host did."""
    folder = tmp_path / "S"
    shutil.copytree(recorded, folder)
    for name in ("records", "flash", "downlink"):
        shutil.copy(folder / f"host_{name}.bin", folder / f"{name}.bin")
    return folder


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    code = main(["compare", str(folder), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code == (0 if said["equal"] else 1)
    return said["parts"]


def test_a_board_that_is_a_program_leaves_what_the_host_left(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, folder = tmp_path / "build", tmp_path / "S"
    for command in (["-S", str(ROOT), "-B", str(build), "-DFK_BOARD=linux"], ["--build", str(build)]):
        subprocess.run(["cmake", *command], check=True, capture_output=True)
    shutil.copytree(recorded, folder)
    assert main(["compare", str(folder)]) == 1
    assert "the board left no records.bin" in capsys.readouterr().out
    subprocess.run([build / "onboard" / "boards" / "linux" / "flight"], cwd=folder, check=True)
    assert main(["compare", str(folder)]) == 0


def test_the_model_is_packed_for_a_core_and_nothing_else_differs(recorded: Path, tmp_path: Path) -> None:
    words = ["session", "demo", "--mission", MISSION, "--limit", str(FRAMES), "--out", str(tmp_path / "S")]
    assert main([*words, "--layout", "armv7e-m"]) == 0
    for path in recorded.iterdir():
        same = path.read_bytes() == (tmp_path / "S" / path.name).read_bytes()
        assert same == (path.name not in {"model.fkm", "session.bin"}), path.name  # session.bin has its size
    plain, packed = ((folder / "session.bin").read_bytes() for folder in (recorded, tmp_path / "S"))
    assert plain[:4] + plain[8:] == packed[:4] + packed[8:]


def test_a_session_is_as_its_header_says(recorded: Path) -> None:
    """Read by hand, from session.h alone."""
    data = (recorded / "session.bin").read_bytes()

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], "big")

    assert data[:4] == b"FKS1"
    assert number(4, 4) == (recorded / "model.fkm").stat().st_size
    assert number(12, 4) * number(16, 4) == (recorded / "flash.bin").stat().st_size
    assert set((recorded / "flash.bin").read_bytes()) == {0xFF}
    at = 32 + number(8, 2)
    kinds = []
    while not kinds or kinds[-1] != 0:
        kinds.append(data[at])
        at += 16 + (PIXELS if data[at] == 1 else 0)
    assert at == len(data)
    assert kinds.count(1) == FRAMES
    assert kinds[-2:] == [2, 0], "the last pass, and the end"


def test_what_the_host_left_is_what_a_run_leaves(recorded: Path, tmp_path: Path) -> None:
    words = ["run", "demo", "--mission", MISSION, "--limit", str(FRAMES), "--out", str(tmp_path / "run")]
    assert main(words) == 0
    for name in ("flash", "downlink"):
        host = (recorded / f"host_{name}.bin").read_bytes()
        assert host == (tmp_path / "run" / f"{name}.bin").read_bytes()
    assert (recorded / "host_records.bin").stat().st_size == FRAMES * DecisionRecord.sizeof()


def test_the_first_difference_is_named(played: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = played / "host_records.bin"
    third = 2 * DecisionRecord.sizeof()
    record = DecisionRecord.parse(records.read_bytes()[third:])
    score = record.decision.score
    record.decision.score ^= 1
    data = bytearray(records.read_bytes())
    data[third : third + DecisionRecord.sizeof()] = DecisionRecord.build(record)
    (played / "records.bin").write_bytes(data)
    flip(played / "flash.bin", 4096 * 2 + 5)
    packets = walk((played / "host_downlink.bin").read_bytes())
    flip(played / "downlink.bin", packets[2][1])  # the end of the third
    parts = compared(played, capsys)
    assert parts["records"]["first"] == (f"frame 3, score: {score} on the host, {score ^ 1} on the board")
    assert parts["flash"]["first"] == "byte 0x2005, in segment 2"
    assert parts["downlink"]["first"] == f"packet 4 of {len(packets)}"


def test_too_little_and_too_much_are_told(played: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = DecisionRecord.sizeof()
    whole = (played / "records.bin").read_bytes()
    (played / "records.bin").write_bytes(whole[: 4 * size + 7])
    (played / "downlink.bin").write_bytes(b"")
    (played / "flash.bin").unlink()
    parts = compared(played, capsys)
    assert "none for frame 5" in parts["records"]["first"]
    assert parts["downlink"]["first"].startswith("packet 1 of ")
    assert parts["flash"]["board_sha256"] is None
    (played / "records.bin").write_bytes(whole + whole[:size])
    with (played / "downlink.bin").open("wb") as file:
        file.write((played / "host_downlink.bin").read_bytes() + b"more")
    parts = compared(played, capsys)
    assert f"than the session has frames, {FRAMES}" in parts["records"]["first"]
    assert "more than the" in parts["downlink"]["first"]


def test_a_session_is_recorded_anew_over_one_that_was_played(played: Path) -> None:
    assert main(["session", "demo", "--mission", MISSION, "--limit", "2", "--out", str(played)]) == 0
    assert not (played / "records.bin").exists()


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(words) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1, error
    return error[0]


def test_what_is_no_session_is_one_line(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no folder of fk-sim session" in refused(["compare", str(tmp_path / "none")], capsys)
    (played / "host_flash.bin").unlink()
    assert "record the session again" in refused(["compare", str(played)], capsys)
    (played / "session.bin").write_bytes(b"FKS")
    assert "not a session" in refused(["compare", str(played)], capsys)


def test_a_dataset_of_no_picture_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    words = ["session", str(tmp_path / "empty"), "--mission", MISSION, "--out", str(tmp_path / "S")]
    assert refused(words, capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
