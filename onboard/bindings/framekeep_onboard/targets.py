"""The flight code on an emulated microcontroller, played the same events as the host.

What a run leaves behind (decision records, flash, packets) can be compared with the host's byte for byte,
and it says how it came about: which image, which emulator command, how many instructions.
"""

import hashlib
import struct
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from framekeep_onboard import count, firmware
from framekeep_onboard.count import Counts
from framekeep_onboard.events import Command, Event, Frame

IMAGE = "flight"
END = "end"  # the last snapshot: when the image ended
LISTEN = 0.2  # seconds between two looks at what a board has written

# The stream of onboard/boards/session/session.h
_MAGIC = b"FKS1"
_SETUP = struct.Struct(">4s I HH II HH BBBB 4x")
_EVENT = struct.Struct(">B 3x I HI 2x")
_END, _FRAME, _PASS, _COMMAND = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class FlashSetup:
    """The flash region and how the store uses it; the names are those of fk_flash and fk_store_config."""

    segment_size: int
    segment_count: int
    program_unit: int
    slot_count: int = 512
    log_segments: int = 4
    profile: int = 0  # fk_store_profile: packed
    spare_segments: int = 0  # this and what follows: 0 = the store's own choice
    fill: int = 0
    wear_spread: int = 0

    @property
    def size(self) -> int:
        """Bytes of the region."""
        return self.segment_size * self.segment_count


@dataclass(frozen=True, slots=True)
class TargetRun:
    """What a target made of the events, and proof that it ran."""

    records: bytes  # every frame's decision record, in order
    flash: bytes  # the region, as it is after the final sync
    downlink: bytes  # all packets, in order
    elf_sha256: str
    command: tuple[str, ...]  # of the emulator
    instructions: int  # executed, from reset to the end
    snapshots: tuple[tuple[str, Counts], ...] = ()  # each time a mark was reached, and the counts so far

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the three results."""
        parts = {"decisions": self.records, "flash": self.flash, "downlink": self.downlink}
        return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


def run(
    target: str,
    policy: bytes,
    model: Path,
    events: Iterable[Event],
    setup: FlashSetup,
    *,
    flash: bytes | None = None,
    timeout: float = 600,
    heard: Callable[[bytes], None] | None = None,
    marks: Sequence[str] = (),
) -> TargetRun:
    """Play `events` to the flight image of `target` and collect what it leaves.

    `heard` is given the decision records, or parts of them, as the board writes them; in another thread.
    `marks` are functions of the flight code at whose entry the counts are noted.

    `flash` is the region before the run, erased by default. At the end the pipeline is synchronised, as
    before a planned switch-off. Raises ToolError where the cross tools are missing or the image refuses.
    """
    elf = firmware.image(target, IMAGE)
    with tempfile.TemporaryDirectory(prefix="framekeep-") as name:
        folder = Path(name)
        with (folder / "session.bin").open("wb") as stream:
            write_session(stream, policy, model.stat().st_size, events, setup)
        (folder / "flash.bin").write_bytes(flash if flash is not None else b"\xff" * setup.size)
        with _listening(folder / "records.bin", heard):
            done = count.run(elf, firmware.BOARDS[target], folder, marks=marks, model=model, timeout=timeout)
        return TargetRun(
            records=(folder / "records.bin").read_bytes(),
            flash=(folder / "flash.bin").read_bytes(),
            downlink=(folder / "downlink.bin").read_bytes(),
            elf_sha256=hashlib.sha256(elf.read_bytes()).hexdigest(),
            command=done.command,
            instructions=done.total.instructions,
            snapshots=(*done.snapshots, (END, done.total)) if marks else (),
        )


@contextmanager
def _listening(path: Path, heard: Callable[[bytes], None] | None) -> Iterator[None]:
    """Hands on what is added to a file, until the end of the block."""
    if heard is None:
        yield
        return
    ended = threading.Event()

    def listen() -> None:
        at = 0
        last = False
        while not last:
            last = ended.wait(LISTEN)  # and one look after the end
            if path.exists():
                with path.open("rb") as file:
                    file.seek(at)
                    new = file.read()
                at += len(new)
                if new:
                    heard(new)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def write_session(
    stream: BinaryIO, policy: bytes, model_size: int, events: Iterable[Event], setup: FlashSetup
) -> None:
    """The events as the stream that the flight image plays: onboard/boards/session/session.h."""
    stream.write(
        _SETUP.pack(
            _MAGIC,
            model_size,
            len(policy),
            setup.slot_count,
            setup.segment_size,
            setup.segment_count,
            setup.program_unit,
            setup.wear_spread,
            setup.profile,
            setup.log_segments,
            setup.spare_segments,
            setup.fill,
        )
    )
    stream.write(policy)
    for event in events:
        if isinstance(event, Frame):
            stream.write(_EVENT.pack(_FRAME, 0, event.time >> 32, event.time & 0xFFFFFFFF))
            stream.write(event.data)
        elif isinstance(event, Command):
            stream.write(_EVENT.pack(_COMMAND, len(event.packet), 0, 0))
            stream.write(event.packet)
        else:
            stream.write(_EVENT.pack(_PASS, event.budget, 0, 0))
    stream.write(_EVENT.pack(_END, 0, 0, 0))


class SessionError(ValueError):
    """Bytes that are no session."""


def session_setup(stream: BinaryIO) -> FlashSetup:
    """The flash that a session was recorded for, from its first bytes."""
    head = stream.read(_SETUP.size)
    if len(head) < _SETUP.size or not head.startswith(_MAGIC):
        raise SessionError("not a session")
    fields = _SETUP.unpack(head)
    _, _, _, slots, segment_size, segment_count, unit, spread, profile, log, spare, fill = fields
    return FlashSetup(segment_size, segment_count, unit, slots, log, profile, spare, fill, spread)
