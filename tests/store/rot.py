"""Fills a store and lets it rot; what each byte is good for is known by the ground's reading of the dump."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from framekeep_ground.flash_layout import Layout, clean_record, grain_of
from framekeep_ground.flash_records import CHUNKS, Record, records
from framekeep_ground.formats import (
    STORE_KIND_COMMIT,
    STORE_KIND_LOG,
    STORE_KIND_MARKS,
    STORE_MARK_SENT,
    STORE_RECORD_MIN,
)
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.store import FlashEmulator, FrameMeta, Profile, Store

RECORD_SIZE = 24


class Kind(IntEnum):
    """What happens to a place."""

    BIT = lib.FK_ROT_BIT
    TWO_BITS = lib.FK_ROT_TWO_BITS
    BYTE = lib.FK_ROT_BYTE
    PAGE = lib.FK_ROT_PAGE


class Use(IntEnum):
    """What a place is good for."""

    FRAME = lib.FK_ROT_FRAME
    DELETED = lib.FK_ROT_DELETED
    RECORD = lib.FK_ROT_RECORD


PLACE_BYTES = {Kind.BIT: 1 / 8, Kind.TWO_BITS: 32, Kind.BYTE: 1, Kind.PAGE: 256}


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that something depends on."""

    address: int
    size: int
    use: Use
    id: int
    header: bool = True  # or the bytes of a picture


@dataclass(frozen=True, slots=True)
class Decay:
    """What a sweep saw. `failure` is empty when all shown was right and all missing was hit."""

    failure: str
    damages: int
    harmless: int
    lost: int
    revived: int
    records_lost: int
    forgot_id: int
    corrected: int
    lived: int


@dataclass
class Rotten:
    """A full store: evicted, moved, deleted and sent frames, waiting ring records."""

    chip: str = "tiny"
    size: int = 0
    profile: Profile = Profile.PACKED
    seed: int = 1
    max_picture: int = 900
    steps: int = 120
    flash: FlashEmulator = field(init=False)
    store: Store = field(init=False)
    offered: dict[int, tuple[FrameMeta, bytes]] = field(default_factory=dict, init=False)
    records: int = field(default=0, init=False)
    first_record: int = field(default=0, init=False)
    moved: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        rnd = random.Random(self.seed)
        self.flash = FlashEmulator(self.chip, self.size)
        self.store = Store(self.flash, slots=64, profile=self.profile, log_segments=2)
        for frame_id in range(1, self.steps + 1):
            self._step(rnd, frame_id)
        for _ in range(3):  # some commits of deleted frames are still to be found
            self.store.delete(rnd.choice([m.frame_id for m in self.store.frames()]))
        self.store.sync()
        self.moved = self.store.stats()["moved"]
        self.store.remount()
        while self.store.log_next() is not None:
            pass
        waiting = self.store.stats()["log_waiting"]
        self.store.log_rewind()
        self.first_record = self.records - waiting

    def _step(self, rnd: random.Random, frame_id: int) -> None:
        data = rnd.randbytes(rnd.randint(1, self.max_picture))
        meta = FrameMeta(frame_id, rnd.randrange(64), time=frame_id << 20)
        self.offered[frame_id] = meta, data
        self.store.offer(meta, data)
        kept = [m.frame_id for m in self.store.frames()]
        if rnd.random() < 0.15:
            self.store.delete(rnd.choice(kept))
        elif rnd.random() < 0.1:
            self.store.mark_sent(rnd.choice(kept))
        if rnd.random() < 0.5:
            self.store.log_append(self.record(self.records))
            self.records += 1
        if rnd.random() < 0.03:
            while self.store.log_next() is not None:
                pass
            self.store.log_sent()

    @staticmethod
    def record(number: int) -> bytes:
        return number.to_bytes(4, "big") + bytes((number + i) % 256 for i in range(4, RECORD_SIZE))

    def layout(self) -> Layout:
        segments = tuple(self.flash.segment(i) for i in range(self.flash.segment_count))
        unit = int(self.flash.port.program_unit)
        return Layout(segments, len(segments), grain_of(unit, max(size for _, size in segments)))

    def spans(self) -> list[Span]:
        """Of kept frames: the newest commit, its chunks, and the clean records of their segments."""
        layout, image = self.layout(), self.flash.image()
        found: dict[int, list[Record]] = {}
        for number, (_, size) in enumerate(layout.segments):
            block = layout.block(image, number)
            if clean_record(block, number, size, layout.grain) is not None:
                found[number] = list(records(block, number, layout.grain))
        kept = {m.frame_id for m in self.store.frames()}
        commits: dict[int, Record] = {}
        spans: list[Span] = []
        everything = [r for block in found.values() for r in block]
        for r in everything:
            if r.kind == STORE_KIND_COMMIT and r.head.frame_id in kept:
                known = commits.get(r.head.frame_id)
                if known is None or r.head.copy_number > known.head.copy_number:
                    commits[r.head.frame_id] = r
            elif r.kind == STORE_KIND_LOG:
                spans += self._of(layout, r, Use.RECORD, r.head.number)
            elif r.kind == STORE_KIND_MARKS:
                for mark in r.parts():
                    if mark.frame_id and not mark.segment & STORE_MARK_SENT:
                        spans += self._of(layout, r, Use.DELETED, mark.frame_id)
        chunks = {(r.segment, r.place): r for r in everything if r.kind in CHUNKS}
        for frame_id, commit in commits.items():
            spans += self._of(layout, commit, Use.FRAME, frame_id)
            for extent in commit.parts():
                spans += self._of(layout, chunks[extent.segment, extent.place], Use.FRAME, frame_id)
        return spans

    @staticmethod
    def _of(layout: Layout, r: Record, use: Use, number: int) -> list[Span]:
        base, its_size = layout.segments[r.segment]
        size = r.grains * layout.grain
        clean = Span(base + its_size - STORE_RECORD_MIN, STORE_RECORD_MIN, use, number)
        record = Span(base + r.place * layout.grain - size, size, use, number)
        if r.kind not in CHUNKS or not r.head.length:
            return [clean, record]
        at = base + r.head.place * layout.grain
        return [clean, record, Span(at, r.head.length, use, number, header=False)]

    def bits(self, *, header: bool) -> int:
        """Of records that matter, or of the pictures beneath them."""
        places = {(s.address, s.size) for s in self.spans() if s.header == header}
        return 8 * sum(size for _, size in places)

    def sweep(
        self, kind: Kind, *, step: int = 1, first: int = 0, last: int | None = None, live_every: int = 997
    ) -> Decay:
        """Damage every `step`-th place of the region, one after the other."""
        kept = {m.frame_id for m in self.store.frames()}
        frames = ffi.new("fk_rot_frame[]", len(self.offered))
        pictures = []  # cffi owns them as long as we do
        for c, (frame_id, (meta, data)) in zip(frames, self.offered.items(), strict=True):
            pictures.append(ffi.from_buffer("uint8_t[]", data))
            c.frame_id, c.size, c.value = frame_id, len(data), meta.value
            c.kept, c.data = frame_id in kept, pictures[-1]
        spans = ffi.new("fk_rot_span[]", [(s.address, s.size, s.id, s.use) for s in self.spans()])
        config: Any = ffi.new("fk_rot_config *")
        config.chip, config.store = self.flash._c, self.store._cfg
        config.frames, config.frame_count = frames, len(frames)
        config.spans, config.span_count = spans, len(spans)
        config.records, config.record_size = self.records, RECORD_SIZE
        config.first_record, config.kind = self.first_record, kind
        places = int(self.flash.size / PLACE_BYTES[kind])
        setattr(config, "from", first)
        config.to, config.step = places if last is None else last, step
        config.live_every, config.seed = live_every, self.seed
        report: Any = ffi.new("fk_rot_report *")
        lib.fk_rot_sweep(config, report)
        self.store.remount()  # the sweep used its tables
        counts = (name for name in Decay.__slots__ if name != "failure")
        return Decay(ffi.string(report.failure).decode(), *(int(getattr(report, name)) for name in counts))
