"""What the ground makes of a downlink; used instead of asking the flight code what it believes it sent."""

from dataclasses import dataclass

from framekeep_ground import formats, tables
from framekeep_ground.decoder import KINDS, Decoder
from framekeep_ground.layout import column
from framekeep_ground.packets import Scanner, columns, sequences
from framekeep_ground.reassembly import Picture
from framekeep_onboard.pipeline import Counters

MESSAGE_MODULO = 1 << 16


@dataclass(frozen=True, slots=True)
class Received:
    """What came down whole."""

    pictures: dict[int, bytes]  # by frame id
    frames: dict[int, dict[str, object]]  # the row of frames.csv, by frame id
    packets: dict[str, int]  # by kind
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
    said = tuple((str(name), str(error)) for name, error in reports)
    return Received(pictures, frames, dict(decoder.packets), len(decoder.decisions()), said)


def counters_after(downlink: bytes, apids: tuple[int, int]) -> Counters:
    """What a camera that has sent `downlink` since its first start counts on with."""
    batch = Scanner().feed(downlink, last=True)
    of, counts = sequences(batch)
    sequence = [int(counts[of == apid][-1]) + 1 if (of == apid).any() else 0 for apid in apids]
    message = []
    for subtype in KINDS:
        said = column(columns(batch, subtype, formats.TmHeader), "message")
        message.append(int(said[-1]) + 1 if len(said) else 0)
    return Counters(
        tuple(n % formats.SEQUENCE_MODULO for n in sequence), tuple(n % MESSAGE_MODULO for n in message)
    )
