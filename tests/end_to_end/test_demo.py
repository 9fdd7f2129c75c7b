"""The main job as a newcomer runs it: photographs through the flight code, decoded on the ground."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from framekeep_ground.cli import main as fk_ground
from framekeep_models import cli as models
from framekeep_sim.cli import main as fk_sim
from PIL import Image

MISSIONS = Path(__file__).parents[2] / "missions"
RUN_FILES = {"summary.json", "decisions.csv", "flash.bin", "downlink.bin", "report.html"}


def run(out: Path, *options: str, mission: str = "satellite", dataset: str = "demo") -> dict[str, Any]:
    words = ["run", dataset, "--mission", str(MISSIONS / f"{mission}.toml"), "--out", str(out), *options]
    assert fk_sim(words) == 0
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text("utf-8"))
    return summary


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=["satellite", "security", "shelf"])
def flown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A run of the demo, its decoded downlink, and the mission's name."""
    folder = tmp_path_factory.mktemp(request.param)
    run(folder / "run", mission=request.param)
    assert fk_ground(["decode", str(folder / "run" / "downlink.bin"), "--out", str(folder / "decoded")]) == 0
    return folder / "run", folder / "decoded", request.param


def summary_of(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((path / "summary.json").read_text("utf-8"))
    return loaded


def test_a_run_leaves_its_five_files_and_nothing_beside_them(flown: tuple[Path, Path, str]) -> None:
    path, _, _ = flown
    assert {file.name for file in path.iterdir()} == RUN_FILES
    assert {file.name for file in path.parent.iterdir()} == {"run", "decoded"}


def test_every_frame_has_a_decision_and_the_numbers_add_up(flown: tuple[Path, Path, str]) -> None:
    path, _, _ = flown
    s, rows = summary_of(path), table(path / "decisions.csv")
    assert s["frames"] == len(rows) >= 60
    assert [int(row["frame_id"]) for row in rows] == list(range(1, len(rows) + 1))
    assert sum(s["reasons"].values()) == s["frames"] == s["kept"] + s["dropped"]
    assert s["kept"] == s["stored"] + s["evicted"] + s["refused"]
    assert {"KEPT", "DARK", "BRIGHT", "BLANK", "LOW_SCORE"} <= {row["reason"] for row in rows}
    assert s["reasons"]["ERROR"] == 0
    assert s["decisions_downlinked"] == s["frames"]
    assert 0 < s["downlinked"] <= s["reasons"]["KEPT"]
    assert s["bytes_downlinked"] == (path / "downlink.bin").stat().st_size < s["bytes_offered"]


def test_the_ground_gets_every_picture_and_every_decision(flown: tuple[Path, Path, str]) -> None:
    path, decoded, _ = flown
    s, ours, grounds = summary_of(path), table(path / "decisions.csv"), table(decoded / "decisions.csv")
    pictures = sorted(decoded.glob("frames/*.jpg"))
    assert len(pictures) == s["downlinked"]
    assert len(grounds) == s["frames"]
    assert table(decoded / "gaps.csv") == []
    by_id = {row["frame_id"]: row for row in ours}
    for row in grounds:
        mine = by_id[row["frame_id"]]
        for name in ("reason", "score", "value", "size", "mean", "contrast", "class_index", "time"):
            assert row[name] == mine[name], (row["frame_id"], name)
    kept = {row["frame_id"]: int(row["size"]) for row in ours if row["reason"] == "KEPT"}
    for picture in pictures:
        assert picture.stat().st_size == kept[picture.stem]


def test_the_flash_dump_has_the_pictures_that_came_down(
    flown: tuple[Path, Path, str], tmp_path: Path
) -> None:
    path, decoded, _ = flown
    assert fk_ground(["flash", str(path / "flash.bin"), "--extract", str(tmp_path)]) == 0
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    down = {file.name: file.read_bytes() for file in decoded.glob("frames/*.jpg")}
    both = kept.keys() & down.keys()
    assert len(both) > len(down) / 2, "what was sent stays until its room is needed"
    assert {name: kept[name] for name in both} == {name: down[name] for name in both}


def test_the_pictures_are_what_the_camera_saw(flown: tuple[Path, Path, str]) -> None:
    _, decoded, name = flown
    size = (160, 120) if name == "security" else (320, 240)
    for file in decoded.glob("frames/*.jpg"):
        with Image.open(file) as picture:
            assert picture.size == size
            assert picture.mode == ("L" if name == "shelf" else "RGB")
            picture.load()


def test_people_are_found_better_than_by_chance(flown: tuple[Path, Path, str]) -> None:
    s = summary_of(flown[0])
    assert s["labelled"] == s["frames"]
    people = (s["confusion"]["found"] + s["confusion"]["missed"]) / s["frames"]
    assert s["precision_interval"][0] > people
    for name in ("precision", "recall"):
        low, high = s[f"{name}_interval"]
        assert low <= s[name] <= high


def test_the_report_needs_no_other_file_and_shows_what_was_kept(flown: tuple[Path, Path, str]) -> None:
    path, _, _ = flown
    page = (path / "report.html").read_text("utf-8")
    assert not re.search(r"""(src|href)=(?!["']data:)""", page)
    assert "<script" not in page and "@import" not in page and "url(" not in page
    assert len(page) < 2_000_000
    s = summary_of(path)
    for digest in s["digests"].values():
        assert digest in page
    for row in table(path / "decisions.csv"):
        if row["reason"] == "KEPT":
            assert row["file"] in page


def test_a_run_is_the_same_again_whatever_the_jobs(tmp_path: Path) -> None:
    digests = [run(tmp_path / jobs, "--jobs", jobs, "--limit", "40")["digests"] for jobs in ("1", "5")]
    assert digests[0] == digests[1]
    for name in ("decisions.csv", "flash.bin", "downlink.bin"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "5" / name).read_bytes()


def test_a_run_replaces_an_earlier_run(tmp_path: Path) -> None:
    first = run(tmp_path / "run", "--limit", "8")
    second = run(tmp_path / "run", "--limit", "12")
    assert (first["frames"], second["frames"]) == (8, 12)
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_json_is_one_object_on_stdout_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_disk = run(tmp_path / "run", "--limit", "8", "--json")
    assert json.loads(capsys.readouterr().out) == on_disk


def test_people_get_the_reasons_the_best_frames_and_the_reports_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "run")
    out = capsys.readouterr().out
    assert "KEPT" in out and "LOW_SCORE" in out
    assert re.search(r"astronaut-\d: person \d+/255", out)
    assert f"report: {tmp_path / 'run' / 'report.html'}" in out
    assert "flash holds about" in out and "precision" in out


def test_a_tflite_flies_as_its_compiled_image_does(tmp_path: Path) -> None:
    trained = MISSIONS.parent / "models" / "trained"
    source = run(tmp_path / "a", "--limit", "30", "--model", str(trained / "person_96.tflite"))
    compiled = tmp_path / "person.fkm"
    assert models.main(["compile", str(trained / "person_96.tflite"), "-o", str(compiled)]) == 0
    image = run(tmp_path / "b", "--limit", "30", "--model", str(compiled))
    assert source["model_id"] == image["model_id"]
    scores = [[row["score"] for row in table(tmp_path / name / "decisions.csv")] for name in "ab"]
    assert scores[0] == scores[1]
