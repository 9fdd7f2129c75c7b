"""Chunks to pictures, in any order, any number of times."""

import itertools
import zlib
from dataclasses import dataclass, field

from framekeep_ground.packets import Chunk
from framekeep_ground.sequence import uncovered

TRIES_MAX = 64  # combinations tried where one place of a picture came with different bytes


@dataclass(slots=True)
class Picture:
    """One picture as far as it is known. Told apart by frame id and size."""

    frame_id: int
    size: int
    time: int = 0
    crc32: set[int] = field(default_factory=set)  # announced; one, unless damage went unseen
    parts: dict[int, list[bytes]] = field(default_factory=dict)  # offset -> versions; none begins another
    received: int = 0  # bytes of parts, of each offset the longest
    duplicates: int = 0
    finished: bool = False  # whole, checked and handed out; its parts are gone

    def add(self, chunk: Chunk) -> bool:
        """Keep a chunk; one that was there already is only counted. Whether it was new.

        A resend of a few bytes, or another chunk size, gives one place chunks of several lengths: while they
        agree they are one version.
        """
        self.time = self.time or chunk.time
        versions = [] if self.finished else self.parts.setdefault(chunk.offset, [])
        if self.finished or any(version.startswith(chunk.data) for version in versions):
            self.duplicates += 1
            return False
        self.received -= max(map(len, versions), default=0)
        versions[:] = [*(version for version in versions if not chunk.data.startswith(version)), chunk.data]
        self.received += max(map(len, versions))
        return True

    def spans(self) -> list[tuple[int, int]]:
        """Start and end of every part; where there are several versions, of the longest."""
        return [(offset, offset + max(map(len, v))) for offset, v in self.parts.items() if v]

    def holes(self) -> list[tuple[int, int]]:
        """The byte ranges, first and last, that are missing."""
        return [] if self.finished else uncovered(self.spans(), self.size)

    def known(self) -> list[tuple[int, bytes]]:
        """What is known, as runs of bytes that touch nowhere."""
        runs: list[tuple[int, bytearray]] = []
        for offset in sorted(self.parts):
            for version in sorted(self.parts[offset], key=len, reverse=True)[:1]:
                if runs and offset <= runs[-1][0] + len(runs[-1][1]):
                    start, run = runs[-1]
                    run += version[max(0, start + len(run) - offset) :]
                else:
                    runs.append((offset, bytearray(version)))
        return [(start, bytes(run)) for start, run in runs]

    def whole(self) -> bytes | None:
        """The picture, if every byte is there and its CRC-32 is the one announced."""
        if not self.size or not self.crc32 or self.received < self.size or self.holes():
            return None
        offsets = sorted(self.parts)
        versions = itertools.product(*(self.parts[offset] for offset in offsets))
        for combination in itertools.islice(versions, TRIES_MAX):
            data = bytearray(self.size)
            for offset, part in zip(offsets, combination, strict=True):
                data[offset : offset + len(part)] = part
            if zlib.crc32(data) in self.crc32:
                return bytes(data)
        return None

    def finish(self) -> None:
        """Forget the bytes: the picture has been handed out."""
        self.finished = True
        self.parts.clear()


class Reassembly:
    """All pictures of a pass."""

    def __init__(self) -> None:
        self.pictures: dict[tuple[int, int], Picture] = {}
        self.impossible = 0  # chunks that reach past their picture's end

    def picture(self, frame_id: int, size: int) -> Picture:
        """The picture of that id and size, made when it is first spoken of."""
        return self.pictures.setdefault((frame_id, size), Picture(frame_id, size))

    def add(self, chunk: Chunk) -> Picture | None:
        """Keep a chunk; the picture that now knows more, or None where none does."""
        if chunk.offset + len(chunk.data) > chunk.size:
            self.impossible += 1
            return None
        picture = self.picture(chunk.frame_id, chunk.size)
        return picture if picture.add(chunk) else None
