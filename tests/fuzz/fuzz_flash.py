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
        for place in range(size // layout.grain):
            record = record_at(layout.block(data, number), number, place, layout.grain)
            if record is None or rng.random() < 0.5:
                continue
            start = address + place * layout.grain
            fixed = 20 if record.kind == 0x33 else record.head_size() + len(record.body)
            out[start + rng.randrange(2, fixed)] = rng.randrange(256)
            crc = zlib.crc32(out[start : start + fixed], flash_layout.seed(number))
            out[start + fixed : start + fixed + 4] = crc.to_bytes(4, "big")
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
