"""The store on a full flash: writes, wear, room and time, beside littlefs on the same chip."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from framekeep_onboard.store import FlashEmulator, FrameMeta, Profile, Store

FRAMES = 100_000
SIZE = 4 << 20
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


def _wear(flash: FlashEmulator) -> tuple[float, float]:
    wear = flash.wear()
    mean = statistics.fmean(wear)
    return max(wear) / mean, statistics.pstdev(wear) / mean


def _ms(flash: FlashEmulator, since: int = 0) -> float:
    return (flash.counters()["time_ns"] - since) / 1e6


def run_store(
    profile: Profile,
    *,
    chip: str = "nor",
    frames: int = FRAMES,
    idle: bool = False,
    slots: int = 704,
    spare: int = 0,
    fill: int = 0,
    spread: int = 0,
) -> dict[str, float]:
    """The workload through the store. `idle`: it may work ahead between frames."""
    flash = FlashEmulator(chip, SIZE)
    store = Store(flash, slots=slots, profile=profile, spare_segments=spare, fill=fill, wear_spread=spread)
    accepted = 0
    worst = 0.0
    for offer in workload(frames):
        if offer.number % 4 == 3:
            best = store.best()
            if best is not None:
                store.delete(best.frame_id)
        if idle:
            while store.idle():
                pass
        before = flash.counters()["time_ns"]
        kept = store.offer(FrameMeta(offer.number + 1, offer.value), picture(offer))
        worst = max(worst, _ms(flash, before))
        if kept is not None:
            accepted += offer.size
    programmed = flash.counters()["program_bytes"]
    live = sum(m.size for m in store.frames())
    ratio, cv = _wear(flash)
    before = flash.counters()["time_ns"]
    store.remount()
    mount = _ms(flash, before)
    before = flash.counters()["time_ns"]
    store.offer(FrameMeta(frames + 1, 65535), picture(Offer(7, 1500, 0)))
    return {
        "wa_program": programmed / accepted,
        "wear_max_over_mean": ratio,
        "wear_cv": cv,
        "payload_kept": live / flash.size,
        "mount_ms": mount,
        "first_write_after_mount_ms": _ms(flash, before),
        "worst_store_ms": worst,
        "frames": store.stats()["frames"],
        "damaged": store.stats()["damaged"],
        "refused_by_chip": flash.counters()["refused"],
    }
