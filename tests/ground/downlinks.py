"""A small downlink made by the flight code, and ways to spoil it."""

import functools
import io
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.contract.packets import Downlink, Source, decision, record, report, thumbnail

WIDTH, HEIGHT = 96, 64
CHUNK = 60


@dataclass(frozen=True)
class Pass:
    """What was sent."""

    packets: tuple[bytes, ...]
    pictures: dict[int, bytes]
    records: dict[int, bytes]
    thumbnails: dict[int, bytes]


def picture(
    seed: int, *, colour: bool = False, restart: int = 6, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> bytes:
    """A JPEG by libjpeg with something to see in every block."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image = image if colour else image.convert("L")
    image.save(out, "JPEG", quality=60, subsampling=2, restart_marker_blocks=restart)
    return out.getvalue()


@functools.cache
def sent() -> Pass:
    """Records of six frames, the pictures of three of them, thumbnails of two; reports of two commands."""
    source = Source()
    records = {n: record(decision(n, reason=n % 5, value=100 * n, score=40 * n)) for n in range(6)}
    thumbnails = {n: np.random.default_rng(n).bytes(192) for n in (1, 4)}
    source.records = [*records.values(), *(thumbnail(n, pixels) for n, pixels in thumbnails.items())]
    source.records += [report(5, 64), report(6, 65, error=-5)]
    for n in (5, 2, 0):
        source.add(n, picture(n), value=100 * n)
    return Pass(tuple(Downlink(source, CHUNK).all()), dict(source.pictures), records, thumbnails)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Some of the packets, some twice, in any order, with garbage between, bits flipped, cut at the end."""
    packets = sent().packets
    order = draw(st.lists(st.integers(0, len(packets) - 1), max_size=2 * len(packets)))
    if draw(st.booleans()):
        order = [n for n in range(len(packets)) if n not in set(order)]  # losses, else in order
    data = bytearray()
    for n in order:
        if draw(st.integers(0, 9)) == 0:
            data += draw(st.binary(max_size=40))
        data += packets[n]
    if data:
        for bit in draw(st.lists(st.integers(0, 8 * len(data) - 1), max_size=12)):
            data[bit // 8] ^= 1 << bit % 8
        data = data[: len(data) - draw(st.integers(0, min(100, len(data))))]
    return bytes(data)
