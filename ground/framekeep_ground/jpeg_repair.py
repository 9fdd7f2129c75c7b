"""A JPEG with holes to one that opens: what is known in place, the rest grey.

A picture with restart markers is a row of intervals that decode alone. Those
that are complete are kept; of one whose end is missing its whole MCUs are, and
mid-grey stands for all else. Restart markers count modulo 8, so after a hole
the position follows from the marker, the hole's length and, from the end
backwards, the total. Without restart markers the picture is one interval.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from framekeep_ground.jpeg_huffman import Block, Codes, grey, read_tables, to_bytes, whole_mcus

Run = tuple[int, bytes]  # offset and bytes

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SOF0, _DHT, _DRI, _SOS = 0xC0, 0xC4, 0xDD, 0xDA
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_MCUS_MAX = 1 << 20  # more than any picture here has


@dataclass(frozen=True, slots=True)
class Header:
    """What a baseline JPEG says before its first coded byte."""

    data: bytes  # from SOI up to and with the SOS segment
    width: int
    height: int
    interval: int  # MCUs between restart markers; all of them where there are none
    mcus: int
    blocks: tuple[Block, ...]  # of one MCU
    mcu_width: int  # pixels
    mcu_height: int

    @property
    def intervals(self) -> int:
        """How many there are; the last may be shorter."""
        return -(-self.mcus // self.interval)

    def mcus_of(self, index: int) -> int:
        """MCUs of one interval."""
        return min(self.interval, self.mcus - index * self.interval)


Area = tuple[int, int, int, int]  # left, upper, width, height in pixels


@dataclass(frozen=True, slots=True)
class Repaired:
    """A picture that opens, and how much of it is real."""

    data: bytes
    shown: int  # MCUs that came down
    total: int
    borrowed: bool  # the header is that of another picture
    width: int
    height: int
    grey: tuple[Area, ...]  # what did not come down


def parse_header(data: bytes) -> Header | None:
    """The header that `data` starts with; None if it is not all there or not baseline."""
    if data[:2] != SOI:
        return None
    at, interval = 2, 0
    frame = b""
    codes: dict[int, Codes] = {}
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
            codes |= read_tables(body)
        at += 2 + size
        if kind == _SOS:
            return _header(data[:at], frame, body, codes, interval)
    return None


def _header(data: bytes, frame: bytes, scan: bytes, codes: dict[int, Codes], interval: int) -> Header | None:
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5] or not scan or len(scan) != 4 + 2 * scan[0]:
        return None
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    sampling = {frame[n]: (frame[n + 1] >> 4, frame[n + 1] & 15) for n in range(6, len(frame), 3)}
    components = [(scan[n], scan[n + 1] >> 4, scan[n + 1] & 15) for n in range(1, 1 + 2 * scan[0], 2)]
    if frame[0] != 8 or not width or not height or not components or len(components) != len(sampling):
        return None  # a scan of some components only is not baseline as it is made here
    across = down = 1
    if len(components) > 1:
        across, down = (max(factors) for factors in zip(*sampling.values(), strict=True))
    blocks: list[Block] = []
    for number, (component, dc, ac) in enumerate(components):
        h, v = sampling.get(component, (0, 0)) if len(components) > 1 else (1, 1)
        if dc not in codes or 0x10 | ac not in codes or not 1 <= h * v <= 16:
            return None
        blocks += [Block(number, codes[dc], codes[0x10 | ac])] * (h * v)
    mcus = -(-width // (8 * across)) * -(-height // (8 * down))
    if mcus > _MCUS_MAX or grey(blocks, 1, ()) is None:
        return None
    return Header(data, width, height, min(interval or mcus, mcus), mcus, tuple(blocks), 8 * across, 8 * down)


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
    whole, begun = _place(scan, start, size, header.intervals)
    out, shown = bytearray(header.data), 0
    lost: list[tuple[int, int]] = []
    for index in range(header.intervals):
        count = header.mcus_of(index)
        if index in whole:
            coded, kept = whole[index], count
        else:
            coded, kept = _filled(header, begun.get(index, b""), count)
        out += coded + (EOI if index == header.intervals - 1 else bytes((0xFF, 0xD0 + index % 8)))
        shown += kept
        lost.append((index * header.interval + kept, count - kept))
    grey = tuple(area for first, count in lost for area in _areas(header, first, count))
    return Repaired(bytes(out), shown, header.mcus, own is None, header.width, header.height, grey)


def _areas(header: Header, first: int, count: int) -> Iterator[Area]:
    """Where `count` MCUs from `first` on lie in the picture, a row at a time."""
    across = -(-header.width // header.mcu_width)
    while count > 0:
        row, column = divmod(first, across)
        here = min(count, across - column)
        left, upper = column * header.mcu_width, row * header.mcu_height
        right = min(left + here * header.mcu_width, header.width)
        lower = min(upper + header.mcu_height, header.height)
        yield left, upper, right - left, lower - upper
        first, count = first + here, count - here


def _filled(header: Header, begun: bytes, count: int) -> tuple[bytes, int]:
    """An interval of `count` MCUs: those that are whole in what came of it, then grey."""
    bits, kept, levels = whole_mcus(begun, header.blocks, count)
    rest = grey(header.blocks, count - kept, levels)
    if rest is None:  # the tables have no code for the step back to grey
        bits, kept, rest = "", 0, grey(header.blocks, count, ())
    return to_bytes(bits + (rest or "")), kept


def _agrees(header: Header, known: Sequence[Run]) -> bool:
    size = len(header.data)
    return all(
        header.data[at : at + len(data)] == data[: max(0, size - at)] for at, data in known if at < size
    )


@dataclass(slots=True)
class _Stretch:
    """Complete intervals that follow each other, found in one run of known bytes."""

    offset: int
    end: int
    modulo: int  # index of the first, modulo 8
    intervals: list[bytes]
    begun: bytes = b""  # of the interval that follows, as far as it is known
    first: bool = False  # begins with interval 0
    last: bool = False  # ends with the last interval
    index: int = 0


def _place(
    scan: Sequence[Run], start: int, size: int, total: int
) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Index to bytes of every interval that is complete, and of those that are begun."""
    stretches = [s for at, data in scan for s in _stretches(at, data, start, size)]
    lengths = [len(interval) + 2 for s in stretches for interval in s.intervals]
    mean = sum(lengths) / len(lengths) if lengths else max(1, size - start) / total
    index, end, widest = 0, start, (0, 0)  # of the stretch before; widest hole and who follows it
    for number, stretch in enumerate(stretches):
        hole = stretch.offset - end
        # it begins behind a marker that ended an interval which is not among those before
        guess = index + max(1, round(hole / mean))
        step = (stretch.modulo - guess + 4) % 8 - 4
        stretch.index = guess + step if guess + step > index else guess + step + 8
        if stretch.first:
            stretch.index = 0
        widest = max(widest, (hole, number))
        index, end = stretch.index + len(stretch.intervals), stretch.end
    # the end says where the last one belongs; an error is most likely in the widest hole
    if stretches and stretches[-1].last:
        for stretch in stretches[widest[1] :]:
            stretch.index += total - index
    whole: dict[int, bytes] = {}
    begun: dict[int, bytes] = {}
    behind = 0
    for stretch in stretches:
        after = stretch.index + len(stretch.intervals)
        if stretch.index < behind or after > total:
            continue
        whole |= dict(enumerate(stretch.intervals, stretch.index))
        begun[after] = stretch.begun
        behind = after
    return whole, begun


def _stretches(at: int, data: bytes, start: int, size: int) -> list[_Stretch]:
    marks = [(m.start(), m.end(), data[m.start() + 1] & 7) for m in _RESTART.finditer(data)]
    if at == start:
        marks.insert(0, (0, 0, 7))  # the scan's start: what follows is interval 0
    if not marks:
        return []  # nothing says which interval this is of
    closed = at + len(data) == size and data.endswith(EOI)
    ends = [*marks[1:], (len(data) - len(EOI) if closed else len(data), len(data), -1)]
    found: list[_Stretch] = []
    joins = False  # what comes next follows the last stretch found
    for (_, begin, before), (stop, after_stop, after) in zip(marks, ends, strict=True):
        modulo = (before + 1) & 7
        if after not in (modulo, -1):
            joins = False
            continue  # not the marker that must end this interval
        if not joins:
            found.append(_Stretch(at + begin, at + begin, modulo, [], first=at == start and begin == 0))
        joins = True
        if after == -1 and not closed:
            found[-1].begun = data[begin:].rstrip(b"\xff")
        else:
            found[-1].intervals.append(data[begin:stop])
            found[-1].last = after == -1
        found[-1].end = at + after_stop
    return found
