"""Stores at interesting moments, and calls that are cut at every program and erase from there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from framekeep_onboard import FkError
from framekeep_onboard.store import FlashEmulator, FrameMeta, Profile, Store, Tear

from tests.store.model import Model

Call = Callable[[Store], object]


@dataclass
class Life:
    """A store with a random past beside the dictionary that it must equal."""

    chip: str = "tiny"
    size: int = 0
    profile: Profile = Profile.PACKED
    seed: int = 1
    max_picture: int = 900
    slots: int = 64
    log_segments: int = 2
    wear_spread: int = 0
    rnd: random.Random = field(init=False)
    flash: FlashEmulator = field(init=False)
    store: Store = field(init=False)
    model: Model = field(default_factory=Model, init=False)
    next_id: int = field(default=1, init=False)
    offered: dict[int, bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.rnd = random.Random(self.seed)
        self.flash = FlashEmulator(self.chip, self.size, seed=self.seed)
        self.store = self.mount(self.flash)

    def mount(self, flash: FlashEmulator) -> Store:
        return Store(
            flash, slots=self.slots, profile=self.profile, log_segments=self.log_segments,
            wear_spread=self.wear_spread,
        )  # fmt: skip

    def frame(self, value: int | None = None) -> tuple[FrameMeta, bytes]:
        """A new frame, not offered yet."""
        value = self.rnd.randrange(64) if value is None else value
        data = self.rnd.randbytes(self.rnd.randint(1, self.max_picture))
        self.offered[self.next_id] = data
        self.next_id += 1
        return FrameMeta(self.next_id - 1, value, time=self.next_id << 16, score=value % 256), data

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.model.offer(self.store, *self.frame())
            if self.rnd.random() < 0.2 and self.model.frames:
                self.model.delete(self.store, self.rnd.choice(list(self.model.frames)))
            if self.rnd.random() < 0.3:
                self.model.log(self.store, self.rnd.randbytes(40))
            if self.rnd.random() < 0.1:
                self.store.idle()

    def reset(self) -> None:
        """As after a loss of power between two calls."""
        self.store.remount()
        self.model.check_after_reset(self.store)

    def shows_whole_frames(self, store: Store) -> set[int]:
        """The ids listed; each must read as it was offered, forgotten ones that are back included."""
        listed = {m.frame_id: m.size for m in store.frames()}
        for frame_id, size in listed.items():
            assert size == len(self.offered[frame_id])
            assert store.read(frame_id) == self.offered[frame_id]
        return set(listed)

    def cut_everywhere(self, call: Call, byte_of: int = 0) -> Iterator[tuple[Store, FlashEmulator]]:
        """`call` on copies of this store, power lost in each of its operations in each way, then mounted.

        With `byte_of`, prefixes of every length up to so many bytes.
        """
        prefixes = [(Tear.PARTLY, b) for b in range(byte_of)]
        ways = prefixes or [(tear, self.rnd.randrange(256)) for tear in Tear]
        operation = 0
        while True:
            for tear, byte in ways:
                flash = self.flash.copy()
                store = self.mount(flash)
                flash.cut(operation, tear, byte)
                try:
                    call(store)
                except FkError:
                    assert not flash.powered, "the call fails although nothing was cut"
                if flash.powered:
                    return
                flash.power_on()
                store.remount()
                yield store, flash
            operation += 1
