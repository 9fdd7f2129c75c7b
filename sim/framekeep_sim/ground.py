"""What the ground makes of a downlink; used instead of asking the flight code what it believes it sent."""

from dataclasses import dataclass

from framekeep_ground import tables
from framekeep_ground.decoder import Decoder
from framekeep_ground.reassembly import Picture


@dataclass(frozen=True, slots=True)
class Received:
    """What came down whole."""

    pictures: dict[int, bytes]  # by frame id
    frames: dict[int, dict[str, object]]  # the row of frames.csv, by frame id
    decisions: int  # frames of which the ground knows why they were kept or not
    reports: tuple[tuple[str, str], ...]  # of telecommands: name, and OK or the name of the error


def receive(downlink: bytes) -> Received:
    """Decode a downlink as the ground does."""
    pictures: dict[int, bytes] = {}

    def keep(picture: Picture, data: bytes) -> None:
        pictures[picture.frame_id] = data

    decoder = Decoder(keep)
    decoder.feed(downlink, last=True)
    reports = tables.rows(decoder.reports(), ("command", "error"))
    rows = tables.rows(decoder.infos(), tables.FRAME_COLUMNS)
    infos = (dict(zip(tables.FRAME_COLUMNS, row, strict=True)) for row in rows)
    frames = {int(str(info["frame_id"])): info for info in infos}
    return Received(pictures, frames, len(decoder.decisions()), tuple((str(n), str(e)) for n, e in reports))
