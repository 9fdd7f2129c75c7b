"""What the camera answered to the telecommands that went up."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from framekeep_ground import formats
from framekeep_ground.codes import Error
from framekeep_ground.command import split
from framekeep_ground.errors import UserError
from framekeep_ground.layout import column
from framekeep_ground.tables import Records

Count = tuple[int, int, int]  # packet_id, sequence and subtype of a telecommand, by which a report names it
_SAID = ("data_command_id", "data_command_sequence", "data_command_subtype", "header_time", "data_frame_id")
RESEND_SIZE = formats.TcHeader.sizeof() + formats.Resend.sizeof() + formats.PacketTrailer.sizeof()


def telecommands(path: Path) -> list[bytes]:
    """The packets in a file of `fk-ground command`."""
    try:
        return split(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; fk-ground command -o writes it") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; name a file of telecommands") from None
    except ValueError as error:
        raise UserError(f"{path}: no file of telecommands: {error}") from None


def asked(packet: bytes) -> int | None:
    """The frame whose bytes a telecommand asks for; None if it asks for something else."""
    header = formats.TcHeader.parse(packet)
    if header.subtype != formats.COMMANDS["resend"] or len(packet) != RESEND_SIZE:
        return None
    return int(formats.Resend.parse(packet[formats.TcHeader.sizeof() :]).frame_id)


def gone(reports: Records, sent: Sequence[bytes]) -> set[int]:
    """Frames that the camera no longer has: a report refuses them, by the count of the telecommand.

    Where files were sent with the same counts, a count says nothing that was carried out as well, or that
    asked for more frames than were refused by it.
    """
    refused = _counts(reports[reports["data_error"] == Error.NOENT])
    done = _counts(reports[reports["data_error"] == 0])
    frames: dict[Count, set[int]] = {}
    for packet in sent:
        header = formats.TcHeader.parse(packet)
        if (frame := asked(packet)) is not None:
            frames.setdefault((header.packet_id, header.sequence, header.subtype), set()).add(frame)
    known = (f for count, f in frames.items() if count not in done and len(f) <= refused[count])
    return set[int]().union(*known)


def _counts(reports: Records) -> Counter[Count]:
    """How many reports there are of each count; one that came again after a reset is one."""
    said = zip(*(column(reports, name).tolist() for name in _SAID), strict=True)
    return Counter((packet_id, sequence, subtype) for packet_id, sequence, subtype, *_ in set(said))
