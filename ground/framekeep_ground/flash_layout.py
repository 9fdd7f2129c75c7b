"""Where the segments of a dump lie: as told, or as its own clean records say."""

import itertools
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framekeep_ground.errors import UserError
from framekeep_ground.formats import (
    STORE_CRC,
    STORE_KIND_CLEAN,
    STORE_MAGIC,
    STORE_PLACES_MAX,
    STORE_RECORD_MIN,
    STORE_VERSION,
    StoreClean,
)

SEGMENT_MIN = 1024  # bytes
SEGMENTS_MIN, SEGMENTS_MAX = 8, 0x7FFF
GRAIN_MIN, GRAIN_MAX = 8, 256
TRIED_MAX = 16  # records whose number is searched for

Bank = tuple[int, int]  # bytes of a segment, and how many of that size follow each other; 0 = the rest

# Name: banks in order of address, program unit. The mixed one is known by its total.
CHIPS: dict[str, tuple[tuple[Bank, ...], int]] = {
    "nor": (((4096, 0),), 1),
    "nor-page": (((4096, 0),), 256),
    "l4": (((2048, 0),), 8),
    "u5": (((8192, 0),), 16),
    "h7": (((131072, 0),), 32),
    "f4": (((16384, 4), (65536, 1), (131072, 7)), 1),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The segments that a dump holds at least in part, and the alignment of their records."""

    segments: tuple[tuple[int, int], ...]  # address and size, by number
    count: int  # of the region; the dump may end earlier
    grain: int  # bytes

    def block(self, data: bytes, number: int) -> bytes:
        """The bytes of a segment; fewer than its size where the dump ends in it."""
        address, size = self.segments[number]
        return data[address : address + size]


def seed(number: int) -> int:
    """What the CRC of each record of that segment begins with."""
    return zlib.crc32(number.to_bytes(2, "big"))


def grain_of(unit: int, largest: int) -> int:
    """The grain of a chip: its program unit, but enough for places of 14 bits."""
    grain = max(unit, GRAIN_MIN)
    while largest // grain > STORE_PLACES_MAX:
        grain *= 2
    return grain


def sealed(record: bytes, number: int) -> bool:
    """Whether a whole record, from its CRC to its last byte, is valid in that segment."""
    return int.from_bytes(record[:STORE_CRC], "big") == zlib.crc32(record[STORE_CRC:], seed(number))


def clean_record(block: bytes, number: int, size: int, grain: int | None = None) -> Any:
    """The clean record at the end of a segment, or None if there is no valid one."""
    tail = block[size - STORE_RECORD_MIN : size]
    if len(tail) < STORE_RECORD_MIN or tail[-4:] != _END:
        return None
    clean = StoreClean.parse(tail[STORE_CRC:])
    if not sealed(tail, number) or 1 << clean.size_log2 % 32 != size:
        return None
    return clean if grain is None or 1 << clean.grain_log2 % 32 == grain else None


_END = STORE_MAGIC.to_bytes(2, "big") + bytes([STORE_VERSION, STORE_KIND_CLEAN])


def find(data: bytes, banks: Sequence[Bank] = (), unit: int | None = None) -> Layout | None:
    """The layout under which most clean records are valid, of those that are allowed; None without any."""
    votes: Counter[tuple[tuple[Bank, ...], int, int]] = Counter()
    for address, size, clean in _candidates(data):
        grain = 1 << clean.grain_log2
        for its_banks in [tuple(banks)] if banks else [((size, 0),), CHIPS["f4"][0]]:
            if unit is not None and grain != grain_of(unit, max(b[0] for b in its_banks)):
                continue
            number = _number_at(its_banks, address, size)
            if number is None or number >= clean.segment_count:
                continue
            if clean_record(data[address : address + size], number, size):
                votes[its_banks, grain, clean.segment_count] += 1
    if not votes:
        return None
    (best, grain, count), _ = max(votes.items(), key=lambda item: item[1])
    segments = itertools.takewhile(lambda s: s[0] < len(data), itertools.islice(_walk(best), count))
    return Layout(tuple(segments), count, grain)


def start_of(data: bytes) -> int | None:
    """Where the region of one of the first clean records starts, in a dump of more than the region."""
    for address, size, clean in itertools.islice(_candidates(data), TRIED_MAX):
        for number in range(min(address // size + 1, clean.segment_count)):
            if clean_record(data[address : address + size], number, size):
                return int(address - number * size)
    return None


def other_version(data: bytes) -> int | None:
    """The version that most records of another format's version name."""
    found = _pieces(data)[:, -4:]
    at_all = (found[:, 0] == _END[0]) & (found[:, 1] == _END[1]) & (found[:, 3] == _END[3])
    versions = Counter(found[at_all & (found[:, 2] != STORE_VERSION), 2].tolist())
    return int(versions.most_common(1)[0][0]) if versions else None


def check(segment_size: int, unit: int | None) -> None:
    """UserError for what no chip has."""
    if segment_size < SEGMENT_MIN or segment_size & (segment_size - 1):
        raise UserError(f"--segment-size {segment_size}: must be a power of two, {SEGMENT_MIN} or more")
    if unit is not None and (not 1 <= unit <= GRAIN_MAX or unit & (unit - 1)):
        raise UserError(f"--program-unit {unit}: must be a power of two, 1..{GRAIN_MAX}")


def _pieces(data: bytes) -> Any:
    """The data in pieces, such that segments begin and end with one."""
    whole = len(data) // SEGMENT_MIN * SEGMENT_MIN
    return np.frombuffer(data, np.uint8, whole).reshape(-1, SEGMENT_MIN)


def _candidates(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Address, segment size and record of what looks like a clean record."""
    hits = (_pieces(data)[:, -4:] == np.frombuffer(_END, np.uint8)).all(axis=1)
    for index in np.flatnonzero(hits).tolist():
        end = (index + 1) * SEGMENT_MIN
        clean = StoreClean.parse(data[end - StoreClean.sizeof() : end])
        size, grain = 1 << clean.size_log2 % 32, 1 << clean.grain_log2 % 32
        if (
            SEGMENT_MIN <= size <= end
            and GRAIN_MIN <= grain <= GRAIN_MAX
            and size // grain <= STORE_PLACES_MAX
            and SEGMENTS_MIN <= clean.segment_count <= SEGMENTS_MAX
        ):
            yield end - size, size, clean


def _walk(banks: Sequence[Bank]) -> Iterator[tuple[int, int]]:
    address = 0
    for size, count in banks:
        for _ in itertools.repeat(0) if count == 0 else range(count):
            yield address, size
            address += size


def _number_at(banks: Sequence[Bank], address: int, size: int) -> int | None:
    """The number of the segment of that size at that address, if there is one."""
    start = first = 0
    for its_size, count in banks:
        index, rest = divmod(address - start, its_size)
        if size == its_size and rest == 0 and index >= 0 and (count == 0 or index < count):
            return first + index if first + index < SEGMENTS_MAX else None
        start, first = start + its_size * count, first + count
    return None
