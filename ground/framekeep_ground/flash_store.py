"""What a dump holds: frames, decisions, and what each segment is good for.

It sees what the flight store sees when it mounts, and no more is called whole
than what the store would give out. Beside that it shows what the store has
given up but whose every CRC is still right (`recovered`), and what is damaged.
"""

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from framekeep_ground import formats
from framekeep_ground.flash_layout import Layout, clean_record
from framekeep_ground.flash_records import Record, is_clean, record_at, records
from framekeep_ground.formats import (
    STORE_KIND_CHUNK,
    STORE_KIND_COMMIT,
    STORE_KIND_LOG,
    STORE_KIND_MARKS,
    STORE_MARK_DELETED,
    STORE_MARK_RETIRED,
    STORE_MARK_SENT,
)

STATES = ("live", "dead", "clean", "ring", "blank", "lost", "retired")
STATE_TEXT = {
    "live": "holds frames that are kept",
    "dead": "holds nothing that is needed",
    "clean": "erased and ready",
    "ring": "holds decision records",
    "blank": "never used",
    "lost": "its clean record is not valid: an erase failed or was cut short, or it is damaged",
    "retired": "given up for good, says a mark",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, and its picture as far as it verifies."""

    frame_id: int
    status: str  # whole, recovered or damaged
    value: int
    class_index: int
    score: int
    size: int
    time: int  # 1/65536 s since 2000
    sent: bool
    tag: int
    box: tuple[int, int, int, int]
    model_id: bytes
    generation: int
    segments: tuple[int, ...]
    verified: int  # bytes of the picture in chunks that verify
    picture: bytes  # empty where damaged


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record of the ring."""

    number: int
    sent: bool
    data: bytes


@dataclass(slots=True)
class Segment:
    """A segment and what it is good for."""

    number: int
    address: int
    size: int
    state: str
    wear: int | None  # erases, where its clean record tells
    live: int = 0  # bytes of records of frames that are kept


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a dump holds."""

    layout: Layout
    frames: tuple[Frame, ...]  # by id
    log: tuple[LogRecord, ...]  # by number
    segments: tuple[Segment, ...]

    def wear(self) -> list[int]:
        """The erase counts that are known, of segments in use as long as there are any."""
        known = [(s.state, s.wear) for s in self.segments if s.wear is not None]
        return [wear for state, wear in known if state != "retired"] or [wear for _, wear in known]

    def states(self) -> dict[str, int]:
        """How many segments are in each state."""
        found = Counter(s.state for s in self.segments)
        return {state: found[state] for state in STATES}

    def free(self) -> int:
        """Bytes of segments that hold nothing needed."""
        return sum(s.size for s in self.segments if s.state in ("clean", "dead", "blank", "lost"))


def newer(a: int, b: int) -> bool:
    """Whether generation or number `a` came after `b`: they may wrap."""
    return 0 < (a - b) % (1 << 32) < 1 << 31


@dataclass(slots=True)
class _Reader:
    data: bytes
    layout: Layout
    commits: dict[int, list[Record]] = field(default_factory=dict)
    marks: dict[int, list[Any]] = field(default_factory=dict)
    log: list[Record] = field(default_factory=list)
    retired: set[int] = field(default_factory=set)

    def segment(self, number: int) -> Segment:
        """Looks through a segment; collects what it holds."""
        address, size = self.layout.segments[number]
        block = self.layout.block(self.data, number)
        clean = clean_record(block, number, size, self.layout.grain)
        found = list(records(block, number, self.layout.grain))
        for record in found:
            self.collect(record)
        state = "dead"
        if clean is None:
            state = "lost" if block.strip(b"\xff") else "blank"
        elif is_clean(block, self.layout.grain):
            state = "clean"
        elif found and found[0].kind == STORE_KIND_LOG:
            state = "ring"
        return Segment(number, address, size, state, None if clean is None else clean.erase_count)

    def collect(self, record: Record) -> None:
        if record.kind == STORE_KIND_COMMIT and record.head.frame_id:
            self.commits.setdefault(record.head.frame_id, []).append(record)
        elif record.kind == STORE_KIND_LOG:
            self.log.append(record)
        elif record.kind == STORE_KIND_MARKS:
            for mark in record.parts():
                if mark.type_place >> 14 == STORE_MARK_RETIRED:
                    self.retired.add(mark.segment)
                else:
                    self.marks.setdefault(mark.frame_id, []).append(mark)

    def is_marked(self, commit: Record, kind: int) -> bool:
        return any(
            mark.type_place >> 14 == kind and not newer(commit.head.generation, mark.generation)
            for mark in self.marks.get(commit.head.frame_id, ())
        )

    def chunk(self, commit: Record, extent: Any, offset: int) -> bytes | None:
        """The bytes that an extent names, if all about them is right."""
        if extent.segment >= len(self.layout.segments):
            return None
        block = self.layout.block(self.data, extent.segment)
        chunk = record_at(block, extent.segment, extent.place, self.layout.grain)
        if chunk is None or chunk.kind != STORE_KIND_CHUNK:
            return None
        h = chunk.head
        if (h.frame_id, h.offset, h.length) != (commit.head.frame_id, offset, extent.length):
            return None
        return chunk.body if zlib.crc32(chunk.body) == h.payload_crc32 else None

    def frame(self, commits: list[Record], segments: list[Segment]) -> tuple[Frame, Record] | None:
        """The newest whole copy of a frame; else what is known of the newest; None if it is gone."""
        damaged: tuple[Frame, Record] | None = None
        first = True  # the store sees the newest that it can reach, and no other
        ordered = sorted(
            commits, key=lambda c: (c.head.generation - commits[0].head.generation + (1 << 31)) % (1 << 32)
        )
        for commit in reversed(ordered):
            if self.is_marked(commit, STORE_MARK_DELETED):
                continue
            extents = commit.parts()
            laps = [self.lap(segments, e) for e in extents]
            if any(lap is False for lap in laps) or sum(e.length for e in extents) != commit.head.size:
                continue  # one of its segments was erased since
            reachable = all(laps) and self.state(segments, commit.segment) == "dead"
            # what a retired segment holds was moved or forgotten before the erase that failed
            reachable = reachable and self.retired.isdisjoint([commit.segment, *(e.segment for e in extents)])
            pieces, offset = [], 0
            for extent in extents:
                pieces.append(self.chunk(commit, extent, offset))
                offset += extent.length
            picture = b"".join(piece for piece in pieces if piece is not None)
            whole = None not in pieces and zlib.crc32(picture) == commit.head.picture_crc32
            if whole:
                status = "whole" if reachable and first else "recovered"
                return self.describe(commit, status, len(picture), picture), commit
            if damaged is None and (reachable or picture):
                damaged = self.describe(commit, "damaged", len(picture), b""), commit
            first = first and not reachable
        return damaged

    def lap(self, segments: list[Segment], extent: Any) -> bool | None:
        """Whether a segment is in the lap that an extent names; None if nothing tells."""
        if extent.segment >= self.layout.count:
            return False
        if extent.segment >= len(segments):
            return None
        wear = segments[extent.segment].wear
        return None if wear is None else wear & 0xFFFF == extent.lap

    def state(self, segments: list[Segment], number: int) -> str:
        return segments[number].state

    def describe(self, commit: Record, status: str, verified: int, picture: bytes) -> Frame:
        h = commit.head
        return Frame(
            frame_id=h.frame_id,
            status=status,
            value=h.value,
            class_index=h.class_index,
            score=h.score,
            size=h.size,
            time=h.time,
            sent=bool(h.flags & 1) or self.is_marked(commit, STORE_MARK_SENT),
            tag=h.tag,
            box=(h.box.x, h.box.y, h.box.width, h.box.height),
            model_id=h.model_id,
            generation=h.generation,
            segments=tuple(dict.fromkeys([*(e.segment for e in commit.parts()), commit.segment])),
            verified=verified,
            picture=picture,
        )


def read(data: bytes, layout: Layout) -> Contents:
    """Everything that the dump `data` holds."""
    reader = _Reader(data, layout)
    segments = [reader.segment(number) for number in range(len(layout.segments))]
    frames = []
    for _, commits in sorted(reader.commits.items()):
        found = reader.frame(commits, segments)
        if found is None:
            continue
        frame, commit = found
        frames.append(frame)
        if frame.status == "whole":
            _account(reader, segments, commit)
    for segment in segments:
        if segment.live:
            segment.state = "live"
        elif segment.number in reader.retired and segment.state in ("dead", "blank", "lost"):
            segment.state = "retired"
    return Contents(layout, tuple(frames), _log(reader.log), tuple(segments))


def _account(reader: _Reader, segments: list[Segment], commit: Record) -> None:
    grain = reader.layout.grain
    segments[commit.segment].live += commit.grains * grain
    for extent in commit.parts():
        bytes_ = formats.StoreChunk.sizeof() + extent.length
        segments[extent.segment].live += -(-bytes_ // grain) * grain


def _log(found: list[Record]) -> tuple[LogRecord, ...]:
    """The ring, oldest first. Its newest record says up to where it was sent."""
    if not found:
        return ()
    base = found[0].head.number
    by_age = {(r.head.number - base + (1 << 31)) % (1 << 32): r for r in found}
    ordered = [by_age[age] for age in sorted(by_age)]
    sent_below = ordered[-1].head.sent_below
    return tuple(LogRecord(r.head.number, newer(sent_below, r.head.number), r.body) for r in ordered)
