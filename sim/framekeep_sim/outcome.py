"""What came of a run, and its numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from framekeep_ground.codes import Reason
from framekeep_onboard.pipeline import Decision

from framekeep_sim.costs import Costs
from framekeep_sim.dataset import Dataset
from framekeep_sim.digest import sha256
from framekeep_sim.events import Shot
from framekeep_sim.ground import Received, counters_after
from framekeep_sim.metrics import Confusion, confusion, speak_of_mission
from framekeep_sim.mission import Mission
from framekeep_sim.model import FlightModel
from framekeep_sim.outlook import Outlook, outlook
from framekeep_sim.play import Played

OF_INTEREST = (Reason.KEPT, Reason.NO_ROOM, Reason.TOO_LARGE)
SCREENED = (Reason.DARK, Reason.BRIGHT, Reason.BLANK)  # never scored


def reason_of(decision: Decision) -> Reason:
    """The ground's name for what the flight code decided."""
    return Reason(int(decision.reason))


def of_interest(decision: Decision) -> bool:
    """Whether the trigger accepted the frame, with or without room for it."""
    return reason_of(decision) in OF_INTEREST


@dataclass(frozen=True, slots=True)
class Run:
    """A flight and all that can be said of it."""

    mission: Mission
    model: FlightModel
    dataset: Dataset
    shots: Sequence[Shot]
    skipped: Sequence[tuple[str, str]]
    passes: int
    played: Played
    seconds: float
    received: Received  # as the ground decodes it
    command: str
    costs: Costs | None = None  # of each step, where they were measured

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.mission.classes)

    @property
    def thresholds(self) -> tuple[int, ...]:
        return self.mission.thresholds(self.model.thresholds_of(self.mission))

    def outlook(self) -> Outlook | None:
        """None where no picture was made."""
        indices = {d.class_index for d in self.played.decisions}
        names = {index: self.model.class_name(index, self.mission) for index in indices}
        # as the mission calls those that it wants: its quotas do so too
        names |= dict(zip(self.mission.outputs(self.model.labels), self.wanted, strict=True))
        played = self.played
        return outlook(self.mission, played.decisions, names, played.store, played.stored)

    def confusion(self) -> Confusion | None:
        """None where the dataset's labels say nothing of the mission's classes."""
        if not speak_of_mission(self.dataset.labels, self.wanted):
            return None
        rows = zip(self.shots, self.played.decisions, strict=True)
        return confusion(((s.labels, of_interest(d)) for s, d in rows), self.wanted)

    def summary(self) -> dict[str, Any]:
        """summary.json; only `frames_per_second` and `seconds` differ from run to run."""
        decisions, played = self.played.decisions, self.played
        reasons = Counter(reason_of(d).name for d in decisions)
        kept = sum(of_interest(d) for d in decisions)
        in_flash = reasons[Reason.KEPT.name]
        sizes = [d.size for d in decisions if reason_of(d) is Reason.KEPT]
        reports = self.received.reports
        deleted = reports.count(("delete", "OK"))
        typical = sum(sizes) / len(sizes) if sizes else 0
        capacity = played.store["capacity"]
        ahead = self.outlook()
        link = self.mission.downlink
        summary: dict[str, Any] = {
            "mission": self.mission.name,
            "mission_sha256": sha256(self.mission.path.read_bytes()),
            "dataset": self.dataset.name,
            "model": self.model.path.name,
            "model_id": self.model.id.hex(),
            "target": dict(played.target),
            "frames": len(decisions),
            "kept": kept,
            "dropped": len(decisions) - kept,
            "refused": kept - in_flash,
            "evicted": in_flash - deleted - played.store["frames"],
            "deleted": deleted,
            "stored": played.store["frames"],
            "downlinked": len(self.received.pictures),
            "decisions_downlinked": self.received.decisions,
            "commands": len(reports),
            "commands_refused": sum(error != "OK" for _, error in reports),
            "skipped": len(self.skipped),
            "passes": self.passes,
            "reasons": {reason.name: reasons[reason.name] for reason in Reason},
            "bytes_offered": len(decisions) * self.mission.camera.frame_bytes,
            "bytes_stored": played.store["bytes"],
            "bytes_downlinked": len(played.downlink),
            "flash_capacity": capacity,
            "picture_bytes_mean": round(typical, 1),
            "flash_holds_frames": ahead.all.fits if ahead else None,
            "outlook": ahead.json() if ahead else None,
            "frames_per_second": round(len(decisions) / self.seconds, 1) if self.seconds else None,
            "seconds": round(self.seconds, 3),
            "counters": asdict(counters_after(played.downlink, (link.record_apid, link.image_apid))),
            "digests": {
                "decisions": sha256(b"".join(d.record for d in decisions)),
                "flash": sha256(played.flash),
                "downlink": sha256(played.downlink),
            },
        }
        counted = self.confusion()
        if counted:
            summary["labelled"] = counted.found + counted.missed + counted.false + counted.left
            summary["precision"] = counted.precision
            summary["precision_interval"] = list(counted.precision_interval)
            summary["recall"] = counted.recall
            summary["recall_interval"] = list(counted.recall_interval)
            summary["confusion"] = {
                "found": counted.found,
                "missed": counted.missed,
                "false": counted.false,
                "left": counted.left,
            }
        return summary
