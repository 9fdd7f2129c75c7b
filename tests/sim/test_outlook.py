"""What fits and for how long: worked out by hand for a flight that is easy to reckon with."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from framekeep_sim import mission
from framekeep_sim.outlook import YEAR, duration, outlook, sentences

TEXT = """\
[camera]
format = "gray8"
width = 96
height = 64
cadence_s = 10
[model]
file = "m.fkm"
[trigger.classes.person]
output = 1
[trigger.classes.cat]
output = 0
[store]
program_unit = 1
endurance = 20000
"""
STORE = {"bytes": 22_000, "capacity": 220_000}  # 20,000 bytes of pictures are held: a tenth is padding


def frames(step: int = 10) -> list[Any]:
    """100 frames, ten seconds apart: every tenth a person of 1500 bytes, two cats of 2500."""
    sizes = {i: (1500, 1) for i in range(0, 100, 10)} | {5: (2500, 0), 55: (2500, 0)}
    return [
        SimpleNamespace(frame_id=i + 1, time=i * step << 16, size=size, class_index=index)
        for i in range(100)
        for size, index in [sizes.get(i, (0, 1))]
    ]


def told(tmp_path: Path, extra: str = "", decisions: list[Any] | None = None) -> Any:
    path = tmp_path / "m.toml"
    path.write_text(TEXT + extra, "utf-8")
    flown = frames() if decisions is None else decisions
    stored = frozenset(d.frame_id for d in flown if d.size)
    return outlook(mission.load(path), flown, {0: "cat", 1: "person"}, STORE, stored)


def test_what_fits_and_when_it_is_full(tmp_path: Path) -> None:
    seen = told(tmp_path)
    assert (seen.all.offered, seen.classes["person"].offered, seen.classes["cat"].offered) == (12, 10, 2)
    assert seen.all.fits == 120  # 200,000 bytes without padding, by 20,000 / 12
    assert seen.all.seconds_to_full == 120 * 1000 / 12
    assert seen.classes["person"].fits == 133
    assert seen.classes["person"].seconds_to_full == 133 * 1000 / 10
    assert seen.classes["cat"].fits == 80


def test_quotas_and_slots_bound_what_fits(tmp_path: Path) -> None:
    seen = told(tmp_path, "frames_max = 70\n[store.quotas.person]\nfloor = 20000\nceiling = 30000\n")
    assert seen.all.fits == seen.classes["cat"].fits == 70
    person = seen.classes["person"]
    assert (person.fits, person.floor, person.seconds_to_full) == (20, 13, 2000)
    assert any("person: at most 20 of 1.5 kB, 13 of them safe" in line for line in sentences(seen))


def test_ceilings_of_all_classes_bound_the_whole(tmp_path: Path) -> None:
    both = "[store.quotas.person]\nceiling = 30000\n[store.quotas.cat]\nceiling = 20000\n"
    seen = told(tmp_path, both)
    assert (seen.classes["person"].fits, seen.classes["cat"].fits, seen.all.fits) == (20, 8, 30)


def test_wear_is_what_is_written_in_a_day_by_the_size_of_the_chip(tmp_path: Path) -> None:
    seen = told(tmp_path)
    # 1000 s: 22,000 bytes of pictures and a fifth again for moves; 100 decisions, six in a record of 256
    written = 22_000 * 1.2 + 100 * 256 / 6
    assert seen.erases_per_day == pytest.approx(written * 86.4 / (4 << 20), rel=0.01)
    assert seen.years == pytest.approx(20000 / (1.3 * seen.erases_per_day) / 365.25, rel=1e-6)
    assert "20,000" in sentences(seen)[-1]


def test_a_video_has_its_own_clock(tmp_path: Path) -> None:
    assert told(tmp_path, decisions=frames(step=1)).all.seconds_to_full == 120 * 100 / 12
    one = frames()[:1]
    assert told(tmp_path, decisions=one).seconds_per_frame == 10  # the mission's cadence


def test_a_flight_without_pictures_says_nothing(tmp_path: Path) -> None:
    assert told(tmp_path, decisions=frames()[1:5]) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4, "4.0 s"),
        (119, "119 s"),
        (150, "2.5 min"),
        (86400, "24 h"),
        (10 * 86400, "10 days"),
        (7 * YEAR, "7.0 years"),
        (101 * YEAR, "more than 100 years"),
    ],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text
