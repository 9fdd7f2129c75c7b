"""The records of one segment of a dump: found, verified, taken apart."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from framekeep_ground import formats
from framekeep_ground.flash_layout import seed
from framekeep_ground.formats import (
    STORE_CRC,
    STORE_KIND_CHUNK,
    STORE_KIND_COMMIT,
    STORE_KIND_LOG,
    STORE_KIND_MARKS,
    STORE_RECORD_MIN,
    StoreChunk,
    StoreClean,
    StoreCommit,
    StoreExtent,
    StoreLog,
    StoreMark,
    StoreMarks,
)

_BLANK = b"\xff" * STORE_RECORD_MIN
# kind: the fixed part, the field that counts what follows, what it counts, the most of it
_KINDS = {
    STORE_KIND_COMMIT: (StoreCommit, "extent_count", StoreExtent.sizeof(), formats.STORE_EXTENTS_MAX),
    STORE_KIND_MARKS: (StoreMarks, "count", StoreMark.sizeof(), formats.STORE_MARKS_MAX),
    STORE_KIND_LOG: (StoreLog, "size", 1, formats.STORE_LOG_MAX),
}
_IS_KIND = np.zeros(256, bool)
_IS_KIND[[STORE_KIND_CHUNK, *_KINDS]] = True


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose CRC is right. A chunk's payload has a CRC of its own, not checked here."""

    segment: int
    place: int  # grains
    kind: int
    head: Any  # the fixed part
    body: bytes  # extents, marks, or the bytes of a chunk or ring record
    grains: int

    def head_size(self) -> int:
        """Bytes of the fixed part."""
        struct = StoreChunk if self.kind == STORE_KIND_CHUNK else _KINDS[self.kind][0]
        return int(struct.sizeof())

    def parts(self) -> list[Any]:
        """Extents of a commit, marks of a marks record."""
        part = StoreExtent if self.kind == STORE_KIND_COMMIT else StoreMark
        size = part.sizeof()
        return [part.parse(self.body[at : at + size]) for at in range(0, len(self.body), size)]


def record_at(block: bytes, segment: int, place: int, grain: int) -> Record | None:
    """The valid record at a place of a segment, or None."""
    at = place * grain
    room = len(block) - at
    if room < STORE_RECORD_MIN:
        return None
    kind = block[at]
    if kind == STORE_KIND_CHUNK:
        fixed = StoreChunk.sizeof()
        length = int.from_bytes(block[at + 2 : at + 4], "big")
        if not 1 <= length <= formats.STORE_CHUNK_MAX or fixed + length > room:
            return None
        end, total = at + fixed, fixed + length
        if not _sealed(block, at, end, segment):
            return None
        return Record(
            *(segment, place, kind, StoreChunk.parse(block[at:end])),
            *(block[end : end + length], -(-total // grain)),
        )
    if kind not in _KINDS:
        return None
    struct, counter, each, most = _KINDS[kind]
    fixed, count = struct.sizeof(), block[at + 1]
    total = fixed + count * each + STORE_CRC
    if not 1 <= count <= most or total > room or not _sealed(block, at, at + total, segment):
        return None
    head = struct.parse(block[at : at + fixed])
    assert head[counter] == count
    return Record(
        *(segment, place, kind, head, block[at + fixed : at + total - STORE_CRC]), -(-total // grain)
    )


def records(block: bytes, segment: int, grain: int) -> Iterator[Record]:
    """Every valid record after the clean record; what is damaged is passed over, grain by grain."""
    place, end = -(-StoreClean.sizeof() // grain), len(block) // grain
    lost = False
    likely: list[int] = []
    while place < end:
        record = record_at(block, segment, place, grain)
        if record is not None:
            yield record
            place += record.grains
            continue
        at = place * grain
        if not lost and (len(block) - at < STORE_RECORD_MIN or block[at : at + STORE_RECORD_MIN] == _BLANK):
            return
        if not lost:
            kinds = np.frombuffer(block, np.uint8)[: end * grain : grain]
            likely = np.flatnonzero(_IS_KIND[kinds]).tolist()[::-1]
        lost = True
        while likely and likely[-1] <= place:
            likely.pop()
        if not likely:
            return
        place = likely[-1]


def is_clean(block: bytes, grain: int) -> bool:
    """Whether nothing was written after the clean record."""
    at = -(-StoreClean.sizeof() // grain) * grain
    return block[at : at + STORE_RECORD_MIN] == _BLANK


def _sealed(block: bytes, start: int, end: int, segment: int) -> bool:
    crc = int.from_bytes(block[end - STORE_CRC : end], "big")
    return zlib.crc32(block[start : end - STORE_CRC], seed(segment)) == crc
