"""A dataset as events: in order, at the mission's times, with passes where it says."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from framekeep_onboard.events import Frame, Pass
from framekeep_sim import dataset, mission
from framekeep_sim.errors import UserError
from framekeep_sim.events import Flight, records_budget, records_held
from PIL import Image

MISSION = """\
[camera]
format = "gray8"
width = 16
height = 16
fit = "stretch"
cadence_s = 0.5
start = 2000-01-01T00:01:00Z
[model]
file = "m.fkm"
[trigger.classes.person]
[downlink]
"""


def flight(folder: Path, link: str, jobs: int = 3) -> Flight:
    path = folder / "m.toml"
    path.write_text(MISSION + link)
    return Flight(mission.load(path), dataset.load(str(folder)), jobs)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for level in range(40):
        Image.new("L", (9, 9), level).save(tmp_path / f"{level:03d}.png")
    return tmp_path


def frames(events: Iterator[Frame | Pass]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def test_frames_come_in_order_at_the_cadence_whatever_the_jobs(pictures: Path) -> None:
    for jobs in (1, 7):
        taken = frames(flight(pictures, "", jobs).events())
        assert [frame.data[0] for frame in taken] == list(range(40))
        assert [frame.time for frame in taken] == [(60 << 16) + (i << 15) for i in range(40)]


def test_a_time_that_no_packet_can_tell_is_refused(pictures: Path) -> None:
    played = flight(pictures, "")
    last = datetime(2136, 2, 7, 6, 28, 16, tzinfo=UTC) - timedelta(
        seconds=20
    )  # 2^32 s after 2000, less 40 frames
    fits = Flight(replace(played.mission, camera=replace(played.mission.camera, start=last)), played.dataset)
    assert frames(fits.events())[-1].time == (1 << 48) - (1 << 15)
    camera = replace(played.mission.camera, start=last + timedelta(seconds=1))
    late = Flight(replace(played.mission, camera=camera), played.dataset)
    with pytest.raises(UserError, match="frame 39 would be taken after 2136-02-07"):
        frames(late.events())


def test_passes_come_after_every_n_frames_and_at_the_end(pictures: Path) -> None:
    played = flight(pictures, "pass_every = 16\npass_bytes = 500\nlast_pass_bytes = 234\n")
    kinds = [event.budget if isinstance(event, Pass) else "frame" for event in played.events()]
    assert kinds == ["frame"] * 16 + [500] + ["frame"] * 16 + [500] + ["frame"] * 8 + [234]
    assert played.passes == 3


def test_without_passes_there_is_one_at_the_end_for_all(pictures: Path) -> None:
    *_, last = flight(pictures, "").events()
    assert last == Pass(0)


def test_records_go_down_before_their_ring_is_full(pictures: Path) -> None:
    played = flight(
        pictures,
        'pass_every = 0\n[store]\nchip = "l4"\nsegment_size = 1024\nlog_segments = 2\n'
        "[codec]\nmax_bytes = 1024\n",
    )
    held = records_held(played.mission.store)
    assert held < 40
    budgets = [event.budget for event in played.events() if isinstance(event, Pass)]
    assert budgets == [records_budget(held, 0, 200)] * (40 // held) + [0]


def test_a_bad_picture_is_noted_and_takes_no_time(pictures: Path) -> None:
    (pictures / "000.png").write_bytes(b"")
    (pictures / "005.png").write_bytes(b"not a picture")
    whole = (pictures / "007.png").read_bytes()
    (pictures / "007.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "009.png").unlink()
    (pictures / "009.png").mkdir()
    played = flight(pictures, "")
    taken = frames(played.events())
    assert [name for name, _ in played.skipped] == ["000.png", "005.png", "007.png"]
    assert played.skipped[0][1] == "the file is empty"
    assert played.skipped[1][1] == "not a picture that Pillow knows"
    assert [shot.index for shot in played.shots[:5]] == [1, 2, 3, 4, 6]
    assert [frame.time for frame in taken] == [(60 << 16) + (i << 15) for i in range(len(taken))]


def test_a_datasets_own_clock_goes_before_the_cadence(pictures: Path) -> None:
    played = flight(pictures, "")
    items = [dataset.Item("x", lambda: Image.new("L", (2, 2)), None, Fraction(1, 4))]
    played.dataset = dataset.Dataset("x", "video", items, 1, frozenset())
    assert frames(played.events())[0].time == (60 << 16) + (1 << 14)
