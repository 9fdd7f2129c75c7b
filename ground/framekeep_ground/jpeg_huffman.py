"""The coded bits of a baseline JPEG: just enough to cut them after a whole MCU.

Values are not reconstructed. What matters is where each MCU ends and the DC
level it leaves behind, so that grey can follow.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

_PEEK = 16  # bits of the longest code
_NONE = -1


@dataclass(frozen=True)
class Codes:
    """One Huffman table, to read with and to write with."""

    by_symbol: dict[int, str]  # symbol -> bits
    by_bits: list[int] = field(repr=False)  # the next 16 bits -> symbol << 5 | length, or _NONE


@dataclass(frozen=True)
class Block:
    """One 8x8 block of an MCU: its component and the tables it is coded with."""

    component: int
    dc: Codes
    ac: Codes


def read_tables(segment: bytes) -> dict[int, Codes]:
    """The tables of a DHT segment by class and id: 0x00 and up DC, 0x10 and up AC. Empty if it is no such."""
    found: dict[int, Codes] = {}
    at = 0
    while at + 17 <= len(segment):
        counts = segment[at + 1 : at + 17]
        table = _table(counts, segment[at + 17 : at + 17 + sum(counts)])
        if table is None:
            return {}
        found[segment[at]] = table
        at += 17 + sum(counts)
    return found


@functools.lru_cache(maxsize=32)  # the pictures of a mission share theirs
def _table(counts: bytes, symbols: bytes) -> Codes | None:
    by_symbol: dict[int, str] = {}
    by_bits = [_NONE] * (1 << _PEEK)
    code = used = 0
    for length, count in enumerate(counts, start=1):
        for symbol in symbols[used : used + count]:
            if code >> length:
                return None  # more codes than bits can tell apart
            by_symbol[symbol] = f"{code:0{length}b}"
            first, span = code << (_PEEK - length), 1 << (_PEEK - length)
            by_bits[first : first + span] = [symbol << 5 | length] * span
            code += 1
        code, used = code << 1, used + count
    return Codes(by_symbol, by_bits)


def whole_mcus(coded: bytes, blocks: Sequence[Block], limit: int) -> tuple[str, int, list[int]]:
    """The bits of the complete MCUs that `coded`, the start of an interval, holds.

    At most `limit` of them. Returns the bits, their number and the DC level
    that each component was left at.
    """
    data = coded.replace(b"\xff\x00", b"\xff")
    levels = [0] * (1 + max(block.component for block in blocks))
    kept, kept_levels, position = 0, list(levels), 0
    end = 8 * len(data)
    padded = data + b"\0\0\0\0"
    for number in range(1, limit + 1):
        at = position
        for block in blocks:
            at = _skip_block(padded, at, end, block, levels)
            if at < 0:
                break
        if at < 0:
            break
        kept, kept_levels, position = number, list(levels), at
    bits = f"{int.from_bytes(data, 'big'):0{end}b}"[:position] if position else ""
    return bits, kept, kept_levels


def _peek(data: bytes, at: int) -> int:
    byte = at >> 3
    return (data[byte] << 16 | data[byte + 1] << 8 | data[byte + 2]) >> (8 - (at & 7)) & 0xFFFF


def _skip_block(data: bytes, at: int, end: int, block: Block, levels: list[int]) -> int:
    """Where the block at bit `at` ends; below 0 if it is not all there. Updates its component's level."""
    if at >= end or (entry := block.dc.by_bits[_peek(data, at)]) < 0:
        return -1
    at += entry & 31
    size = entry >> 5
    if size > 15 or at + size > end:
        return -1
    if size:
        value = _peek(data, at) >> (_PEEK - size)
        levels[block.component] += value if value >> (size - 1) else value + 1 - (1 << size)
        at += size
    coefficient = 1
    codes = block.ac.by_bits
    while coefficient < 64:
        if at >= end or (entry := codes[_peek(data, at)]) < 0:
            return -1
        at += entry & 31
        run, size = entry >> 9, entry >> 5 & 15
        if size == 0 and run != 15:
            break  # end of block
        coefficient += run + 1
        at += size
    return at if at <= end and coefficient <= 64 else -1


def grey(blocks: Sequence[Block], mcus: int, levels: Sequence[int]) -> str | None:
    """The bits of `mcus` mid-grey MCUs after DC `levels`; None if the tables cannot say it."""
    if mcus == 0:
        return ""
    left = dict(enumerate(levels))
    first = rest = ""
    for block in blocks:
        end_of_block = block.ac.by_symbol.get(0)
        still = block.dc.by_symbol.get(0)
        back = -left.pop(block.component, 0)
        size = abs(back).bit_length()
        code = block.dc.by_symbol.get(size)
        if end_of_block is None or still is None or code is None:
            return None
        number = back if back >= 0 else back + (1 << size) - 1
        first += code + (f"{number:0{size}b}" if size else "") + end_of_block
        rest += still + end_of_block
    return first + rest * (mcus - 1)


def to_bytes(bits: str) -> bytes:
    """Bits as an interval: filled up with ones, 0xFF bytes stuffed."""
    bits += "1" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
