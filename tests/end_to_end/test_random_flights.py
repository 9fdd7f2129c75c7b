"""Random flights on a small flash: frames, passes, idle time and resets in any order. The last pass ends, and
all that is held comes down whole.

Frames are kept until the flash is full and beyond: pictures give way, and what gave way may be back after a
reset.
"""

import random
from collections.abc import Iterable
from itertools import islice

import pytest
from framekeep_ground import formats
from framekeep_ground.decoder import Decoder
from framekeep_onboard import Frame, Pass, Pipeline
from framekeep_onboard.targets import FlashSetup
from framekeep_sim import dataset, mission, model
from framekeep_sim.events import Flight

from tests.onboard.test_pipeline import ROOT, resealed

SETUPS = (
    FlashSetup(4096, 24, 256),
    FlashSetup(4096, 32, 256),
    FlashSetup(2048, 40, 8),
    FlashSetup(8192, 20, 16),
)
PACKETS_MOST = 3000  # of one pass; all that any of these flashes holds fits into half of it
BUDGETS = {"pass": 20_000, "short pass": 2_000}  # bytes; the last one has all that it needs
Step = int | str
# no segment is clean after it, and more marks wait than there is room for
FULL = (
    "73 32 9 62 4 77 69 reset 44 44 86 66 45 41 64 reset 15 73 6 81 7 70 70 pass "
    "76 78 32 idle 79 reset idle 36 reset"
)

Flown = tuple[bytes, bytes, list[Frame]]


@pytest.fixture(scope="module")
def flown() -> Flown:
    """The security mission with a thumbnail of each fourth frame and no threshold: policy, model, frames."""
    plan = mission.load(ROOT / "missions" / "security.toml")
    person = model.load(plan.model)
    events = Flight(plan, dataset.load("demo")).events()
    policy = plan.policy(person.labels, (1,))
    classes = formats.Policy.parse(policy).classes
    classes[0].threshold = 0
    frames = [event for event in events if isinstance(event, Frame)]
    return resealed(policy, classes=classes, audit_every=4), person.image, frames


def drawn(rng: random.Random, frames: int) -> list[Step]:
    """About forty steps, most of them frames."""
    others = ["reset", "idle", *BUDGETS]
    return [
        rng.choice(others) if rng.random() < 0.3 else rng.randrange(frames)
        for _ in range(rng.randint(20, 60))
    ]


def whole_pass(camera: Pipeline) -> list[bytes]:
    """All that waits."""
    packets = list(islice(camera.downlink(Pass()), PACKETS_MOST))
    waiting = camera.report()["frames_unsent"]
    assert len(packets) < PACKETS_MOST, f"the pass does not end; {waiting} pictures wait"
    return packets


def fly(flown: Flown, setup: FlashSetup, steps: Iterable[Step]) -> None:
    policy, image, frames = flown
    camera = Pipeline(policy, image, setup)
    heard: list[bytes] = []
    for step in steps:
        if step in BUDGETS:
            heard += camera.downlink(Pass(BUDGETS[str(step)]))
        elif step == "idle":
            camera.idle()
        elif step == "reset":
            camera = Pipeline(policy, image, setup, flash=camera.flash(), resume=camera.counters())
        else:
            camera.frame(frames[int(step)])
    heard += whole_pass(camera)
    assert camera.report()["frames_unsent"] == 0
    pictures: dict[int, bytes] = {}

    def keep(picture, whole) -> None:  # type: ignore[no-untyped-def]
        pictures[picture.frame_id] = whole

    decoder = Decoder(keep)
    decoder.feed(b"".join(heard), last=True)
    assert set(camera.frame_ids()) <= set(pictures), "held, and whole on the ground"
    assert decoder.packets["decision"] > 0


def test_a_pass_ends_where_no_mark_can_be_written(flown: Flown) -> None:
    fly(flown, SETUPS[0], [int(word) if word.isdecimal() else word for word in FULL.split()])


@pytest.mark.parametrize("setup", SETUPS, ids=lambda s: f"{s.segment_count}x{s.segment_size}")
def test_a_random_flight_ends_with_all_on_the_ground(flown: Flown, setup: FlashSetup) -> None:
    for seed in range(8):
        fly(flown, setup, drawn(random.Random(seed), len(flown[2])))


@pytest.mark.soak
@pytest.mark.parametrize("setup", SETUPS, ids=lambda s: f"{s.segment_count}x{s.segment_size}")
def test_many_random_flights_end_with_all_on_the_ground(flown: Flown, setup: FlashSetup) -> None:
    for seed in range(100, 1100):
        fly(flown, setup, drawn(random.Random(seed), len(flown[2])))
