"""Spoilt flash dumps: no wrong picture is shown as right; and records that lie, though their CRC is right."""

import functools
import random
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from framekeep_ground import flash_layout
from framekeep_ground.flash import extract, report, summary
from framekeep_ground.flash_records import record_at
from framekeep_ground.flash_store import Contents, read
from framekeep_ground.formats import (
    STORE_CRC,
    STORE_KIND_CHUNK,
    STORE_KIND_COMMIT,
    STORE_KIND_FULL,
    STORE_RECORD_MIN,
)
from framekeep_onboard.store import Profile

from tests.ground.test_flash import History

CHIPS = ("nor", "l4", "u5")


@functools.cache
def histories() -> tuple[tuple[History, bytes], ...]:
    made = []
    for number, chip in enumerate(CHIPS):
        history = History(chip, Profile.PACKED, random.Random(number))
        history.live(80)
        made.append((history, history.dump()))
    return tuple(made)


def seeds() -> Iterator[bytes]:
    for _, data in histories():
        yield data


def resealed(data: bytes, layout: flash_layout.Layout) -> bytes:
    """`data` with lies in some of its records, whose CRC is right all the same."""
    rng = random.Random(zlib.crc32(data))
    out = bytearray(data)
    for number, (address, size) in enumerate(layout.segments):
        for place in range(1, size // layout.grain + 1):
            record = record_at(layout.block(data, number), number, place, layout.grain)
            if record is None or rng.random() < 0.5:
                continue
            end = address + place * layout.grain
            start = end - STORE_RECORD_MIN - len(record.body)
            out[rng.randrange(start + STORE_CRC, end - 1)] = rng.randrange(256)
            # the lie may be about its size: it is sealed as what it now says that it is
            body = {STORE_KIND_COMMIT: 8 * out[end - 2], STORE_KIND_CHUNK: 0, STORE_KIND_FULL: 0}.get(
                record.kind, int.from_bytes(out[end - 4 : end - 2], "big")
            )
            start = max(address, end - STORE_RECORD_MIN - body)
            crc = zlib.crc32(out[start + STORE_CRC : end], flash_layout.seed(number))
            out[start : start + STORE_CRC] = crc.to_bytes(STORE_CRC, "big")
    return bytes(out)


def shown(data: bytes, layout: flash_layout.Layout) -> Contents:
    contents = read(data, layout)
    with tempfile.TemporaryDirectory(prefix="fk-fuzz-") as folder:
        extract(contents, Path(folder))
    if contents.wear():
        report(contents, summary(contents, "fuzz", len(data)))
    return contents


def fuzz(data: bytes) -> None:
    layout = flash_layout.find(data)
    if layout is None:
        return
    right = [history.offered for history, _ in histories()]
    for frame in shown(data, layout).frames:
        if frame.status != "damaged":
            assert any(frame.picture == o.get(frame.frame_id, (None, None))[1] for o in right)
    shown(resealed(data, layout), layout)
