"""The report shows what was decided, whatever the names, boxes and numbers of frames."""

import dataclasses
from argparse import Namespace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from framekeep_ground.codes import Reason
from framekeep_sim import mission, report
from framekeep_sim.outcome import Run, reason_of
from framekeep_sim.run import fly

SECURITY = Path(__file__).parents[2] / "missions" / "security.toml"


@pytest.fixture(scope="module")
def flown() -> Run:
    args = Namespace(
        dataset="demo", mission=SECURITY, model=None, limit=30, seed=None, label="label", jobs=2, uplink=[]
    )
    return fly(args, mission.load(SECURITY), "host")


class Tags(HTMLParser):
    """Counts the pictures of a page and notes the tags it uses."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pictures = 0
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        source = dict(attrs).get("src") or ""
        self.pictures += tag == "img" and source.startswith("data:image/jpeg;base64,")


def first_kept(run: Run) -> int:
    return next(i for i, d in enumerate(run.played.decisions) if reason_of(d) is Reason.KEPT)


def test_a_box_lies_over_its_picture_where_the_model_saw_the_object(flown: Run) -> None:
    decisions = list(flown.played.decisions)
    at = first_kept(flown)
    decisions[at] = dataclasses.replace(decisions[at], box=(6554, 13107, 32768, 26214))
    boxed = dataclasses.replace(flown, played=dataclasses.replace(flown.played, decisions=decisions))
    assert 'class="box" style="left:10.0%;top:20.0%;width:50.0%;height:40.0%"' in report.render(boxed)
    assert 'class="box"' not in report.render(flown)  # this model says no place


def test_a_box_lies_where_it_should_over_a_part_of_the_frame(flown: Run) -> None:
    decisions = list(flown.played.decisions)
    at = first_kept(flown)
    decisions[at] = dataclasses.replace(decisions[at], box=(6554, 13107, 32768, 26214))
    frame_id = decisions[at].frame_id
    # of 160 x 120 the box takes 80 x 48 from 16, 24 on; the picture shows 80 x 60 from 32, 12 on
    part = {"left": 32, "top": 12, "width": 80, "height": 60}
    frames = flown.received.frames | {frame_id: flown.received.frames[frame_id] | part}
    cut = dataclasses.replace(
        flown,
        played=dataclasses.replace(flown.played, decisions=decisions),
        received=dataclasses.replace(flown.received, frames=frames),
    )
    assert 'class="box" style="left:0.0%;top:20.0%;width:80.0%;height:80.0%"' in report.render(cut)


def test_the_outlook_knows_a_class_by_the_missions_name(flown: Run) -> None:
    """A model that calls it otherwise goes by number, and quotas by the mission's name."""
    (person,), quota = flown.mission.classes, mission.Quota(ceiling=30_000)
    said = dataclasses.replace(
        flown.mission,
        classes=(dataclasses.replace(person, name="human", output=1),),
        store=dataclasses.replace(flown.mission.store, quotas={"human": quota}),
    )
    ahead = dataclasses.replace(flown, mission=said).outlook()
    assert ahead is not None and list(ahead.classes) == ["human"]
    assert ahead.all.fits == ahead.classes["human"].fits <= 30_000 / ahead.all.picture_bytes


def test_names_are_text_and_nothing_else(flown: Run) -> None:
    evil = "<script>alert(1)</script>&\"'"
    at = first_kept(flown)
    shots = list(flown.shots)
    shots[at] = dataclasses.replace(shots[at], name=evil, labels=frozenset({evil}))
    named = dataclasses.replace(
        flown,
        shots=shots,
        skipped=[(evil, evil)],
        command=evil,
        mission=dataclasses.replace(flown.mission, name=evil, description=evil),
    )
    page = report.render(named)
    assert "script" not in Tags(page).tags
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;") >= 6


def test_the_number_of_pictures_is_bounded(flown: Run) -> None:
    times = 100  # of 30 frames: the same pictures again and again, as a day at a gate gives
    many = dataclasses.replace(
        flown,
        shots=list(flown.shots) * times,
        played=dataclasses.replace(flown.played, decisions=list(flown.played.decisions) * times),
    )
    page = report.render(many)
    most = report.KEPT_MOST + 2 * report.MISTAKES_MOST + len(Reason) * report.DROPPED_MOST
    assert 0 < Tags(page).pictures <= most
    assert len(page) < 1_500_000


def test_every_reason_that_occurs_is_explained(flown: Run) -> None:
    page = report.render(flown)
    for reason in {reason_of(d) for d in flown.played.decisions}:
        assert f"</i>{reason.name}" in page
    assert "SHA-256" in page and flown.summary()["digests"]["flash"] in page


def test_a_run_without_labels_and_without_anything_kept_has_a_report(flown: Run) -> None:
    dropped = [dataclasses.replace(d, reason=Reason.LOW_SCORE, score=3) for d in flown.played.decisions]
    bare = dataclasses.replace(
        flown,
        dataset=dataclasses.replace(flown.dataset, labels=frozenset()),
        shots=[dataclasses.replace(shot, labels=None) for shot in flown.shots],
        played=dataclasses.replace(flown.played, decisions=dropped, fill=[]),
    )
    page = report.render(bare)
    assert "None." in page and "Against the labels" not in page
    assert bare.summary()["kept"] == 0 and "precision" not in bare.summary()
