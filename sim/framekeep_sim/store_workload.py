"""The frames that a store is measured with: the same for ours and for the peer's."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from framekeep_onboard.store import FlashEmulator

FRAMES = 100_000
SIZE = 4 << 20  # bytes of flash
MASK = (1 << 64) - 1
FREE_LOW, FREE_HIGH = 256, -1  # beside all values


@dataclass(frozen=True, slots=True)
class Offer:
    """A frame of the workload."""

    number: int
    size: int
    value: int


def workload(frames: int) -> Iterator[Offer]:
    """Frames of 1 to 24 KiB of random value: xorshift64, the same everywhere."""
    x = 1234567

    def draw() -> int:
        nonlocal x
        x ^= x << 13 & MASK
        x ^= x >> 7
        x ^= x << 17 & MASK
        return x

    for i in range(frames):
        b = 10 + draw() % 4
        size = (1 << b) + draw() % (1 << b)
        if b == 13:
            size += draw() % 8192
        yield Offer(i, size, draw() % 256)


# Pictures are random bytes: a window into one block of them.
NOISE = bytes((i * i * 2654435761 >> 13) & 0xFF for i in range(1 << 16))


def picture(offer: Offer) -> bytes:
    at = offer.number * 7919 % (len(NOISE) - 24577)
    return NOISE[at : at + offer.size]


class Kept:
    """What a file system does not know of its files: which is worth most, which least.

    A table of rows, as a microcontroller would keep it: a frame takes the first free row, and of equal
    values the first row is found. Which of the equal ones go decides how long the others lie, and so how
    evenly littlefs wears.
    """

    def __init__(self) -> None:
        self._rows: list[Offer | None] = []
        self._low: list[int] = []  # values; of a free row one that is never found
        self._high: list[int] = []

    def __len__(self) -> int:
        return len(self._rows) - self._rows.count(None)

    def add(self, offer: Offer) -> None:
        if None not in self._rows:
            self._rows.append(None)
            self._low.append(FREE_LOW)
            self._high.append(FREE_HIGH)
        row = self._rows.index(None)
        self._rows[row], self._low[row], self._high[row] = offer, offer.value, offer.value

    def remove(self, offer: Offer) -> None:
        row = self._rows.index(offer)
        self._rows[row], self._low[row], self._high[row] = None, FREE_LOW, FREE_HIGH

    def least(self) -> Offer:
        """The first of lowest value; of highest: `most`. There must be one."""
        return self._frame(self._low.index(min(self._low)))

    def most(self) -> Offer:
        return self._frame(self._high.index(max(self._high)))

    def _frame(self, row: int) -> Offer:
        frame = self._rows[row]
        if frame is None:
            raise LookupError("no frame is kept")
        return frame

    @property
    def bytes(self) -> int:
        return sum(frame.size for frame in self._rows if frame is not None)


def wear(flash: FlashEmulator) -> dict[str, float]:
    """How evenly the segments were erased."""
    erases = flash.wear()
    mean = statistics.fmean(erases)
    return {"wear_max_over_mean": max(erases) / mean, "wear_cv": statistics.pstdev(erases) / mean}


def ms(flash: FlashEmulator, since: int = 0) -> float:
    """Modelled time since `now` was `since`."""
    return (now(flash) - since) / 1e6


def now(flash: FlashEmulator) -> int:
    """Modelled nanoseconds that the chip was busy so far."""
    return flash.busy_ns
