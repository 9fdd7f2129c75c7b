"""What the camera answered to the telecommands that went up."""

from collections.abc import Sequence
from pathlib import Path

from framekeep_ground import formats
from framekeep_ground.codes import Error
from framekeep_ground.command import split
from framekeep_ground.errors import UserError
from framekeep_ground.tables import Records

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

    Where files were sent with the same counts, a count that was carried out as well says nothing.
    """
    refused = _counts(reports[reports["data_error"] == Error.NOENT])
    refused -= _counts(reports[reports["data_error"] == 0])
    headers = ((formats.TcHeader.parse(packet), packet) for packet in sent)
    frames = {asked(p) for h, p in headers if (h.packet_id, h.sequence, h.subtype) in refused}
    return {frame for frame in frames if frame is not None}


def _counts(reports: Records) -> set[tuple[int, ...]]:
    names = ("data_command_id", "data_command_sequence", "data_command_subtype")
    return set(zip(*(reports[name].tolist() for name in names), strict=True))
