"""What happens to a camera in flight, as the simulator plays it to host and target alike."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture is taken: the frame buffer's bytes in the mission's pixel format."""

    data: bytes
    time: int  # CUC: seconds << 16 | fraction since 2000-01-01T00:00:00 UTC


@dataclass(frozen=True, slots=True)
class Pass:
    """The link is up: packets are pulled until `budget` bytes are used (0: until none waits)."""

    budget: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A telecommand comes up: one packet, as it was received."""

    packet: bytes


Event = Frame | Pass | Command
Events = Iterable[Event]
