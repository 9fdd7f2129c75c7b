"""A run's folder appears whole or not at all."""

from pathlib import Path

import pytest
from framekeep_sim.errors import UserError
from framekeep_sim.output import SUMMARY, whole_folder


def fill(folder: Path, text: str) -> None:
    (folder / SUMMARY).write_text(text)


def test_nothing_is_to_be_seen_before_the_end(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "run"
    with whole_folder(place) as folder:
        fill(folder, "1")
        assert not place.exists()
    assert [path.name for path in place.parent.iterdir()] == ["run"]


def test_what_fails_leaves_the_earlier_run(tmp_path: Path) -> None:
    place = tmp_path / "run"
    with whole_folder(place) as folder:
        fill(folder, "1")
    with pytest.raises(ZeroDivisionError), whole_folder(place) as folder:
        fill(folder, str(1 // 0))
    assert (place / SUMMARY).read_text() == "1"
    with whole_folder(place) as folder:
        fill(folder, "2")
    assert (place / SUMMARY).read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_disk_that_fills_is_told_in_one_line(tmp_path: Path) -> None:
    place = tmp_path / "run"
    with (
        pytest.raises(UserError, match=r"run: no space left on device; nothing was written"),
        whole_folder(place),
    ):
        raise OSError(28, "No space left on device")
    assert not place.exists()


def test_an_empty_folder_may_be_used_and_another_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with whole_folder(tmp_path / "empty") as folder:
        fill(folder, "1")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="is not an earlier run"), whole_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
