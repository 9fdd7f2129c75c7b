"""Plays a flight: on this machine, or on an emulated microcontroller."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from framekeep_ground.formats import DecisionRecord
from framekeep_onboard import ErrorCode, firmware, targets
from framekeep_onboard.count import ImageError
from framekeep_onboard.events import Command, Frame
from framekeep_onboard.pipeline import Decision, Pipeline, decisions_of

from framekeep_sim.errors import UserError
from framekeep_sim.events import Flight
from framekeep_sim.mission import Store
from framekeep_sim.model import FlightModel

HOST = "host"
TARGETS = tuple(firmware.BOARDS)
TIMEOUT = 24 * 3600.0  # seconds; an emulated frame takes a fraction of one, a dataset may be large
OnDecision = Callable[[Decision], None]


class DoesNotFit(UserError):
    """A board is too small for a mission."""


@dataclass(frozen=True, slots=True)
class Fill:
    """How full the flash was after a frame."""

    frames: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a flight."""

    decisions: list[Decision]
    flash: bytes
    downlink: bytes
    fill: list[Fill]  # after each frame; empty where nobody could look
    store: Mapping[str, int]  # fk_store_report of the flash, mounted after the end
    stored: frozenset[int]  # frame ids in it
    target: Mapping[str, object]  # name, and the proof that it ran


def play(target: str, flight: Flight, policy: bytes, model: FlightModel, seen: OnDecision) -> Played:
    """Fly on `target`; `seen` hears of every decision as it is made, where somebody can listen."""
    if target == HOST:
        return on_host(flight, policy, model, seen)
    return on_target(target, flight, policy, model, seen)


def on_host(flight: Flight, policy: bytes, model: FlightModel, seen: OnDecision) -> Played:
    """The flight code linked into this process."""
    setup = flash_setup(flight.mission.store)
    pipeline = Pipeline(policy, model.image, setup)
    decisions: list[Decision] = []
    fill: list[Fill] = []
    downlink = bytearray()
    for event in flight.events():
        if isinstance(event, Frame):
            decisions.append(pipeline.frame(event))
            report = pipeline.report()
            fill.append(Fill(report["frames"], report["bytes"]))
            seen(decisions[-1])
        elif isinstance(event, Command):
            pipeline.command(event)  # what becomes of it is in its report
        else:
            for packet in pipeline.downlink(event):
                downlink += packet
    pipeline.sync()
    flash = pipeline.flash()
    left = Pipeline(policy, model.image, setup, flash=flash)
    return Played(
        decisions=decisions,
        flash=flash,
        downlink=bytes(downlink),
        fill=fill,
        store=left.report(),
        stored=frozenset(left.frame_ids()),
        target={"name": HOST},
    )


def on_target(target: str, flight: Flight, policy: bytes, model: FlightModel, seen: OnDecision) -> Played:
    """The firmware on an emulated microcontroller, given the same events."""
    waiting = bytearray()

    def heard(new: bytes) -> None:
        waiting.extend(new)
        whole = len(waiting) - len(waiting) % DecisionRecord.sizeof()
        for decision in decisions_of(bytes(waiting[:whole])):
            seen(decision)
        del waiting[:whole]

    setup = flash_setup(flight.mission.store)
    with tempfile.TemporaryDirectory(prefix="framekeep-model-") as folder:
        image = Path(folder) / "model.fkm"
        image.write_bytes(model.image)
        try:
            done = targets.run(target, policy, image, flight.events(), setup, timeout=TIMEOUT, heard=heard)
        except ImageError as error:
            if error.status == -ErrorCode["FK_ERR_TOOSMALL"]:
                frame = flight.mission.camera.frame_bytes
                raise DoesNotFit(
                    f"{target}: the board has not the memory for frames of {frame} bytes "
                    "with this model and store; make one of them smaller"
                ) from None
            raise
    left = Pipeline(policy, model.image, setup, flash=done.flash)  # the host mounts it, and looks
    proof = {
        "name": target,
        "elf_sha256": done.elf_sha256,
        "command": list(done.command),
        "instructions": done.instructions,
    }
    return Played(
        decisions=decisions_of(done.records),
        flash=done.flash,
        downlink=done.downlink,
        fill=[],
        store=left.report(),
        stored=frozenset(left.frame_ids()),
        target=proof,
    )


def flash_setup(store: Store) -> targets.FlashSetup:
    """The flash region and the store's settings, as the flight code takes them."""
    return targets.FlashSetup(
        store.segment_size,
        store.segment_count,
        store.program_unit,
        slot_count=store.frames_max,
        log_segments=store.log_segments,
        profile=int(store.layout),
        spare_segments=store.spare_segments,
        fill=store.fill,
        wear_spread=store.wear_spread,
    )
