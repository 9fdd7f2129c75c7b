"""Telecommands: each kind, policies among them."""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from framekeep_ground import command
from framekeep_sim import mission

MISSIONS = Path(__file__).resolve().parents[2] / "missions"


def seeds() -> Iterator[bytes]:
    wanted = [command.ping(), command.resend(7), command.resend(1, 2, 3), command.delete(0xFFFFFFFF)]
    for name in ("satellite", "security", "shelf"):
        wanted.append(command.policy(mission.load(MISSIONS / f"{name}.toml").policy(("empty", "person"))))
    for sequence, one in enumerate(wanted):
        yield one.packet(100, sequence)
