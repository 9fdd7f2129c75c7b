"""`fk-sim compare`: what a board left of a session, beside what the host made of the same."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from pathlib import Path

import numpy as np
from framekeep_ground.formats import DecisionRecord
from framekeep_ground.packets import Scanner
from framekeep_onboard.pipeline import Decision, decisions_of
from framekeep_onboard.targets import SessionError, session_setup

from framekeep_sim.charts import bytes_text
from framekeep_sim.digest import sha256
from framekeep_sim.errors import UserError
from framekeep_sim.output import SESSION, host_part


@dataclass(frozen=True, slots=True)
class Part:
    """One of the three things that a flight leaves."""

    equal: bool
    host_sha256: str
    board_sha256: str | None  # None: the board left none
    first: str | None  # where the two part


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "session", type=Path, metavar="S", help="folder of fk-sim session, played by the board"
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as one JSON object")


def run(args: Namespace) -> int:
    try:
        with (args.session / SESSION).open("rb") as stream:
            segment_size = session_setup(stream).segment_size
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{args.session}: no folder of fk-sim session; make one, or name another") from None
    except SessionError as error:
        raise UserError(f"{args.session / SESSION}: {error}; record it again") from None
    told: dict[str, Callable[[bytes, bytes, int], str]] = {
        "records": _frame,
        "flash": lambda _, __, at: f"byte {at:#x}, in segment {at // segment_size}",
        "downlink": _packet,
    }
    parts = {name: _compare(args.session, name, where) for name, where in told.items()}
    equal = all(part.equal for part in parts.values())
    if args.json:
        print(json.dumps({"equal": equal, "parts": {name: asdict(part) for name, part in parts.items()}}))
        return 0 if equal else 1
    for name, part in parts.items():
        print(
            f"{name}: equal, SHA-256 {part.host_sha256[:12]}"
            if part.equal
            else f"{name}: differ, {part.first}"
        )
    return 0 if equal else 1


def _compare(folder: Path, name: str, where: Callable[[bytes, bytes, int], str]) -> Part:
    try:
        host = (folder / host_part(name)).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{folder / host_part(name)}: is missing; record the session again") from None
    path = folder / f"{name}.bin"
    if not path.is_file():
        return Part(False, sha256(host), None, f"the board left no {path.name}")
    board = path.read_bytes()
    if board == host:
        return Part(True, sha256(host), sha256(board), None)
    first = where(host, board, _parting(host, board))
    if len(host) != len(board):
        first += f" ({bytes_text(len(board))} of the board's, {bytes_text(len(host))} of the host's)"
    return Part(False, sha256(host), sha256(board), first)


def _parting(host: bytes, board: bytes) -> int:
    """How many bytes the two begin with alike."""
    shared = min(len(host), len(board))
    differ = np.frombuffer(host, np.uint8, shared) != np.frombuffer(board, np.uint8, shared)
    return int(differ.argmax()) if differ.any() else shared


def _frame(host: bytes, board: bytes, at: int) -> str:
    """The first decision that differs, and the first thing in it that does."""
    size = DecisionRecord.sizeof()
    number = at // size
    ours, theirs = (_decisions(data[number * size : (number + 1) * size]) for data in (host, board))
    if not ours:
        return f"the board has more decisions than the session has frames, {number}"
    if not theirs:
        return f"the board has none for frame {number + 1} and what follows"
    mine, other = ours[0], theirs[0]
    for field in fields(mine):
        one, two = getattr(mine, field.name), getattr(other, field.name)
        if one != two and field.name != "record":
            return f"frame {number + 1}, {field.name}: {_text(one)} on the host, {_text(two)} on the board"
    return f"frame {number + 1}, byte {at % size} of its record"


def _decisions(record: bytes) -> list[Decision]:
    """The one in `record`; none where it is cut off."""
    return decisions_of(record) if len(record) == DecisionRecord.sizeof() else []


def _text(value: object) -> str:
    return value.name if isinstance(value, IntEnum) else str(value)


def _packet(host: bytes, _board: bytes, at: int) -> str:
    ends = Scanner().feed(host, last=True).ends
    if at == len(host):
        return f"the board sent more than the {len(ends)} packets of the host"
    return f"packet {int((ends <= at).sum()) + 1} of {len(ends)}"
