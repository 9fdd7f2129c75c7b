"""littlefs on the store's workload: a file for each frame, over the same emulated flash.

It is littlefs's own C as PyPI's littlefs-python carries it. That package calls
back into Python for each read, which would make the workload last for hours;
here the four callbacks of its configuration are replaced by ours in C
(onboard/boards/host/block_device.c). Nothing else of it is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.store import FlashEmulator

from framekeep_sim.store_workload import FRAMES, SIZE, Kept, Offer, ms, now, picture, wear, workload

BLOCK = 4096
WORK = 16  # blocks that it is left to work with: with fewer it fails, and writes are lost to attempts
LOOK = 100  # frames between two looks at what it takes for itself
NO_SPACE = -28  # of littlefs
MISSING = "littlefs-python is not installed: python -m pip install littlefs-python"
POINTER = ffi.sizeof("void *")
FIRST = Offer(7, 1500, 0)  # what is written first after a mount


@dataclass(frozen=True, slots=True)
class Setup:
    """How littlefs is set up, and how full it is driven."""

    name: str
    cache_size: int
    fill: float  # share of the blocks that frames may take; fuller, it lacks blocks for its own records
    lookahead_size: int  # a bit for each block that it looks at in one go
    read_size: int = 16
    program_size: int = 8
    block_cycles: int = 500

    @property
    def ram_bytes(self) -> int:
        """Its caches: read, program and that of the open file; and the lookahead. Its own structs
        (some 300 bytes) and the index of values, which a caller must keep, come on top."""
        return 3 * self.cache_size + self.lookahead_size


# It looks for free blocks by reading all its records backwards, a tag at a time: in pieces of 16 bytes that
# takes up to 0.28 s, of 256 bytes 0.1 s.
SETUPS = (
    Setup("cache_512", 512, 0.85, 16),
    Setup("cache_512_read_256", 512, 0.85, 16, read_size=256),
    Setup("cache_4096", 4096, 0.95, 128),
)


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

    def blocks_used(self) -> int:
        """By files and by littlefs's own records."""
        return int(self._lfs.fs_size(self._fs))

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


def blocks(size: int) -> int:
    """That a file takes: from the second on, each block gives up 4 bytes and more to pointers."""
    return -(-size // (BLOCK - 4))


def run(setup: Setup, frames: int = FRAMES, *, idle: bool = False) -> dict[str, Any]:
    """The workload through littlefs. `idle`: it may work ahead between frames."""
    flash = FlashEmulator("nor", SIZE)
    volume = Volume(flash, setup, fresh=True)
    kept = Kept()
    most = room = int(flash.segment_count * setup.fill)
    used = accepted = full = 0
    worst = 0.0

    def let_go(which: Callable[[], Offer]) -> None:
        nonlocal used
        gone = which()
        volume.remove(f"f{gone.number}")
        kept.remove(gone)
        used -= blocks(gone.size)

    for offer in workload(frames):
        if offer.number % 4 == 3 and len(kept):
            let_go(kept.most)
        if offer.number % LOOK == 0:  # its own records take more blocks as time goes on
            room = min(most, flash.segment_count - (volume.blocks_used() - used) - WORK)
        if idle:
            volume.tidy()
        before = now(flash)
        while used + blocks(offer.size) > room and kept.least().value <= offer.value:
            let_go(kept.least)
        if used + blocks(offer.size) <= room:
            while not volume.write(f"f{offer.number}", picture(offer)):
                full += 1
                let_go(kept.least)
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
