"""littlefs on the store's workload: a file for each frame, over the same emulated flash.

It is littlefs's own C as PyPI's littlefs-python carries it. That package calls
back into Python for each read, which would make the workload last for hours;
here the four callbacks of its configuration are replaced by ours in C
(onboard/boards/host/block_device.c). Nothing else of it is touched.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.store import FlashEmulator

from framekeep_sim.store_workload import FRAMES, SIZE, Kept, Offer, ms, now, picture, wear, workload

BLOCK = 4096
POINTERS = 16  # bytes of a block that are not counted on: in a file of 24 KiB pointers take up to 12 of them
FOLDERS = 16  # a frame's name is looked for in its folder alone, whose records fit a pair of blocks
NO_SPACE = -28  # of littlefs
MISSING = "littlefs-python is not installed: python -m pip install littlefs-python"
POINTER = ffi.sizeof("void *")
FIRST = Offer(7, 1500, 0)  # what is written first after a mount


@dataclass(frozen=True, slots=True)
class Setup:
    """How littlefs is set up, and how full it is driven."""

    name: str
    cache_size: int
    fill: float  # frames take less than this share of the blocks; fuller, it lacks blocks for its own records
    read_size: int = 16
    program_size: int = 16
    lookahead_size: int = 128  # a bit for each block: one look for free ones sees them all
    block_cycles: int = 500

    @property
    def ram_bytes(self) -> int:
        """Its caches: read, program and that of the open file; and the lookahead. Its own structs
        (some 300 bytes) and the index of values, which a caller must keep, come on top."""
        return 3 * self.cache_size + self.lookahead_size


SETUPS = (Setup("cache_512", 512, 0.85), Setup("cache_4096", 4096, 0.95))


class Unavailable(Exception):
    """littlefs is not here, or not as this program knows it."""


class Volume:
    """A littlefs on a flash."""

    def __init__(self, flash: FlashEmulator, setup: Setup, *, fresh: bool) -> None:
        try:
            self._lfs: Any = import_module("littlefs.lfs")
        except ImportError as error:
            raise Unavailable(MISSING) from error
        self._error: type[Any] = import_module("littlefs.errors").LittleFSError
        self._flash = flash
        self._config = self._lfs.LFSConfig(
            context=_Unused(),
            block_size=BLOCK,
            block_count=flash.segment_count,
            read_size=setup.read_size,
            prog_size=setup.program_size,
            cache_size=setup.cache_size,
            lookahead_size=setup.lookahead_size,
            block_cycles=setup.block_cycles,
        )
        self._connect(setup)
        self._fs = self._lfs.LFSFilesystem()
        if fresh:
            self._lfs.format(self._fs, self._config)
        self._lfs.mount(self._fs, self._config)
        if fresh:
            for folder in range(FOLDERS):
                self._lfs.mkdir(self._fs, f"d{folder}")

    def _connect(self, setup: Setup) -> None:
        """Put the port and our callbacks where struct lfs_config, inside the Python object, has its own."""
        start = id(self._config) + object.__basicsize__
        pointers = ffi.cast("uintptr_t *", start)
        sizes = ffi.cast("uint32_t *", start + 5 * POINTER)
        known = [setup.read_size, setup.program_size, BLOCK, self._flash.segment_count]
        if int(pointers[0]) != id(self._config) or [int(sizes[i]) for i in range(4)] != known:
            raise Unavailable("this littlefs-python has its configuration laid out in another way")
        pointers[0] = int(ffi.cast("uintptr_t", self._flash.port))
        for i, name in enumerate(("read", "program", "erase", "sync"), 1):
            pointers[i] = int(ffi.cast("uintptr_t", ffi.addressof(lib, f"fk_block_{name}")))

    def write(self, name: str, data: bytes) -> bool:
        """False where littlefs finds no free block: nothing is kept then."""
        file = None
        try:
            file = self._lfs.file_open(self._fs, name, "wb")
            self._lfs.file_write(self._fs, file, data)
            self._lfs.file_close(self._fs, file)
        except self._error as error:
            if error.code != NO_SPACE:
                raise
            if file is not None:
                with suppress(self._error):  # it was not written to its end
                    self._lfs.file_close(self._fs, file)
            with suppress(self._error):  # nor, perhaps, created
                self._lfs.remove(self._fs, name)
            return False
        return True

    def read(self, name: str, size: int) -> bytes:
        file = self._lfs.file_open(self._fs, name, "rb")
        data = bytes(self._lfs.file_read(self._fs, file, size))
        self._lfs.file_close(self._fs, file)
        return data

    def remove(self, name: str) -> None:
        self._lfs.remove(self._fs, name)

    def tidy(self) -> None:
        """What littlefs can do ahead: compact its records and look for free blocks."""
        self._lfs.fs_gc(self._fs)

    def close(self) -> None:
        self._lfs.unmount(self._fs)


class _Unused:
    """In the place of the context whose methods littlefs-python would call."""


def version() -> str:
    """Of littlefs itself."""
    try:
        major, minor = import_module("littlefs.lfs").__LFS_VERSION__
    except ImportError as error:
        raise Unavailable(MISSING) from error
    return f"{major}.{minor}"


def path(frame: Offer) -> str:
    return f"d{frame.number % FOLDERS}/f{frame.number:06}"


def blocks(size: int) -> int:
    """That a file is reckoned with."""
    return -(-size // (BLOCK - POINTERS))


def run(setup: Setup, frames: int = FRAMES, *, idle: bool = False) -> dict[str, Any]:
    """The workload through littlefs. `idle`: it may work ahead between frames."""
    flash = FlashEmulator("nor", SIZE)
    volume = Volume(flash, setup, fresh=True)
    kept = Kept()
    room = int(flash.segment_count * setup.fill) - 1
    used = accepted = full = 0
    worst = 0.0

    def let_go(gone: Offer) -> None:
        nonlocal used
        volume.remove(path(gone))
        kept.remove(gone)
        used -= blocks(gone.size)

    for offer in workload(frames):
        if offer.number % 4 == 3 and len(kept):
            let_go(kept.most())
        if idle:
            volume.tidy()
        before = now(flash)
        while used + blocks(offer.size) > room and kept.least().value <= offer.value:
            let_go(kept.least())
        if used + blocks(offer.size) <= room:
            while not volume.write(path(offer), picture(offer)):
                full += 1
                let_go(kept.least())
            kept.add(offer)
            used += blocks(offer.size)
            accepted += offer.size
        worst = max(worst, ms(flash, before))
    programmed = flash.counters()["program_bytes"]
    evenness = wear(flash)
    volume.close()

    before = now(flash)
    volume = Volume(flash, setup, fresh=False)
    mount = ms(flash, before)
    before = now(flash)
    volume.write("first", picture(FIRST))
    return {
        "wa_program": programmed / accepted,
        **evenness,
        "payload_kept": kept.bytes / flash.size,
        "mount_ms": mount,
        "first_write_after_mount_ms": ms(flash, before),
        "worst_store_ms": worst,
        "frames": len(kept),
        "found_no_block": full,
        "fill": setup.fill,
        "ram_bytes": setup.ram_bytes,
        "refused_by_chip": flash.counters()["refused"],
    }
