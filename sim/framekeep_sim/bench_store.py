"""The store on a full flash: writes, wear, room and time, beside littlefs on the same chip."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import framekeep_onboard
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


# The same geometry for both profiles: ten segments kept free, so that a 24 KiB picture finds erased ones.
SETTINGS: dict[str, Any] = {"slots": 704, "spare": 10, "spread": 32}
PEER_FRAMES = 2000  # littlefs is called back through Python for each read: minutes for these


def run_littlefs(frames: int = PEER_FRAMES) -> dict[str, Any]:
    """littlefs, a file for each frame, on the same emulated flash: what can be had by other means."""
    from littlefs import LittleFS
    from littlefs.context import UserContext

    flash = FlashEmulator("nor", SIZE)
    segment, count = 4096, SIZE // 4096

    class Chip(UserContext):
        def __init__(self) -> None:
            super().__init__(SIZE)

        def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:  # noqa: ARG002
            return bytearray(flash.read(block * segment + off, size))

        def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:  # noqa: ARG002
            flash.program(block * segment + off, bytes(data))
            return 0

        def erase(self, cfg: Any, block: int) -> int:  # noqa: ARG002
            flash.erase(block)
            return 0

        def sync(self, cfg: Any) -> int:  # noqa: ARG002
            return 0

    def attach() -> Any:
        return LittleFS(
            context=Chip(), block_size=segment, block_count=count, read_size=16, prog_size=16, cache_size=512,
            lookahead_size=128, block_cycles=500, mount=False,
        )  # fmt: skip

    fs = attach()
    fs.format()
    fs.mount()
    kept: dict[int, Offer] = {}
    room = int(count * 0.85)  # fuller than that, it fails for want of blocks for its own records

    def blocks(offer: Offer) -> int:
        return -(-offer.size // (segment - 4))

    def remove(offer: Offer) -> None:
        fs.remove(f"f{offer.number}")
        del kept[offer.number]

    accepted = 0
    worst = 0.0
    for offer in workload(frames):
        if offer.number % 4 == 3 and kept:
            remove(max(kept.values(), key=lambda o: (o.value, -o.number)))
        before = flash.counters()["time_ns"]
        taken = True
        while sum(map(blocks, kept.values())) + blocks(offer) > room:
            least = min(kept.values(), key=lambda o: (o.value, o.number))
            if least.value > offer.value:
                taken = False
                break
            remove(least)
        if taken:
            with fs.open(f"f{offer.number}", "wb") as file:
                file.write(picture(offer))
            kept[offer.number] = offer
            accepted += offer.size
        worst = max(worst, _ms(flash, before))
    programmed = flash.counters()["program_bytes"]
    fs.unmount()
    fs = attach()
    before = flash.counters()["time_ns"]
    fs.mount()
    mount = _ms(flash, before)
    before = flash.counters()["time_ns"]
    with fs.open("first", "wb") as file:
        file.write(picture(Offer(7, 1500, 0)))
    ratio, cv = _wear(flash)
    return {
        "wa_program": programmed / accepted,
        "wear_max_over_mean": ratio,
        "wear_cv": cv,
        "payload_kept": sum(o.size for o in kept.values()) / flash.size,
        "mount_ms": mount,
        "first_write_after_mount_ms": _ms(flash, before),
        "worst_store_ms": worst,
        "frames": frames,
    }


def code_bytes() -> int | None:
    """Flash that the store takes on a Cortex-M4, or None without the Arm compiler."""
    root = Path(framekeep_onboard.__file__).parent
    trees = (root / "csrc" / "onboard", root.parents[1])  # installed, or the source tree
    tree = next((t for t in trees if (t / "src" / "store").is_dir()), None)
    if tree is None:
        return None
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted((tree / "src" / "store").glob("*.c")):
            out = Path(folder) / f"{source.stem}.o"
            flags = ["-Os", "-mthumb", "-mcpu=cortex-m4", "-std=c11", "-ffunction-sections"]
            includes = [f"-I{tree / 'include'}", f"-I{tree / 'src'}"]
            try:
                subprocess.run(["arm-none-eabi-gcc", *flags, *includes, "-c", source, "-o", out], check=True)
                size = subprocess.run(["arm-none-eabi-size", out], check=True, capture_output=True, text=True)
            except FileNotFoundError:
                return None
            total += int(size.stdout.splitlines()[1].split()[0])
    return total


def run(frames: int = FRAMES, peer_frames: int = PEER_FRAMES) -> dict[str, Any]:
    """Both profiles on the workload, without and with idle time, and littlefs where it is installed."""
    profiles = {}
    for profile in (Profile.CHAIN, Profile.PACKED):
        row: dict[str, Any] = run_store(profile, frames=frames, **SETTINGS)
        row["worst_store_idle_ms"] = run_store(profile, frames=frames // 5, idle=True, **SETTINGS)[
            "worst_store_ms"
        ]
        profiles[profile.name.lower()] = row
    try:
        peer: dict[str, Any] | None = run_littlefs(peer_frames)
    except ImportError:
        peer = None
    return {
        "frames": frames,
        "profiles": profiles,
        "littlefs": peer,
        "ram_bytes": Store(FlashEmulator("nor", SIZE), slots=512).ram_bytes,
        "ram_bytes_small": Store(FlashEmulator("nor", 1 << 18), slots=64).ram_bytes,
        "code_bytes": code_bytes(),
    }
