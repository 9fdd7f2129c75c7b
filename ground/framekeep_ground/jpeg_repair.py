"""A JPEG with holes to one that opens: what is known in place, the rest grey.

A picture with restart markers is a row of intervals that decode alone. Those
that are complete are kept; each missing one is replaced by an interval of
mid-grey. Restart markers count modulo 8, so after a hole the position follows
from the marker, the hole's length and, from the end backwards, the total.
Without restart markers the picture is kept up to the first hole.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Run = tuple[int, bytes]  # offset and bytes

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SOF0, _DHT, _DRI, _SOS = 0xC0, 0xC4, 0xDD, 0xDA
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_GREY_MAX = 1 << 20  # MCUs in one interval of grey: more than any picture here has


@dataclass(frozen=True, slots=True)
class Header:
    """What a baseline JPEG says before its first coded byte."""

    data: bytes  # from SOI up to and with the SOS segment
    width: int
    height: int
    interval: int  # MCUs between restart markers, 0 = none
    mcus: int
    grey_mcu: str  # the bits of one MCU whose blocks are all mid-grey


@dataclass(frozen=True, slots=True)
class Repaired:
    """A picture that opens, and how much of it is real."""

    data: bytes
    shown: int  # intervals that came down
    total: int
    borrowed: bool  # the header is that of another picture


def parse_header(data: bytes) -> Header | None:
    """The header that `data` starts with; None if it is not all there or not baseline."""
    if data[:2] != SOI:
        return None
    at, interval = 2, 0
    frame = b""
    codes: dict[int, str] = {}
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + size]
        if size < 2 or len(body) != size - 2:
            return None
        if kind == _SOF0:
            frame = body
        elif 0xC1 <= kind <= 0xCF and kind not in (_DHT, 0xC8, 0xCC):
            return None  # not baseline
        elif kind == _DRI and len(body) == 2:
            interval = int.from_bytes(body, "big")
        elif kind == _DHT:
            codes |= _code_of_zero(body)
        at += 2 + size
        if kind == _SOS:
            return _header(data[:at], frame, body, codes, interval)
    return None


def _code_of_zero(tables: bytes) -> dict[int, str]:
    """Class-and-id of each Huffman table in a DHT segment: its code for the symbol 0.

    Symbol 0 is "no difference" among DC codes and "end of block" among AC codes.
    """
    found: dict[int, str] = {}
    at = 0
    while at + 17 <= len(tables):
        counts = tables[at + 1 : at + 17]
        symbols = tables[at + 17 : at + 17 + sum(counts)]
        code, used = 0, 0
        for length, count in enumerate(counts, start=1):
            where = symbols.find(0, used, used + count)
            if where >= 0:
                found[tables[at]] = f"{code + where - used:0{length}b}"
            code, used = (code + count) << 1, used + count
        at += 17 + sum(counts)
    return found


def _header(data: bytes, frame: bytes, scan: bytes, codes: dict[int, str], interval: int) -> Header | None:
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5] or not scan or len(scan) != 4 + 2 * scan[0]:
        return None
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    sampling = {frame[n]: (frame[n + 1] >> 4, frame[n + 1] & 15) for n in range(6, len(frame), 3)}
    components = [(scan[n], scan[n + 1] >> 4, scan[n + 1] & 15) for n in range(1, 1 + 2 * scan[0], 2)]
    if frame[0] != 8 or not width or not height or len(components) != len(sampling):
        return None  # a scan of some components only is not baseline as it is made here
    across = down = 1
    if len(components) > 1:
        across, down = (max(factors) for factors in zip(*sampling.values(), strict=True))
    bits = ""
    for component, dc, ac in components:
        h, v = sampling.get(component, (0, 0)) if len(components) > 1 else (1, 1)
        if dc not in codes or 0x10 | ac not in codes or not 1 <= h * v <= 16:
            return None
        bits += (codes[dc] + codes[0x10 | ac]) * (h * v)
    mcus = -(-width // (8 * across)) * -(-height // (8 * down))
    return Header(data, width, height, interval, mcus, bits) if mcus <= _GREY_MAX else None


def _grey(header: Header, mcus: int) -> bytes:
    """An interval of `mcus` mid-grey MCUs."""
    bits = header.grey_mcu * mcus
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def repair(known: Sequence[Run], size: int, lent: Iterable[Header] = ()) -> Repaired | None:
    """A picture from the runs of its bytes that are `known`; None where none can be made.

    `lent` are headers of other pictures, the likeliest first, for a picture
    whose own is damaged. One is used only if it agrees with every known byte.
    """
    own = parse_header(known[0][1]) if known and known[0][0] == 0 else None
    header = own or next((h for h in lent if _agrees(h, known)), None)
    if header is None:
        return None
    start = len(header.data)
    scan = [(max(at, start), data[max(0, start - at) :]) for at, data in known if at + len(data) > start]
    if header.interval:
        intervals = _place(scan, start, size, -(-header.mcus // header.interval))
        body = _joined(header, intervals)
        return Repaired(body, len(intervals), -(-header.mcus // header.interval), own is None)
    if not scan or scan[0][0] != start:
        return Repaired(header.data + _grey(header, header.mcus) + EOI, 0, 1, own is None)
    return Repaired(header.data + scan[0][1].rstrip(b"\xff") + EOI, 0, 1, own is None)


def _agrees(header: Header, known: Sequence[Run]) -> bool:
    size = len(header.data)
    return all(
        header.data[at : at + len(data)] == data[: max(0, size - at)] for at, data in known if at < size
    )


def _joined(header: Header, intervals: dict[int, bytes]) -> bytes:
    total = -(-header.mcus // header.interval)
    full = _grey(header, header.interval)
    rest = _grey(header, header.mcus - (total - 1) * header.interval)
    out = bytearray(header.data)
    for index in range(total):
        out += intervals.get(index, full if index < total - 1 else rest)
        out += EOI if index == total - 1 else bytes((0xFF, 0xD0 + index % 8))
    return bytes(out)


@dataclass(slots=True)
class _Stretch:
    """Complete intervals that follow each other, found in one run of known bytes."""

    offset: int
    end: int
    modulo: int  # index of the first, modulo 8
    intervals: list[bytes]
    first: bool = False  # begins with interval 0
    last: bool = False  # ends with the last interval
    index: int = 0


def _place(scan: Sequence[Run], start: int, size: int, total: int) -> dict[int, bytes]:
    """Index to bytes of every interval that is complete."""
    stretches = [s for at, data in scan for s in _stretches(at, data, start, size)]
    count = sum(len(s.intervals) for s in stretches)
    if not count:
        return {}
    mean = sum(len(i) + 2 for s in stretches for i in s.intervals) / count
    index, end, widest = 0, start, (0, 0)  # of the stretch before; widest hole and who follows it
    for number, stretch in enumerate(stretches):
        hole = stretch.offset - end
        guess = index + round(hole / mean)
        step = (stretch.modulo - guess + 4) % 8 - 4
        stretch.index = guess + step if guess + step >= index else guess + step + 8
        if stretch.first:
            stretch.index = 0
        widest = max(widest, (hole, number))
        index, end = stretch.index + len(stretch.intervals), stretch.end
    # the end says where the last one belongs; an error is most likely in the widest hole
    if stretches[-1].last:
        for stretch in stretches[widest[1] :]:
            stretch.index += total - index
    found: dict[int, bytes] = {}
    behind = 0
    for stretch in stretches:
        if stretch.index < behind or stretch.index + len(stretch.intervals) > total:
            continue
        found |= dict(enumerate(stretch.intervals, stretch.index))
        behind = stretch.index + len(stretch.intervals)
    return found


def _stretches(at: int, data: bytes, start: int, size: int) -> list[_Stretch]:
    marks = [(m.start(), m.end(), data[m.start() + 1] & 7) for m in _RESTART.finditer(data)]
    if at == start:
        marks.insert(0, (0, 0, 7))  # the scan's start: what follows is interval 0
    ends = marks[1:]
    closed = at + len(data) == size and data.endswith(EOI)
    if closed:
        ends = [*ends, (len(data) - len(EOI), len(data), -1)]
    found: list[_Stretch] = []
    for (_, begin, before), (stop, _, after) in zip(marks, ends, strict=False):
        expected = (before + 1) & 7
        if after not in (expected, -1):
            continue  # not the marker that must end this interval
        interval = data[begin:stop]
        if found and found[-1].end == at + begin and not found[-1].last:
            found[-1].intervals.append(interval)
        else:
            found.append(_Stretch(at + begin, 0, expected, [interval], first=at == start and begin == 0))
        found[-1].end = at + stop + 2
        found[-1].last = after == -1
    return found
