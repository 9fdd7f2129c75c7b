"""Spoilt downlinks: nothing wrong is shown as right; and packets that lie, though their CRC is right."""

import binascii
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from framekeep_ground.decode import decode
from framekeep_ground.decoder import Decoder

from tests.ground.downlinks import sent


def seeds() -> Iterator[bytes]:
    packets = sent().packets
    yield b"".join(packets)
    yield b"".join(packets[::2])
    yield b"".join(packets[::-1])
    yield b"".join(p for p in packets if p[8] == 3)
    yield packets[0]


def resealed(data: bytes) -> bytes:
    """`data` with a right length and CRC in whatever begins like one of our packets."""
    starts = [at for at in range(len(data) - 34) if data[at] == 0x08 and data[at + 6 : at + 8] == b"\x20\x80"]
    out = bytearray(data)
    for start, end in itertools.pairwise([*starts, len(data)]):
        if 35 <= end - start <= 4130:
            out[start + 4 : start + 6] = (end - start - 7).to_bytes(2, "big")
            out[end - 2 : end] = binascii.crc_hqx(out[start : end - 2], 0xFFFF).to_bytes(2, "big")
    return bytes(out)


def fuzz(data: bytes) -> None:
    pictures: dict[int, bytes] = {}
    decoder = Decoder(lambda picture, whole: pictures.__setitem__(picture.frame_id, whole))
    decoder.feed(data, last=True)
    for frame_id, whole in pictures.items():
        assert whole == sent().pictures[frame_id]
    # of records only a CRC-16 is known: among so many spoilt ones, one in 65,536 passes
    decoder.decisions()
    decoder.gaps()
    with tempfile.TemporaryDirectory(prefix="fk-fuzz-") as folder:
        decode([resealed(data)], Path(folder) / "out", "fuzz")
