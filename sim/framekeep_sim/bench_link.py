"""What the link costs and what a lossy one leaves: bytes beside the picture's, area that is still shown."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from framekeep_ground.formats import CHUNK_REST, PACKET_PRIMARY, DecisionPacket, FramePacket
from framekeep_ground.jpeg_repair import Header, parse_header, repair
from framekeep_ground.sequence import uncovered
from framekeep_onboard.imaging import Frame, JpegMode, PixelFormat, jpeg
from PIL import Image

WIDTH, HEIGHT = 320, 240
QUALITY = 50
PICTURES = ("astronaut.png", "coffee.png", "chelsea.png")  # of scikit-image
RESTARTS = (0, 10, 20)  # MCUs
CHUNKS = (100, 200, 400, 1000)  # bytes of a picture in one packet
LOSSES = (5, 10)  # percent of the packets
DRAWS = 20  # of each picture at each loss

PACKET_REST = PACKET_PRIMARY + CHUNK_REST  # bytes of a chunk's packet that are not the picture's


@dataclass(frozen=True, slots=True)
class Row:
    """The mean over the pictures at one restart interval and chunk size."""

    restart_interval: int
    chunk_size: int
    picture_bytes: int
    link_percent: float  # bytes that packets add
    shown_at_5: float  # percent of the area, where 5 % of the packets are lost
    shown_at_10: float
    whole_at_5: float  # percent of the pictures
    whole_at_10: float


def run(draws: int = DRAWS) -> dict[str, Any]:
    """Everything that can be measured of the link, ready for JSON."""
    return {
        "pictures": f"scikit-image's {', '.join(PICTURES)}, {WIDTH}x{HEIGHT}, 4:2:0, quality {QUALITY}",
        "decision_packet_bytes": int(DecisionPacket.sizeof()),
        "frame_packet_bytes": int(FramePacket.sizeof()),
        "draws": draws,
        "rows": [asdict(row) for row in _rows(draws)],
    }


def _rows(draws: int) -> Iterator[Row]:
    for restart in RESTARTS:
        pictures = [_picture(name, restart) for name in PICTURES]
        lent = [header for header in map(parse_header, pictures) if header is not None]
        for chunk in CHUNKS:
            size = sum(map(len, pictures))
            packets = sum(-(-len(picture) // chunk) for picture in pictures)
            added = packets * PACKET_REST + len(pictures) * int(FramePacket.sizeof())
            few, many = (_lose(pictures, lent, chunk, loss, draws) for loss in LOSSES)
            yield Row(
                restart,
                chunk,
                size // len(pictures),
                round(100 * added / size, 1),
                shown_at_5=few[0],
                shown_at_10=many[0],
                whole_at_5=few[1],
                whole_at_10=many[1],
            )


def _picture(name: str, restart: int) -> bytes:
    original = Image.open(Path(str(files("skimage"))) / "data" / name).convert("RGB")
    small = original.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    pixels = np.array(small, np.uint8)
    frame = Frame(pixels, WIDTH, HEIGHT, PixelFormat.RGB888)
    return jpeg(frame, quality=QUALITY, mode=JpegMode.YUV420, restart_interval=restart)


def _lose(
    pictures: Sequence[bytes], lent: Sequence[Header], chunk: int, loss: int, draws: int
) -> tuple[float, float]:
    """Percent of the area shown and of the pictures whole, where each packet is lost with `loss` percent."""
    rng = random.Random(f"{chunk}/{loss}")
    shown: list[float] = []
    for picture in pictures:
        for _ in range(draws):
            lost = [(at, at + chunk) for at in range(0, len(picture), chunk) if rng.random() < loss / 100]
            known = [(first, picture[first : last + 1]) for first, last in uncovered(lost, len(picture))]
            made = repair(known, len(picture), lent)
            shown.append(1.0 if not lost else made.shown / made.total if made else 0.0)
    return round(100 * sum(shown) / len(shown), 1), round(100 * shown.count(1.0) / len(shown), 1)
