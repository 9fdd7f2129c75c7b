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


@pytest.mark.parametrize("name", ["notes.txt", "frames/7.jpg"])
def test_a_run_beside_which_something_else_lies_is_not_replaced(tmp_path: Path, name: str) -> None:
    """fk-ground decode writes a summary.json too: its pictures must not go with it."""
    place = tmp_path / "run"
    with whole_folder(place) as folder:
        fill(folder, "1")
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_text("mine")
    with pytest.raises(UserError, match="is not an earlier run"), whole_folder(place) as folder:
        fill(folder, "2")
    assert (place / name).read_text() == "mine"
    assert (place / SUMMARY).read_text() == "1"


def test_the_current_folder_is_refused_before_the_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^\.: the folder you are in"), whole_folder(Path()):
        raise AssertionError("not to be reached")


def test_a_place_where_nothing_can_be_made_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file" / "run", Path("/proc/run")):
        told = rf"^{place}: cannot be made: .*; choose another --out$"
        with pytest.raises(UserError, match=told), whole_folder(place):
            raise AssertionError("not to be reached")
