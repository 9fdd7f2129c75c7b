"""The store and the flash emulator: the flight code, driven from Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from framekeep_onboard._errors import ErrorCode, FkError, check
from framekeep_onboard._fk import ffi, lib

CHIPS = ("nor", "nor-page", "l4", "u5", "h7", "f4")
NEVER = (1 << 64) - 1
ANY_BYTE = (1 << 32) - 1


class Profile(IntEnum):
    """How the store weighs room against writes."""

    PACKED = lib.FK_STORE_PACKED
    CHAIN = lib.FK_STORE_CHAIN


class Tear(IntEnum):
    """What a program or an erase leaves behind when power goes."""

    NONE = lib.FK_TEAR_NONE
    PREFIX = lib.FK_TEAR_PREFIX
    PARTLY = lib.FK_TEAR_PARTLY
    ALL_BUT = lib.FK_TEAR_ALL_BUT
    COMPLETE = lib.FK_TEAR_COMPLETE


class Bad(IntEnum):
    """How a segment fails."""

    NOT = lib.FK_BAD_NOT
    PROGRAM = lib.FK_BAD_PROGRAM
    ERASE = lib.FK_BAD_ERASE
    READ = lib.FK_BAD_READ
    PROGRAM_LIE = lib.FK_BAD_PROGRAM_LIE
    ERASE_LIE = lib.FK_BAD_ERASE_LIE


@dataclass(frozen=True, slots=True)
class FrameMeta:
    """What is kept beside a picture."""

    frame_id: int
    value: int = 0
    size: int = 0
    time: int = 0
    class_index: int = 0
    score: int = 0
    tag: int = 0
    sent: bool = False
    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    model_id: bytes = bytes(8)


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes of pictures that a class may hold: at least, at most (0: no bound)."""

    class_index: int
    floor: int = 0
    ceiling: int = 0


class FlashEmulator:
    """A flash chip that refuses what chips refuse and can lose power at any moment."""

    def __init__(self, chip: str = "nor", size: int = 0, *, seed: int = 1) -> None:
        geometry = ffi.new("fk_flash_geometry *")
        check(lib.fk_flash_geometry_of(geometry, chip.encode(), size), f"flash chip {chip!r}")
        self._c: Any = ffi.gc(ffi.new("fk_flash_emulator *"), lib.fk_flash_emulator_close)
        check(lib.fk_flash_emulator_open(self._c, geometry, seed), "flash emulator")
        self.chip = chip

    @property
    def port(self) -> Any:
        """The `fk_flash` that a store takes."""
        return ffi.addressof(self._c, "flash")

    @property
    def size(self) -> int:
        return int(self._c.size)

    @property
    def segment_count(self) -> int:
        return int(self._c.flash.segment_count)

    @property
    def operations(self) -> int:
        """Programs and erases so far."""
        return int(self._c.operations)

    @property
    def powered(self) -> bool:
        return bool(self._c.powered)

    @property
    def busy_ns(self) -> int:
        """Modelled time of all operations so far."""
        return int(self._c.count.time_ns)

    def counters(self) -> dict[str, int]:
        c = self._c.count
        return {f.name: int(getattr(c, f.name)) for f in _fields("fk_flash_counters")}

    def segment(self, index: int) -> tuple[int, int]:
        """Address and size of a segment."""
        address, size = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        lib.fk_flash_segment(self.port, index, address, size)
        return int(address[0]), int(size[0])

    def wear(self) -> list[int]:
        """Erases of each segment."""
        return [int(self._c.wear[i]) for i in range(self.segment_count)]

    def image(self) -> bytes:
        return bytes(ffi.buffer(self._c.cells, self.size))

    def load(self, image: bytes) -> None:
        check(lib.fk_flash_emulator_load(self._c, image, len(image)), "flash image of another size")

    def copy(self) -> FlashEmulator:
        twin = object.__new__(FlashEmulator)
        twin.chip = self.chip
        twin._c = ffi.gc(ffi.new("fk_flash_emulator *"), lib.fk_flash_emulator_close)
        check(lib.fk_flash_emulator_open(twin._c, ffi.addressof(self._c, "geometry"), 1))
        lib.fk_flash_emulator_copy(twin._c, self._c)
        return twin

    def cut(self, operations: int, tear: Tear = Tear.PREFIX, byte: int = ANY_BYTE) -> None:
        """Lose power during a program or erase: the next is 0."""
        lib.fk_flash_emulator_cut(self._c, operations, tear, byte)

    def power_on(self) -> None:
        lib.fk_flash_emulator_power_on(self._c)

    def flip(self, address: int, bit: int) -> None:
        lib.fk_flash_emulator_flip(self._c, address, bit)

    def set_bad(self, segment: int, how: Bad) -> None:
        self._c.bad[segment] = how

    def set_endurance(self, erases: int, how: Bad) -> None:
        self._c.endurance = erases
        self._c.worn_as = how

    def read(self, address: int, size: int) -> bytes:
        out = ffi.new("uint8_t[]", max(size, 1))
        check(self.port.read(self.port.ctx, address, out, size), "flash read")
        return bytes(ffi.buffer(out, size))

    def program(self, address: int, data: bytes) -> None:
        check(self.port.program(self.port.ctx, address, data, len(data)), "flash program")

    def erase(self, segment: int) -> None:
        check(self.port.erase(self.port.ctx, segment), "flash erase")


class Store:
    """The store on a flash. Mounts at once; `remount` is what a reset does."""

    def __init__(
        self,
        flash: FlashEmulator,
        *,
        slots: int = 512,
        profile: Profile = Profile.PACKED,
        log_segments: int = 0,
        spare_segments: int = 0,
        fill: int = 0,
        wear_spread: int = 0,
        trust_writes: bool = False,
        quotas: Sequence[Quota] = (),
    ) -> None:
        self.flash = flash
        self._segments = ffi.new("fk_store_segment[]", flash.segment_count)
        self._slots = ffi.new("fk_store_slot[]", slots)
        self._quotas = ffi.new("fk_store_quota[]", max(1, len(quotas)))
        for i, quota in enumerate(quotas):
            self._quotas[i] = (quota.class_index, quota.floor, quota.ceiling)
        self._cfg = ffi.new("fk_store_config *")
        cfg = self._cfg
        cfg.flash, cfg.segments, cfg.slots = flash.port, self._segments, self._slots
        cfg.slot_count, cfg.profile, cfg.log_segments = slots, profile, log_segments
        cfg.spare_segments, cfg.fill, cfg.wear_spread = spare_segments, fill, wear_spread
        cfg.trust_writes, cfg.quotas, cfg.quota_count = trust_writes, self._quotas, len(quotas)
        self._c = ffi.new("fk_store *")
        self.remount()

    @property
    def ram_bytes(self) -> int:
        """Static RAM: the store, its segments, its slots."""
        return int(ffi.sizeof(self._c[0]) + ffi.sizeof(self._segments) + ffi.sizeof(self._slots))

    def remount(self) -> None:
        check(lib.fk_store_mount(self._c, self._cfg), "mount")

    def mount_begin(self) -> None:
        check(lib.fk_store_mount_begin(self._c, self._cfg), "mount")

    def mount_step(self, segments: int) -> bool:
        """True while more is to be done."""
        return check(lib.fk_store_mount_step(self._c, segments), "mount") > 0

    def append(self, meta: FrameMeta, data: bytes) -> int:
        """Keep a frame; the number of frames evicted for it. FkError if it is refused."""
        return check(lib.fk_store_append(self._c, _meta_to_c(meta), data, len(data)), "append")

    def offer(self, meta: FrameMeta, data: bytes) -> int | None:
        """As append, but None when the frame is worth less than all that is kept."""
        code = lib.fk_store_append(self._c, _meta_to_c(meta), data, len(data))
        return None if code == ErrorCode["FK_ERR_NOSPC"] else check(code, "append")

    def read(self, frame_id: int, offset: int = 0, n: int | None = None) -> bytes:
        if n is None:
            n = self.find(frame_id).size - offset
        out = ffi.new("uint8_t[]", max(n, 1))
        got = check(lib.fk_store_read(self._c, frame_id, offset, out, n), f"frame {frame_id}")
        return bytes(ffi.buffer(out, got))

    def find(self, frame_id: int) -> FrameMeta:
        meta = ffi.new("fk_frame_meta *")
        check(lib.fk_store_find(self._c, frame_id, meta), f"frame {frame_id}")
        return _meta_from_c(meta)

    def __contains__(self, frame_id: int) -> bool:
        return bool(lib.fk_store_find(self._c, frame_id, ffi.new("fk_frame_meta *")) == 0)

    def best(self) -> FrameMeta | None:
        meta = ffi.new("fk_frame_meta *")
        return _meta_from_c(meta) if check(lib.fk_store_best(self._c, meta)) else None

    def frames(self) -> Iterator[FrameMeta]:
        """All frames, by id. Do not change the store meanwhile."""
        meta = ffi.new("fk_frame_meta *")
        after = 0
        while check(lib.fk_store_list(self._c, after, meta)):
            yield _meta_from_c(meta)
            after = meta.frame_id

    def mark_sent(self, frame_id: int) -> None:
        check(lib.fk_store_mark_sent(self._c, frame_id), f"frame {frame_id}")

    def delete(self, frame_id: int) -> None:
        check(lib.fk_store_delete(self._c, frame_id), f"frame {frame_id}")

    def sync(self) -> None:
        check(lib.fk_store_sync(self._c), "sync")

    def idle(self) -> bool:
        """Do a piece of work ahead; True while there is more."""
        return check(lib.fk_store_idle(self._c), "idle") > 0

    def log_append(self, record: bytes) -> None:
        check(lib.fk_store_log_append(self._c, record, len(record)), "log")

    def log_next(self) -> bytes | None:
        out = ffi.new("uint8_t[]", lib.FK_STORE_LOG_MAX)
        n = check(lib.fk_store_log_next(self._c, out, lib.FK_STORE_LOG_MAX), "log")
        return bytes(ffi.buffer(out, n)) if n else None

    def log_sent(self) -> None:
        check(lib.fk_store_log_sent(self._c), "log")

    def log_rewind(self) -> None:
        lib.fk_store_log_rewind(self._c)

    @property
    def next_id(self) -> int:
        return int(lib.fk_store_next_id(self._c))

    def use_id(self, frame_id: int) -> None:
        lib.fk_store_use_id(self._c, frame_id)

    def stats(self) -> dict[str, int]:
        report = ffi.new("fk_store_report *")
        lib.fk_store_stats(self._c, report)
        return {f.name: int(getattr(report, f.name)) for f in _fields("fk_store_report")}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


def _fields(struct: str) -> list[_Field]:
    return [_Field(name) for name, _ in ffi.typeof(struct).fields]


def _meta_to_c(meta: FrameMeta) -> Any:
    c = ffi.new("fk_frame_meta *")
    for name in ("frame_id", "value", "size", "time", "class_index", "score", "tag", "sent"):
        setattr(c, name, getattr(meta, name))
    c.box.x, c.box.y, c.box.width, c.box.height = meta.box
    c.model_id = list(meta.model_id)
    return c


def _meta_from_c(c: Any) -> FrameMeta:
    return FrameMeta(
        frame_id=c.frame_id,
        value=c.value,
        size=c.size,
        time=c.time,
        class_index=c.class_index,
        score=c.score,
        tag=c.tag,
        sent=bool(c.sent),
        box=(c.box.x, c.box.y, c.box.width, c.box.height),
        model_id=bytes(c.model_id),
    )


__all__ = ["CHIPS", "Bad", "FkError", "FlashEmulator", "FrameMeta", "Profile", "Quota", "Store", "Tear"]
