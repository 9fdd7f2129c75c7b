"""The frames that a store is measured with: the same for ours and for the peer's."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from framekeep_onboard.store import FlashEmulator

FRAMES = 100_000
SIZE = 4 << 20  # bytes of flash
MASK = (1 << 64) - 1


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
    """What a file system does not know of its files: which is worth most, which least."""

    def __init__(self) -> None:
        self._there: dict[int, Offer] = {}
        self._least: list[tuple[int, int]] = []
        self._most: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._there)

    def add(self, offer: Offer) -> None:
        self._there[offer.number] = offer
        heapq.heappush(self._least, (offer.value, offer.number))
        heapq.heappush(self._most, (-offer.value, offer.number))

    def remove(self, offer: Offer) -> None:
        del self._there[offer.number]

    def least(self) -> Offer:
        """The first of lowest value; of highest: `most`. There must be one."""
        return self._top(self._least)

    def most(self) -> Offer:
        return self._top(self._most)

    def _top(self, heap: list[tuple[int, int]]) -> Offer:
        while heap[0][1] not in self._there:
            heapq.heappop(heap)
        return self._there[heap[0][1]]

    @property
    def bytes(self) -> int:
        return sum(offer.size for offer in self._there.values())


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
