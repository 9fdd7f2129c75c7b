"""What a dump holds: frames, decisions, and what each segment is good for.

It sees what the flight store sees when it mounts, and no more is called whole
than what the store would give out. Beside that it shows what the store has
given up but whose every CRC is still right (`recovered`), and what is damaged.
"""

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from construct import Container

from framekeep_ground.flash_layout import Layout, clean_record
from framekeep_ground.flash_records import CHUNKS, Record, is_clean, payload, record_at, records
from framekeep_ground.formats import (
    STORE_FLAG_SENT,
    STORE_KIND_COMMIT,
    STORE_KIND_LOG,
    STORE_KIND_MARKS,
    STORE_MARK_SENT,
    STORE_RECORD_MIN,
    StoreMeta,
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
    copy: int  # how often it was moved
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
    """Whether number `a` came after `b`: they may wrap."""
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
        found = list(records(block, number, self.layout.grain, size))
        for record in found:
            self.collect(record)
        state = "dead"
        if clean is None:
            state = "lost" if block.strip(b"\xff") else "blank"
        elif is_clean(block, size, self.layout.grain):
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
                if mark.frame_id == 0:
                    self.retired.add(mark.segment)
                else:
                    self.marks.setdefault(mark.frame_id, []).append(mark)

    def is_marked(self, segments: list[Segment], frame_id: int, sent: bool) -> bool:
        """Whether a mark that has not served yet says that the frame was sent, or deleted."""
        return any(
            bool(mark.segment & STORE_MARK_SENT) == sent
            and self.lap(segments, mark.segment & ~STORE_MARK_SENT, mark.lap)
            for mark in self.marks.get(frame_id, ())
        )

    def chunk(self, commit: Record, extent: Any, number: int) -> bytes | None:
        """The bytes that an extent names, if all about them is right."""
        if extent.segment >= len(self.layout.segments):
            return None
        block = self.layout.block(self.data, extent.segment)
        chunk = record_at(block, extent.segment, extent.place, self.layout.grain)
        if chunk is None or chunk.kind not in CHUNKS:
            return None
        h = chunk.head
        if (h.frame_id, h.number, h.length) != (commit.head.frame_id, number, extent.length):
            return None
        piece = payload(block, chunk, self.layout.grain)
        return piece if zlib.crc32(piece) == h.payload_crc32 else None

    def extents(self, segments: list[Segment], commit: Record) -> list[Any]:
        """Where the chunks lie, the one that the commit itself records included."""
        listed = commit.parts()
        if commit.head.length:
            lap = (segments[commit.segment].wear or 0) & 0xFFFF
            own = {"segment": commit.segment, "place": commit.place, "lap": lap}
            listed.append(Container(**own, length=commit.head.length))
        return listed

    def frame(self, commits: list[Record], segments: list[Segment]) -> tuple[Frame, Record] | None:
        """The newest whole copy of a frame; else what is known of the newest; None if it is gone."""
        if self.is_marked(segments, commits[0].head.frame_id, sent=False):
            return None
        damaged: tuple[Frame, Record] | None = None
        first = True  # the store sees the newest that it can reach, and no other
        base = commits[0].head.copy_number
        ordered = sorted(commits, key=lambda c: (c.head.copy_number - base + (1 << 15)) % (1 << 16))
        for commit in reversed(ordered):
            extents = self.extents(segments, commit)
            laps = [self.lap(segments, e.segment, e.lap) for e in extents]
            if any(lap is False for lap in laps):
                continue  # one of its segments was erased since
            reachable = all(laps) and self.state(segments, commit.segment) == "dead"
            pieces = [self.chunk(commit, extent, number) for number, extent in enumerate(extents)]
            stream = b"".join(piece for piece in pieces if piece is not None)
            meta, picture = stream[: StoreMeta.sizeof()], stream[StoreMeta.sizeof() :]
            whole = None not in pieces and len(meta) == StoreMeta.sizeof()
            whole = whole and zlib.crc32(picture) == StoreMeta.parse(meta).picture_crc32
            if whole:
                status = "whole" if reachable and first else "recovered"
                return self.describe(segments, commit, status, meta, picture), commit
            if damaged is None and (reachable or picture):
                if pieces[0] is None:
                    meta, picture = b"", stream
                damaged = self.describe(segments, commit, "damaged", meta, picture), commit
            first = first and not reachable
        return damaged

    def lap(self, segments: list[Segment], segment: int, lap: int) -> bool | None:
        """Whether a segment is in that lap; None if nothing tells."""
        if segment >= self.layout.count or segment in self.retired:
            return False
        if segment >= len(segments):
            return None
        wear = segments[segment].wear
        return None if wear is None else wear & 0xFFFF == lap

    def state(self, segments: list[Segment], number: int) -> str:
        return segments[number].state

    def describe(
        self, segments: list[Segment], commit: Record, status: str, meta: bytes, picture: bytes
    ) -> Frame:
        """A frame; without its meta, which lies before the picture, some of it is not known."""
        h, extents = commit.head, self.extents(segments, commit)
        m = StoreMeta.parse(meta.ljust(StoreMeta.sizeof(), b"\0"))
        sent = bool(h.flags & STORE_FLAG_SENT) or self.is_marked(segments, h.frame_id, sent=True)
        return Frame(
            frame_id=h.frame_id,
            status=status,
            value=h.value,
            class_index=h.class_index,
            score=m.score,
            size=sum(e.length for e in extents) - StoreMeta.sizeof(),
            time=m.time,
            sent=sent,
            tag=m.tag,
            box=(m.box.x, m.box.y, m.box.width, m.box.height),
            model_id=m.model_id,
            copy=h.copy_number,
            segments=tuple(dict.fromkeys([*(e.segment for e in extents), commit.segment])),
            verified=len(picture),
            picture=b"" if status == "damaged" else picture,
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
        elif segment.number in reader.retired:
            segment.state = "retired"
    return Contents(layout, tuple(frames), _log(reader.log), tuple(segments))


def _account(reader: _Reader, segments: list[Segment], commit: Record) -> None:
    def grains(size: int) -> int:
        return -(-size // reader.layout.grain) * reader.layout.grain

    # as the flight store counts: the record of each chunk, then what the commit has beside that
    for extent in reader.extents(segments, commit):
        segments[extent.segment].live += grains(STORE_RECORD_MIN) + grains(extent.length)
    beside = 0 if commit.head.length else STORE_RECORD_MIN
    segments[commit.segment].live += grains(beside + len(commit.body))


def _log(found: list[Record]) -> tuple[LogRecord, ...]:
    """The ring, oldest first. Its newest record says up to where it was sent."""
    if not found:
        return ()
    base = found[0].head.number
    by_age = {(r.head.number - base + (1 << 31)) % (1 << 32): r for r in found}
    ordered = [by_age[age] for age in sorted(by_age)]
    sent_below = ordered[-1].head.sent_below
    return tuple(LogRecord(r.head.number, newer(sent_below, r.head.number), r.body) for r in ordered)
