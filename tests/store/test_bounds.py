"""Every call within its bound: erases, bytes programmed and modelled time, by the emulator's counters.

The bounds are those that `fk/store.h` states. A segment erased is a segment emptied at most, so that what is
programmed and how long it takes follow from the number of erases.
"""

import random
from collections.abc import Callable

import pytest
from framekeep_onboard import FkError
from framekeep_onboard.store import CHIPS, FlashEmulator, FrameMeta, Profile, Store, Tear

from tests.store.trial import REGIONS

ORDINARY = 6  # erases of nearly every call
LARGEST = 128 << 10  # bytes of a picture that every region here takes


def erases_allowed(name: str, segments: int, evicted: int) -> int:
    """`segments` that the call needs."""
    if name in ("read", "list", "find", "best", "mount"):
        return 0
    return 1 if name == "idle" else 8 + 8 * (segments + evicted)


class Meter:
    """Counts what each call costs, and holds it to its bound."""

    def __init__(self, flash: FlashEmulator, store: Store) -> None:
        self.flash, self.store = flash, store
        self.calls: list[int] = []  # erases of each that may erase
        self.segment = max(flash.segment(i)[1] for i in range(flash.segment_count))
        g = flash._c.geometry
        pages = self.segment // g.page
        self.erase_ns = g.erase_us * 1000 * self.segment // g.banks[0].segment_size
        # emptying one: its bytes found, read, programmed a record at a time, read back
        self.empty_ns = 3 * pages * g.program_ns + 8 * self.segment * (g.read_ns + g.read_ns_per_kb) // 1024

    def call(self, name: str, what: Callable[[], object], segments: int = 1) -> None:
        before, evicted = self.flash.counters(), self.store.stats()["evicted"]
        try:
            what()
        except FkError as error:
            if self.flash.powered:
                assert "NOSPC" in str(error)
        after = self.flash.counters()
        spent = {key: after[key] - before[key] for key in before}
        evicted = self.store.stats()["evicted"] - evicted
        assert spent["erases"] <= erases_allowed(name, segments, evicted), f"{name} of {segments} segments"
        if name not in ("read", "list", "find", "best", "mount"):
            self.calls.append(spent["erases"])
        else:
            assert spent["programs"] == 0, name
        moved = spent["erases"] + segments + 2
        assert spent["program_bytes"] <= moved * self.segment, name
        assert spent["time_ns"] <= spent["erases"] * self.erase_ns + moved * self.empty_ns, name
        if not self.flash.powered:
            self.flash.power_on()
            self.call("mount", self.store.remount)

    def ordinary(self) -> float:
        """Share of calls that erase no more than is usual."""
        return sum(n <= ORDINARY for n in self.calls) / len(self.calls)


def live(chip: str, profile: Profile, *, idle: bool, cuts: float, seed: int, steps: int) -> Meter:
    rnd = random.Random(seed)
    flash = FlashEmulator(chip, REGIONS[chip], seed=seed)
    store = Store(flash, slots=200, profile=profile, log_segments=2)
    meter = Meter(flash, store)
    smallest = min(flash.segment(i)[1] for i in range(flash.segment_count))
    for _ in range(steps):
        if rnd.random() < cuts:
            flash.cut(rnd.randrange(20), rnd.choice(list(Tear)))
        large = min(3 * smallest, LARGEST) if rnd.random() < 0.2 else smallest - 100
        size = rnd.randint(1, large)
        meta, data = FrameMeta(store.next_id, rnd.randrange(256)), bytes(size)
        meter.call("append", lambda m=meta, d=data: store.append(m, d), -(-size // (smallest // 2)))  # type: ignore[misc]
        meter.call("list", lambda: list(store.frames()))
        meter.call("best", store.best)
        best = store.best()
        if best is not None and rnd.random() < 0.4:
            victim = best.frame_id
            meter.call("read", lambda v=victim: store.read(v))  # type: ignore[misc]
            name, act = rnd.choice((("delete", store.delete), ("mark", store.mark_sent)))
            meter.call(name, lambda a=act, v=victim: a(v))  # type: ignore[misc]
        if rnd.random() < 0.5:
            meter.call("log", lambda: store.log_append(bytes(40)))
        if rnd.random() < 0.1:
            meter.call("sync", store.sync)
        for _ in range(3 * idle):
            meter.call("idle", store.idle)
    return meter


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", ["tiny", "tiny-ecc", "tiny-mixed", "l4", "nor"])
def test_every_operation_is_within_its_published_bound(chip: str, profile: Profile, idle: bool) -> None:
    meter = live(chip, profile, idle=idle, cuts=0, seed=1, steps=400)
    assert sum(meter.calls) > 20
    assert meter.ordinary() > 0.95


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", ["tiny", "tiny-ecc", "l4", "nor"])
def test_every_operation_is_within_its_bound_after_cuts(chip: str, profile: Profile) -> None:
    meter = live(chip, profile, idle=True, cuts=0.5, seed=2, steps=400)
    assert sum(meter.calls) > 20


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3, 9))
@pytest.mark.parametrize("chip", [*CHIPS, "tiny", "tiny-ecc", "tiny-mixed"])
def test_bounds_over_long_lives(chip: str, seed: int) -> None:
    for profile in Profile:
        for cuts in (0.0, 0.3):
            live(chip, profile, idle=seed % 2 == 0, cuts=cuts, seed=seed, steps=3000)


@pytest.mark.parametrize("chip", ["nor", "nor-page"])
def test_a_program_stays_within_one_page_of_a_nor(chip: str) -> None:
    """As fk/flash.h says, so that a driver need not divide what it is given."""
    flash = FlashEmulator(chip, 1 << 18)
    store, rnd = Store(flash, slots=64, log_segments=2), random.Random(5)
    for frame_id in range(1, 150):
        picture = rnd.randbytes(rnd.randrange(1, 9000))
        store.append(FrameMeta(frame_id=frame_id, value=frame_id), picture)
        store.log_append(picture[: rnd.randrange(1, 241)])
    count = flash.counters()
    assert count["refused"] == 0
    assert count["pages"] == count["programs"] > 1000
