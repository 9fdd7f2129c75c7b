"""The store on a full flash: writes, wear, room and time, beside littlefs on the same chip."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import framekeep_onboard
from framekeep_onboard.store import FlashEmulator, FrameMeta, Profile, Store

from framekeep_sim import bench_littlefs
from framekeep_sim.store_workload import FRAMES, SIZE, Offer, ms, now, picture, wear, workload

# The same geometry for both profiles: ten segments kept free, so that a 24 KiB picture finds erased ones.
SETTINGS: dict[str, Any] = {"slots": 704, "spare": 10, "spread": 32}
IDLE_PART = 5  # the workload with idle time between frames is this part of the whole
COMPARED = (
    *("wa_program", "wear_max_over_mean", "wear_cv", "payload_kept"),
    *("mount_ms", "first_write_after_mount_ms", "worst_store_ms", "worst_store_idle_ms"),
)

# littlefs 2.11 on this workload, measured apart from this program: what its rows here are held against.
REFERENCE = {
    "cache_512": (1.027, 4.05, 0.76, 0.657, 4.8, 138.0, 487.0),
    "cache_4096": (1.028, 6.30, 0.85, 0.738, 1.8, 121.0, 528.0),
}


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
) -> dict[str, Any]:
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
        before = now(flash)
        kept = store.offer(FrameMeta(offer.number + 1, offer.value), picture(offer))
        worst = max(worst, ms(flash, before))
        if kept is not None:
            accepted += offer.size
    programmed = flash.counters()["program_bytes"]
    live = sum(m.size for m in store.frames())
    evenness = wear(flash)
    before = now(flash)
    store.remount()
    mount = ms(flash, before)
    before = now(flash)
    store.offer(FrameMeta(frames + 1, 65535), picture(Offer(7, 1500, 0)))
    return {
        "wa_program": programmed / accepted,
        **evenness,
        "payload_kept": live / flash.size,
        "mount_ms": mount,
        "first_write_after_mount_ms": ms(flash, before),
        "worst_store_ms": worst,
        "frames": store.stats()["frames"],
        "damaged": store.stats()["damaged"],
        "refused_by_chip": flash.counters()["refused"],
    }


def run_littlefs(frames: int) -> dict[str, Any]:
    """littlefs in both setups, with their ratios to figures measured apart; or why it is not there."""
    try:
        rows: dict[str, Any] = {"version": bench_littlefs.version()}
        for setup in bench_littlefs.SETUPS:
            row = bench_littlefs.run(setup, frames)
            row["worst_store_idle_ms"] = bench_littlefs.run(setup, frames // IDLE_PART // 4, idle=True)[
                "worst_store_ms"
            ]
            rows[setup.name] = row | of_reference(setup.name, row)
    except bench_littlefs.Unavailable as reason:
        return {"missing": str(reason)}
    return rows


def of_reference(setup: str, row: dict[str, Any]) -> dict[str, Any]:
    """What a row of littlefs is held against, and each of its figures as a multiple of that."""
    reference = dict(zip(COMPARED, REFERENCE[setup], strict=False))
    return {"reference": reference, "of_reference": ratios(row, reference)}


def ratios(row: dict[str, Any], peer: dict[str, Any]) -> dict[str, float]:
    """Each figure of `row` as a multiple of the peer's."""
    return {name: row[name] / peer[name] for name in COMPARED if name in row and peer.get(name)}


def rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The report as a table: ours, the peer's, and what the peer's row is held against."""
    littlefs = report["littlefs"]
    named = [(f"framekeep, {name}", row) for name, row in report["profiles"].items()]
    for setup in bench_littlefs.SETUPS:
        if setup.name in littlefs:
            row = littlefs[setup.name]
            named += [
                (f"littlefs {littlefs['version']}, {setup.name.replace('_', ' ')}", row),
                ("  measured apart", row["reference"]),
            ]
    if "missing" in littlefs:
        named.append((f"littlefs: {littlefs['missing']}", {}))
    return [{"store": name} | {key: row.get(key) for key in COMPARED} for name, row in named]


# --- What it takes on a microcontroller -------------------------------------------------------------

ARM = ("arm-none-eabi-gcc", "-Os", "-mthumb", "-mcpu=cortex-m4", "-std=c11", "-ffunction-sections")
SIZES = """\
#include "fk/store.h"
char store[sizeof(fk_store)], segment[sizeof(fk_store_segment)], slot[sizeof(fk_store_slot)];
"""


def _tree() -> Path | None:
    """Where the C sources are: installed beside the bindings, or in the source tree."""
    root = Path(framekeep_onboard.__file__).parent
    trees = (root / "csrc" / "onboard", root.parents[1])
    return next((t for t in trees if (t / "src" / "store").is_dir()), None)


def _compiled(source: Path, tree: Path, folder: Path) -> Path:
    out = folder / f"{source.stem}.o"
    command: list[str | Path] = [*ARM, f"-I{tree / 'include'}", f"-I{tree / 'src'}", "-c", source, "-o", out]
    subprocess.run(command, check=True)
    return out


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def footprint() -> dict[str, int | None]:
    """Flash and RAM that the store takes on a Cortex-M4; None without the Arm compiler."""
    names = ("code_bytes", "ram_bytes", "ram_bytes_small")
    tree = _tree()
    if tree is None:
        return dict.fromkeys(names)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sizes.c").write_text(SIZES)
        try:
            objects = [_compiled(c, tree, folder) for c in sorted((tree / "src" / "store").glob("*.c"))]
            lines = _output("arm-none-eabi-nm", "-S", _compiled(folder / "sizes.c", tree, folder)).split("\n")
            code = sum(int(_output("arm-none-eabi-size", o).splitlines()[1].split()[0]) for o in objects)
        except FileNotFoundError:
            return dict.fromkeys(names)
    size = {fields[3]: int(fields[1], 16) for line in lines if len(fields := line.split()) == 4}

    def ram(segments: int, slots: int) -> int:
        return size["store"] + segments * size["segment"] + slots * size["slot"]

    return {"code_bytes": code, "ram_bytes": ram(1024, 512), "ram_bytes_small": ram(64, 64)}


def run(frames: int = FRAMES) -> dict[str, Any]:
    """Both profiles on the workload, without and with idle time, and littlefs where it is installed."""
    profiles = {}
    for profile in (Profile.CHAIN, Profile.PACKED):
        row: dict[str, Any] = run_store(profile, frames=frames, **SETTINGS)
        row["worst_store_idle_ms"] = run_store(profile, frames=frames // IDLE_PART, idle=True, **SETTINGS)[
            "worst_store_ms"
        ]
        profiles[profile.name.lower()] = row
    littlefs = run_littlefs(frames)
    return {
        "frames": frames,
        "profiles": profiles,
        "littlefs": littlefs,
        "ratios": {
            f"{ours}/littlefs {setup.name}": ratios(row, littlefs[setup.name])
            for ours, row in profiles.items()
            for setup in bench_littlefs.SETUPS
            if setup.name in littlefs
        },
        **footprint(),
    }
