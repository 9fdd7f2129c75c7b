"""A JPEG file taken apart by ITU-T T.81, for tests."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class JpegFile:
    """What a baseline file says of itself, and its coded data between restart markers."""

    segments: dict[int, list[bytes]] = field(default_factory=dict)  # marker -> contents
    intervals: list[bytes] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)  # 0..7, in the order met
    head: bytes = b""  # all up to and with SOS

    @property
    def size(self) -> tuple[int, int]:
        frame = self.segments[0xC0][0]
        return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")

    @property
    def restart_interval(self) -> int:
        return int.from_bytes(self.segments[0xDD][0], "big") if 0xDD in self.segments else 0

    @property
    def quantisation(self) -> dict[int, bytes]:
        return split(self.segments[0xDB], lambda _: 64)

    @property
    def huffman(self) -> dict[int, bytes]:
        return split(self.segments[0xC4], lambda table: 16 + sum(table[:16]))


def split(segments: list[bytes], size: Callable[[bytes], int]) -> dict[int, bytes]:
    """The tables of DQT or DHT segments, which may hold several each."""
    tables, rest = {}, b"".join(segments)
    while rest:
        end = 1 + size(rest[1:])
        tables[rest[0]], rest = rest[1:end], rest[end:]
    return tables


def parse(data: bytes) -> JpegFile:
    """Take `data` apart; every byte must belong to something."""
    out = JpegFile()
    assert data[:2] == b"\xff\xd8"
    at = 2
    while True:
        assert data[at] == 0xFF
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        out.segments.setdefault(marker, []).append(data[at + 4 : at + 2 + length])
        at += 2 + length
        if marker == 0xDA:
            break
    out.head = data[:at]
    start = at
    while True:
        at = data.index(0xFF, at)
        marker = data[at + 1]
        if marker == 0:
            at += 2
            continue
        out.intervals.append(data[start:at])
        at = start = at + 2
        if marker == 0xD9:
            break
        assert 0xD0 <= marker <= 0xD7
        out.restarts.append(marker & 7)
    assert at == len(data)
    return out


def join(file: JpegFile) -> bytes:
    """The bytes that `parse` would take apart to `file`."""
    out = file.head + file.intervals[0]
    for number, interval in zip(file.restarts, file.intervals[1:], strict=True):
        out += bytes((0xFF, 0xD0 + number)) + interval
    return out + b"\xff\xd9"
