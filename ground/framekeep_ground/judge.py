"""What becomes of a picture: whole, or the best file that can be made of what came of it."""

import io
from dataclasses import dataclass

from PIL import Image

from framekeep_ground.decoder import Decoder
from framekeep_ground.jpeg_repair import Repaired, repair
from framekeep_ground.reassembly import Picture

SIDE_MAX = 4096  # pixels; no frame is larger, so a picture that says so is damaged
STATUSES = ("complete", "partial", "unverified", "corrupt", "announced")

Key = tuple[int, int]  # frame id and size, which tell pictures apart


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture at one moment."""

    picture: Picture
    status: str  # one of STATUSES
    received: int  # different bytes of it that came down
    holes: tuple[tuple[int, int], ...] = ()  # first and last byte of each
    data: bytes | None = None  # a file that opens, of a picture that is not whole
    repaired: Repaired | None = None  # how `data` was made, where holes had to be filled

    @property
    def key(self) -> Key:
        return self.picture.frame_id, self.picture.size

    @property
    def shown(self) -> str:
        """How much of the picture is real, where some is not."""
        made = self.repaired
        if made is None:
            return ""
        text = f"{100 * made.shown // made.total} %"
        return f"{text}, header of another picture" if made.borrowed else text


def judge(decoder: Decoder, picture: Picture) -> Judged:
    """Its status and, where it is not whole, the best file that can be made of it."""
    if picture.finished:
        return Judged(picture, "complete", picture.size)
    holes = tuple(picture.holes())
    received = picture.size - sum(last - first + 1 for first, last in holes)
    if not picture.parts:
        return Judged(picture, "announced", received, holes)
    known = picture.known()
    if not holes:
        status = "corrupt" if picture.crc32 else "unverified"
        return Judged(picture, status, received, data=known[0][1] if _opens(known[0][1]) else None)
    made = repair(known, picture.size, decoder.lent_headers(picture.frame_id))
    if made is None or not _opens(made.data):
        return Judged(picture, "partial", received, holes)
    return Judged(picture, "partial", received, holes, made.data, made)


def judge_all(decoder: Decoder) -> list[Judged]:
    """Every picture that a packet spoke of, by frame id."""
    decoder.note_headers()
    return [judge(decoder, picture) for picture in decoder.pictures()]


def _opens(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) > SIDE_MAX:
                return False
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True
