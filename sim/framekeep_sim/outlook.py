"""What fits in a mission's flash, how long until it is full, and how long the chip lasts.

From what a run showed: how often a frame is of interest, how large its picture is, what it takes on
flash. All of it is for the mission without passes: what came down makes room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from framekeep_ground.formats import STORE_CRC, DecisionRecord, StoreLog
from framekeep_onboard.pipeline import Decision

from framekeep_sim.charts import bytes_text
from framekeep_sim.mission import Layout, Mission, Store

# Of `fk-sim bench store`, rounded up: bytes programmed for each byte kept once the flash is full, and how
# much more often than on average the most worn segment is erased.
MOVES = {Layout.PACKED: 1.2, Layout.CHAIN: 1.1}
UNEVEN = 1.3
RECORDS_AT_ONCE = 6  # decision records that share a write (FK_PIPELINE_BATCH)
LOG_REST = int(StoreLog.sizeof()) + 1 + STORE_CRC  # bytes of a log record beside them
YEAR = 365.25 * 86400


@dataclass(frozen=True, slots=True)
class Share:
    """Of the frames of interest, or those of one class."""

    offered: int  # frames of interest in the run
    picture_bytes: float  # mean
    fits: int  # pictures, if there were only such ones
    floor: int  # pictures that other classes leave it
    seconds_to_full: float  # at this rate


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a mission's flash will do."""

    all: Share
    classes: Mapping[str, Share]
    seconds_per_frame: float
    erases_per_day: float  # of the average segment
    endurance: int
    years: float  # until the most worn segment has had them

    def json(self) -> dict[str, Any]:
        return asdict(self)


def outlook(
    mission: Mission,
    decisions: Sequence[Decision],
    names: Mapping[int, str],
    store: Mapping[str, int],
    stored: frozenset[int],
) -> Outlook | None:
    """None where no frame was of interest. `names`: of the classes; `store`: the flash at the end."""
    offered = [d for d in decisions if d.size]
    if not offered:
        return None
    kept = sum(d.size for d in offered if d.frame_id in stored)
    padding = max(1.0, store["bytes"] / kept) if kept else 1.0
    room = int(store["capacity"] / padding + 0.5)  # bytes for pictures alone
    step = seconds_per_frame(mission, decisions)
    all_frames = len(decisions) * step

    def share(these: Sequence[Decision], floor: int = 0, ceiling: int = 0) -> Share:
        count, size = len(these), sum(d.size for d in these)
        fits = min(min(room, ceiling or room) * count // size, mission.store.frames_max)
        return Share(count, size / count, fits, floor * count // size, fits * all_frames / count)

    classes = {}
    ceilings: list[int] = []
    for index in sorted({d.class_index for d in offered}):
        name = names.get(index, str(index))
        quota = mission.store.quotas.get(name)
        bounds = (quota.floor, quota.ceiling) if quota else (0, 0)
        ceilings.append(bounds[1] or room)
        classes[name] = share([d for d in offered if d.class_index == index], *bounds)
    written = sum(d.size for d in offered) * padding * MOVES[mission.store.layout]
    written += len(decisions) * _record_bytes(mission.store)
    per_day = written / all_frames * 86400 / mission.store.capacity
    return Outlook(
        all=share(offered, ceiling=sum(ceilings)),
        classes=classes,
        seconds_per_frame=step,
        erases_per_day=per_day,
        endurance=mission.store.endurance,
        years=mission.store.endurance / (per_day * UNEVEN) * 86400 / YEAR,
    )


def seconds_per_frame(mission: Mission, decisions: Sequence[Decision]) -> float:
    """As the run went (a video has its own clock), else the mission's cadence."""
    if len(decisions) > 1:
        span = (decisions[-1].time - decisions[0].time) / 65536
        if span > 0:
            return span / (len(decisions) - 1)
    return float(mission.camera.cadence)


def _record_bytes(store: Store) -> float:
    """That a decision takes in the log: some share a record, which fills whole program units."""
    size = RECORDS_AT_ONCE * int(DecisionRecord.sizeof()) + LOG_REST
    unit = max(8, store.program_unit)
    return -(-size // unit) * unit / RECORDS_AT_ONCE


def sentences(told: Outlook) -> list[str]:
    """For people, a line each."""
    full = duration(told.all.seconds_to_full)
    lines = [
        f"flash holds about {told.all.fits} pictures of {bytes_text(told.all.picture_bytes)}: "
        f"without a pass it is full after {full}, then the least valuable go"
    ]
    for name, share in told.classes.items():
        if len(told.classes) == 1 and not share.floor and share.fits == told.all.fits:
            continue
        kept_for_it = f", {share.floor} of them safe from other classes" if share.floor else ""
        lines.append(
            f"  {name}: at most {share.fits} of {bytes_text(share.picture_bytes)}{kept_for_it}, "
            f"{duration(share.seconds_to_full)} at its rate"
        )
    return [
        *lines,
        f"wear: {_digits(told.erases_per_day)} erases a day and segment; "
        f"the {told.endurance:,} that it stands last {duration(told.years * YEAR)}",
    ]


def duration(seconds: float) -> str:
    """In the unit that gives a handful of digits: 40 s, 3.5 h, 12 days, 7 years."""
    for unit, size, most in (
        ("s", 1, 120),
        ("min", 60, 7200),
        ("h", 3600, 172800),
        ("days", 86400, 2 * YEAR),
    ):
        if seconds < most:
            return f"{_digits(seconds / size)} {unit}"
    years = seconds / YEAR
    return "more than 100 years" if years > 100 else f"{_digits(years)} years"


def _digits(value: float) -> str:
    if value < 0.1:
        return "less than 0.1"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
