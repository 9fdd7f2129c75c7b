"""A dataset as the events of a flight: frames at their times, passes of the link between them."""

import os
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction

from framekeep_ground.formats import (
    ChunkHeader,
    DecisionPacket,
    DecisionRecord,
    PacketTrailer,
    ThumbnailPacket,
    TmHeader,
)
from framekeep_ground.shell import printable
from framekeep_onboard.events import Command, Event, Frame, Pass
from PIL import Image

from framekeep_sim.camera import to_frame
from framekeep_sim.dataset import Dataset, Item, Labels
from framekeep_sim.errors import UserError
from framekeep_sim.mission import Mission, Store

TIME_BITS = 48  # of the packets' time: 32 of seconds since 2000, 16 of a fraction
AHEAD_BYTES = 64 << 20  # of frames decoded before their turn


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame that was taken: which picture it was, and what the dataset says of it."""

    index: int  # in the dataset
    name: str
    labels: Labels | None
    time: int


@dataclass(frozen=True, slots=True)
class Uplink:
    """Telecommands that come up once so many frames were taken."""

    after: int  # frames
    name: str  # of the file
    packets: tuple[bytes, ...]


@dataclass(slots=True)
class Flight:
    """The events of one run, made as they are asked for; what was played is noted."""

    mission: Mission
    dataset: Dataset
    jobs: int = field(default_factory=lambda: min(8, os.cpu_count() or 1))
    shots: list[Shot] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # picture, what is wrong with it
    passes: int = 0
    uplinks: Sequence[Uplink] = ()

    def events(self) -> Iterator[Event]:
        """Frames, passes and telecommands; decision records go down before their ring in flash overflows.

        What comes up after more frames than there are comes before the last pass.
        """
        uplinks = deque(sorted(self.uplinks, key=lambda uplink: uplink.after))
        camera, link = self.mission.camera, self.mission.downlink
        every = self.mission.audit_every
        window = records_held(self.mission.store, every)
        waiting = 0
        for index, (item, frame) in enumerate(self._decoded()):
            name = printable(item.name)
            if isinstance(frame, str):
                self.skipped.append((name, frame))
                continue
            after = item.time if item.time is not None else len(self.shots) * camera.cadence
            time = camera.time(Fraction(after))
            if time >> TIME_BITS:
                raise UserError(
                    f"{self.mission.path}: frame {len(self.shots) + 1} would be taken after 2136-02-07, the "
                    "last day that packets can tell; an earlier start or a smaller cadence_s is wanted"
                )
            while uplinks and uplinks[0].after <= len(self.shots):
                yield from map(Command, uplinks.popleft().packets)
            self.shots.append(Shot(index, name, item.labels, time))
            yield Frame(frame, time)
            waiting += 1
            if link.pass_every and len(self.shots) % link.pass_every == 0:
                self.passes += 1
                yield Pass(link.pass_bytes)
                waiting = 0
            elif waiting == window:
                yield Pass(records_budget(waiting, every, link.chunk_bytes))
                waiting = 0
        for uplink in uplinks:
            yield from map(Command, uplink.packets)
        self.passes += 1
        yield Pass(link.last_pass_bytes)

    def _decoded(self) -> Iterator[tuple[Item, bytes | str]]:
        """Each item with its frame buffer or what is wrong, in order, decoded some way ahead."""
        ahead: deque[tuple[Item, Future[bytes | str]]] = deque()
        most = max(1, min(4 * self.jobs, AHEAD_BYTES // self.mission.camera.frame_bytes))
        with warnings.catch_warnings(), ThreadPoolExecutor(self.jobs) as pool:
            warnings.filterwarnings("ignore", module=r"PIL\.")  # a picture is taken or skipped: no third way
            try:
                for item in self.dataset:
                    ahead.append((item, pool.submit(self._take, item)))
                    if len(ahead) >= most:
                        first, result = ahead.popleft()
                        yield first, result.result()
                while ahead:
                    first, result = ahead.popleft()
                    yield first, result.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _take(self, item: Item) -> bytes | str:
        try:
            return to_frame(item.open(), self.mission.camera)
        except Exception as error:  # whatever a decoder says of a broken file; the run goes on
            return picture_error(error)


def records_held(store: Store, audit_every: int = 0) -> int:
    """Frames whose records the ring in flash holds at least, one of its segments being erased."""
    entry = 256  # a batch of decision records with its header, or a thumbnail; see FK_PIPELINE_LOG
    unit = max(store.program_unit, entry)
    batch = (entry - 24) // DecisionRecord.sizeof()
    entries = (store.log_segments - 1) * (store.segment_size // unit - 2)
    if audit_every == 0:
        return int(entries * batch)
    # each entry that a thumbnail takes is one less for a batch
    return int(entries * batch * audit_every // (audit_every + batch))


def records_budget(frames: int, audit_every: int, chunk_bytes: int) -> int:
    """Bytes of a pass that carries the records of so many frames and nothing else.

    A pass ends when the largest packet no longer fits into what is left.
    """
    chunk = TmHeader.sizeof() + ChunkHeader.sizeof() + PacketTrailer.sizeof() + chunk_bytes
    record, thumbnail = DecisionPacket.sizeof(), ThumbnailPacket.sizeof()
    thumbnails = frames // audit_every + 1 if audit_every else 0
    budget: int = (frames - 1) * record + thumbnails * thumbnail + max(chunk, thumbnail)
    return budget


def picture_error(error: Exception) -> str:
    """What is wrong with a picture, in a few words and one line."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; cut it into parts"
    text = " ".join(str(error).split())
    if text.startswith("cannot identify image file"):
        return "not a picture that Pillow knows"
    return text or type(error).__name__
