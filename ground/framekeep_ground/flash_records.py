"""The records of one segment of a dump: found, verified, taken apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from framekeep_ground import formats
from framekeep_ground.flash_layout import sealed
from framekeep_ground.formats import (
    STORE_KIND_CHUNK,
    STORE_KIND_COMMIT,
    STORE_KIND_FULL,
    STORE_KIND_LOG,
    STORE_KIND_MARKS,
    STORE_RECORD_MIN,
    StoreChunk,
    StoreExtent,
    StoreLog,
    StoreMark,
    StoreMarks,
)

CHUNKS = (STORE_KIND_CHUNK, STORE_KIND_FULL, STORE_KIND_COMMIT)  # what has a payload
_STRUCTS = {**dict.fromkeys(CHUNKS, StoreChunk), STORE_KIND_MARKS: StoreMarks, STORE_KIND_LOG: StoreLog}
_END: int = StoreChunk.sizeof()
_BLANK = b"\xff" * _END
_IS_KIND = np.zeros(256, bool)
_IS_KIND[list(_STRUCTS)] = True


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose CRC is right. A chunk's payload has a CRC of its own, not checked here."""

    segment: int
    place: int  # grains from the segment's start to the record's end
    kind: int
    head: Any  # the last 20 bytes
    body: bytes  # extents, marks, or a record of the ring
    grains: int

    def parts(self) -> list[Any]:
        """Extents of a commit, marks of a record of marks."""
        part = StoreExtent if self.kind == STORE_KIND_COMMIT else StoreMark
        size = part.sizeof()
        return [part.parse(self.body[at : at + size]) for at in range(0, len(self.body) - size + 1, size)]


def payload(block: bytes, record: Record, grain: int) -> bytes:
    """The bytes of a chunk, as they are."""
    at = record.head.place * grain
    return block[at : at + record.head.length]


def record_at(block: bytes, segment: int, place: int, grain: int) -> Record | None:
    """The valid record that ends at a place of a segment, or None."""
    end = place * grain
    if end < STORE_RECORD_MIN or end > len(block) or block[end - 1] not in _STRUCTS:
        return None
    kind = block[end - 1]
    head = _STRUCTS[kind].parse(block[end - _END : end])
    body = 0
    if kind == STORE_KIND_COMMIT:
        body = head.number * StoreExtent.sizeof()
    elif kind not in CHUNKS:
        body = head.size
    total = STORE_RECORD_MIN + body
    if total > end or body > formats.STORE_EXTENTS_MAX * StoreExtent.sizeof():
        return None
    whole = block[end - total : end]
    if not sealed(whole, segment):
        return None
    return Record(segment, place, kind, head, whole[formats.STORE_CRC : -_END], -(-total // grain))


def records(block: bytes, segment: int, grain: int, size: int = 0) -> Iterator[Record]:
    """Every valid record below the clean record; what is damaged is passed over, grain by grain.

    `size` is the segment's where the dump ends in it and the block is shorter.
    """
    place, floor = (size or len(block)) // grain - -(-STORE_RECORD_MIN // grain), 0
    lost = False
    likely: list[int] = []
    while (place - floor) * grain >= STORE_RECORD_MIN:
        record = record_at(block, segment, place, grain)
        if record is not None:
            if record.kind in CHUNKS:
                floor = max(floor, record.head.place + -(-record.head.length // grain))
            yield record
            place -= record.grains
            continue
        end = place * grain
        if not lost:
            if block[end - _END : end] == _BLANK:
                return
            kinds = np.frombuffer(block, np.uint8)[grain - 1 : end : grain]
            likely = (np.flatnonzero(_IS_KIND[kinds]) + 1).tolist()
        lost = True
        while likely and likely[-1] >= place:
            likely.pop()
        if not likely:
            return
        place = likely[-1]


def is_clean(block: bytes, size: int, grain: int) -> bool:
    """Whether nothing was written after the clean record."""
    first = size // grain - -(-STORE_RECORD_MIN // grain)
    return block[first * grain - _END : first * grain] == _BLANK
