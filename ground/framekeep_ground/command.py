"""`fk-ground command`: telecommands, ready to send."""

import argparse
import json
import sys
from binascii import crc_hqx
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from framekeep_ground import formats
from framekeep_ground.errors import UserError
from framekeep_ground.output import read_json, write_bytes

RESENDS_MAX = 16  # that the camera holds at a time; FK_RESENDS_MAX in fk/downlink.h
U32_MAX = 0xFFFFFFFF
APID_MAX = 2046

EPILOG = """\
examples:
  fk-ground command ping                                   is anybody there?
  fk-ground command resend --from pass7 -o resend.tc       what fk-ground decode found missing
  fk-ground command resend 12 15:400-799,1200-1599         a whole picture; some bytes of another
  fk-ground command delete 12 13                           frames that nobody needs
  fk-ground command policy night.policy -o night.tc        other thresholds, until the next reset

Without -o the packets are printed in hex, one a line; -o - writes them to standard output as
they are. A policy is made by `fk-sim policy MISSION.toml`. Each command is answered by a report
(reports.csv of fk-ground decode); rehearse it with `fk-sim run ... --uplink 40:resend.tc`.
"""


@dataclass(frozen=True, slots=True)
class Telecommand:
    """What is asked for, and the data that say it."""

    name: str  # one of formats.COMMANDS
    data: bytes = b""

    def packet(self, apid: int, sequence: int) -> bytes:
        """The space packet to `apid`, 0..2046, with that count, 0..16383."""
        fields = header(self.name, len(self.data), apid, sequence)
        body = bytes(formats.TcHeader.build(fields)) + self.data
        return body + bytes(formats.PacketTrailer.build({"crc16": crc_hqx(body, formats.CRC16_INIT)}))


def header(name: str, size: int, apid: int = formats.APID_RECORDS, sequence: int = 0) -> dict[str, int]:
    """The fields of the header before `size` bytes of data."""
    around = formats.TcHeader.sizeof() + formats.PacketTrailer.sizeof() - formats.PACKET_PRIMARY
    return {
        "packet_id": formats.PACKET_ID_TC | apid,
        "sequence": formats.SEQUENCE_UNSEGMENTED | sequence,
        "length": around + size - 1,
        "pus": formats.TM_PUS,
        "service": formats.SERVICE,
        "subtype": formats.COMMANDS[name],
        "source": 0,
    }


def ping() -> Telecommand:
    """Asks for a report and nothing else."""
    return Telecommand("ping")


def resend(frame_id: int, first: int = 0, last: int = U32_MAX) -> Telecommand:
    """Asks for the bytes first..last of a picture again."""
    fields = {"frame_id": frame_id, "first": first, "last": last}
    return Telecommand("resend", bytes(formats.Resend.build(fields)))


def delete(frame_id: int) -> Telecommand:
    """Makes the camera forget a frame."""
    return Telecommand("delete", bytes(formats.Delete.build({"frame_id": frame_id})))


def policy(compiled: bytes) -> Telecommand:
    """Makes a compiled mission the one that counts, until the next reset."""
    return Telecommand("policy", compiled)


# --- What the words of the command line say -----------------------------------------------------------


def _number(text: str, what: str, most: int = U32_MAX) -> int:
    value = int(text) if text.isascii() and text.isdecimal() else most + 1
    if value > most:
        raise UserError(f"{text}: is no {what}; write a whole number up to {most}")
    return value


def _none(words: Sequence[str]) -> list[Telecommand]:
    if words:
        raise UserError(f"{words[0]}: ping takes nothing after it")
    return [ping()]


def _frames(words: Sequence[str]) -> list[Telecommand]:
    return [delete(_number(word, "frame id")) for word in words]


def _policies(words: Sequence[str]) -> list[Telecommand]:
    return [policy(_policy_file(Path(word))) for word in words]


def _policy_file(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make it with fk-sim policy MISSION.toml -o {path}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; make a policy with fk-sim policy MISSION.toml") from None
    magic = formats.POLICY_MAGIC.to_bytes(4, "big")
    whole = len(data) == formats.Policy.sizeof() and not crc_hqx(data, formats.CRC16_INIT)
    if not whole or data[:4] != magic:
        raise UserError(f"{path}: no compiled policy of this version; make one with fk-sim policy")
    return data


Range = tuple[int, int, int]  # frame id, first and last byte


def _resends(words: Sequence[str]) -> list[Telecommand]:
    ranges = [one for word in words for one in _ranges(word)]
    fewer = _joined(ranges)
    if len(fewer) > RESENDS_MAX:
        left = len(fewer) - RESENDS_MAX
        print(
            f"fk-ground: the camera holds {RESENDS_MAX} resends at a time; {left} frames are left for later",
            file=sys.stderr,
        )
    return [resend(*one) for one in fewer[:RESENDS_MAX]]


def _ranges(word: str) -> list[Range]:
    """What FRAME, or FRAME:FIRST-LAST,... as `fk-ground decode` writes it, asks for."""
    frame, _, rest = word.partition(":")
    frame_id = _number(frame, "frame id")
    if not rest:
        return [(frame_id, 0, U32_MAX)]
    found: list[Range] = []
    for part in rest.split(","):
        if part == "info":  # comes with every resend
            continue
        first, _, last = part.partition("-")
        found.append((frame_id, _number(first, "byte of a picture"), _number(last, "byte of a picture")))
        if found[-1][1] > found[-1][2]:
            raise UserError(f"{word}: {part} ends before it begins")
    return found or [(frame_id, 0, 0)]


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """The same, the smallest gaps between two ranges of a frame asked for too until they are few enough.

    Frames stay in the order in which they were first named: where they are too many, the last are left.
    """
    found = sorted(ranges)
    while len(found) > RESENDS_MAX:
        gaps = [(b[1] - a[2], k) for k, (a, b) in enumerate(pairwise(found)) if a[0] == b[0]]
        if not gaps:
            break
        _, at = min(gaps)
        (frame_id, first, last), (_, _, other) = found[at : at + 2]
        found[at : at + 2] = [(frame_id, first, max(last, other))]
    rank = {frame_id: k for k, frame_id in enumerate(dict.fromkeys(frame_id for frame_id, _, _ in ranges))}
    return sorted(found, key=lambda one: rank[one[0]])


def _missing(folder: Path) -> list[str]:
    """What `fk-ground decode` found missing."""
    path = folder / "summary.json"
    try:
        words = read_json(path)["resend"]
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file; name the --out folder of fk-ground decode") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not written by fk-ground decode") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError(f"{path}: not written by fk-ground decode")
    return words


COMMANDS = {"ping": _none, "resend": _resends, "delete": _frames, "policy": _policies}


# --- Command line ---------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fk-ground command`."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", choices=sorted(COMMANDS), help="what is wanted")
    parser.add_argument("what", nargs="*", metavar="WHAT", help="frames, or the file of a policy")
    parser.add_argument("--from", dest="folder", type=Path, metavar="DIR", help="resend what decode missed")
    parser.add_argument("-o", "--output", metavar="FILE", help="file for the packets, - for standard output")
    parser.add_argument("--apid", default=str(formats.APID_RECORDS), help="of the camera's records (100)")
    parser.add_argument("--sequence", default="0", metavar="N", help="count of the first packet (0)")
    parser.add_argument("--json", action="store_true", help="print the packets as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Write the packets; returns the exit status."""
    words = list(options.what)
    if options.output == "-" and options.json:
        raise UserError("-o -: standard output is --json's; name a file, or leave one out")
    if options.folder is not None:
        if options.name != "resend":
            raise UserError("--from: goes with resend only")
        words += _missing(options.folder)
        if not words:
            print(f"fk-ground: {options.folder}: nothing is missing", file=sys.stderr)
            if options.json:
                print(json.dumps({"packets": []}))
            return 0
    if not words and options.name != "ping":
        raise UserError(f"{options.name}: say which; see fk-ground command --help")
    apid = _number(options.apid, "APID", APID_MAX)
    start = _number(options.sequence, "sequence count", formats.SEQUENCE_MODULO - 1)
    commands = COMMANDS[options.name](words)
    packets = [c.packet(apid, (start + k) % formats.SEQUENCE_MODULO) for k, c in enumerate(commands)]
    if options.output == "-":
        sys.stdout.buffer.write(b"".join(packets))
        return 0
    if options.output is not None:
        write_bytes(Path(options.output), b"".join(packets))
    if options.json:
        print(json.dumps({"packets": [_described(c, p) for c, p in zip(commands, packets, strict=True)]}))
    elif options.output is None:
        print("\n".join(packet.hex() for packet in packets))
    else:
        several = "" if len(packets) == 1 else "s"
        print(f"{options.output}: {len(packets)} telecommand{several}, {sum(map(len, packets))} bytes")
    return 0


def _described(command: Telecommand, packet: bytes) -> dict[str, object]:
    header = formats.TcHeader.parse(packet)
    sequence = header.sequence & formats.SEQUENCE_MODULO - 1
    return {"command": command.name, "sequence": sequence, "hex": packet.hex()}


def split(data: bytes) -> list[bytes]:
    """The packets of a file of telecommands, by their lengths; ValueError where it is none."""
    packets = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 6], "big") + formats.PACKET_PRIMARY + 1
        packet = data[at : at + length]
        if len(packet) < length or len(packet) < formats.TcHeader.sizeof():
            raise ValueError(f"byte {at}: no whole packet")
        packets.append(packet)
        at += length
    return packets
