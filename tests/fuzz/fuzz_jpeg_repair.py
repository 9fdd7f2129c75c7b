"""Pictures with wrong bytes and holes: something that can be tried, or nothing; never an error."""

import random
import zlib
from collections.abc import Iterator

from framekeep_ground.jpeg_repair import parse_header, repair
from framekeep_ground.sequence import uncovered

from tests.ground.downlinks import picture


def seeds() -> Iterator[bytes]:
    for restart in (0, 1, 6):
        yield picture(1, restart=restart)
        yield picture(2, restart=restart, colour=True)


def fuzz(data: bytes) -> None:
    rng = random.Random(zlib.crc32(data))
    spans = [(at, at + rng.randrange(1, 300)) for at in (rng.randrange(len(data) + 1) for _ in range(3))]
    known = [(first, data[first : last + 1]) for first, last in uncovered(spans, len(data))]
    lent = [header for header in [parse_header(picture(3))] if header is not None]
    made = repair(known, len(data), lent)
    assert made is None or (made.data.startswith(b"\xff\xd8") and made.data.endswith(b"\xff\xd9"))
    assert made is None or 0 <= made.shown <= made.total
