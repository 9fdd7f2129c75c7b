"""`fk-sim run`: a dataset through the flight code, and what came of it on disk."""

import csv
import json
import shlex
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from framekeep_ground.codes import ERROR_TEXT, REASON_TEXT, Error, Reason
from framekeep_ground.command import split
from framekeep_onboard.pipeline import Decision
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from framekeep_sim import costs, report_costs
from framekeep_sim import dataset as datasets
from framekeep_sim import mission as missions
from framekeep_sim import model as models
from framekeep_sim.charts import bytes_text
from framekeep_sim.errors import UserError
from framekeep_sim.events import Flight, Uplink
from framekeep_sim.ground import receive
from framekeep_sim.outcome import Run, of_interest, reason_of
from framekeep_sim.outlook import sentences
from framekeep_sim.output import SUMMARY, whole_folder
from framekeep_sim.play import HOST, TARGETS, play
from framekeep_sim.report import render

TOP = 5  # frames that the terminal names
SAID_MOST = 20  # skipped pictures that it names


def add_arguments(parser: ArgumentParser) -> None:
    add_flight_arguments(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="RUN", help="folder for the results")
    parser.add_argument(
        "--target", choices=(HOST, *TARGETS), default=HOST, help="where the flight code runs (default: host)"
    )


def add_flight_arguments(parser: ArgumentParser) -> None:
    """What every command that flies a dataset takes."""
    parser.add_argument("dataset", metavar="DATASET", help="folder, CSV, COCO JSON, video, picture, or demo")
    parser.add_argument("--mission", required=True, type=Path, metavar="M.toml", help="what flies")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help=".fkm or .tflite, in place of the mission's"
    )
    parser.add_argument(
        "--uplink",
        action="append",
        default=[],
        type=_uplink,
        metavar="N:FILE",
        help="after N frames the telecommands in FILE come up; can be given again",
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="take only the first N pictures")
    parser.add_argument("--seed", type=int, metavar="S", help="take them in an order drawn from S")
    parser.add_argument(
        "--label", default="label", metavar="COLUMN", help="column of a CSV that holds the label"
    )
    parser.add_argument(
        "--jobs", type=_count, metavar="N", help="pictures decoded at a time (default: per CPU)"
    )
    parser.add_argument("--json", action="store_true", help="print summary.json on stdout, nothing else")


def _count(text: str) -> int:
    value = int(text) if text.isascii() and text.isdecimal() else 0
    if value < 1:
        raise ArgumentTypeError(f"{text} is no whole number from 1")
    return value


def _uplink(text: str) -> Uplink:
    count, _, name = text.partition(":")
    if not (count.isascii() and count.isdecimal() and name):
        raise ArgumentTypeError(f"{text}: write N:FILE, the frames before it and the file")
    return Uplink(int(count), name, telecommands(name))


def telecommands(name: str) -> tuple[bytes, ...]:
    """The packets in a file, as an argument of the command line names it."""
    try:
        return tuple(split(Path(name).read_bytes()))
    except FileNotFoundError:
        raise ArgumentTypeError(f"{name}: no such file; make it with fk-ground command") from None
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"{name}: no file of telecommands: {error}") from None


def run(args: Namespace) -> int:
    mission = missions.load(args.mission)
    with whole_folder(args.out) as folder:
        done = fly(args, mission, args.target)
        write(folder, done)
    if args.json:
        print(json.dumps(done.summary()))
    else:
        tell(done, args.out)
    return 0


def fly(args: Namespace, mission: missions.Mission, target: str) -> Run:
    """Play the dataset on one target."""
    model = models.load(args.model or mission.model, target)
    mission.check_outputs(model.labels, len(model.thresholds))
    policy = mission.policy(model.labels, model.thresholds_of(mission))
    measured = costs.find(mission, model)
    dataset = datasets.load(args.dataset, limit=args.limit, seed=args.seed, label=args.label)
    if args.seed is not None and dataset.kind == "video":
        _say("a video is taken in its own order; --seed has no effect")
    if args.label != "label" and dataset.kind != "CSV":
        _say("only a CSV has columns; --label has no effect")
    flight = flight_of(args, mission, dataset)
    started = time.perf_counter()
    with _progress() as progress:
        task = progress.add_task(target, total=dataset.count, kept="")
        kept = decided = 0

        def seen(decision: Decision) -> None:
            nonlocal kept, decided
            kept += of_interest(decision)
            decided += 1
            progress.update(task, completed=decided + len(flight.skipped), kept=f"{kept} kept")

        played = play(target, flight, policy, model, seen)
    seconds = time.perf_counter() - started
    for name, problem in flight.skipped[:SAID_MOST]:
        _say(f"{name}: {problem}; skipped")
    if len(flight.skipped) > SAID_MOST:
        _say(f"{len(flight.skipped) - SAID_MOST} more pictures cannot be read; skipped")
    if not flight.shots:
        count = f"none of its {len(flight.skipped)} pictures" if flight.skipped else "no picture in it"
        raise UserError(f"{args.dataset}: {count} can be read")
    return Run(
        mission=mission,
        model=model,
        dataset=dataset,
        shots=flight.shots,
        skipped=flight.skipped,
        passes=flight.passes,
        played=played,
        seconds=seconds,
        received=receive(played.downlink),
        command=_command(args, target),
        costs=measured,
    )


def flight_of(args: Namespace, mission: missions.Mission, dataset: datasets.Dataset) -> Flight:
    """The dataset as a flight of this mission, with the telecommands asked for."""
    flight = Flight(mission, dataset, args.jobs) if args.jobs else Flight(mission, dataset)
    flight.uplinks = args.uplink
    return flight


def _command(args: Namespace, target: str) -> str:
    """The same run again, as one would type it."""
    words = ["fk-sim", "run", args.dataset, "--mission", str(args.mission), "--out", "RUN"]
    for name in ("model", "limit", "seed"):
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    if args.label != "label":
        words += ["--label", args.label]
    for uplink in args.uplink:
        words += ["--uplink", f"{uplink.after}:{uplink.name}"]
    if target != HOST:
        words += ["--target", target]
    return shlex.join(words)


def _say(line: str) -> None:
    print(f"fk-sim: {line}", file=sys.stderr)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames {task.fields[kept]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


# --- On disk ---------------------------------------------------------------------------------------


def write(folder: Path, done: Run) -> None:
    """RUN's five files."""
    (folder / "flash.bin").write_bytes(done.played.flash)
    (folder / "downlink.bin").write_bytes(done.played.downlink)
    _write_decisions(folder / "decisions.csv", done)
    (folder / "report.html").write_text(render(done), "utf-8", "backslashreplace")
    (folder / SUMMARY).write_text(json.dumps(done.summary(), indent=2) + "\n", "utf-8")


COLUMNS = (
    *("frame_id", "file", "label", "time", "reason", "class_index", "class", "score", "value", "size"),
    *("mean", "contrast", "error", "box_x", "box_y", "box_width", "box_height", "model_id"),
)


def _write_decisions(path: Path, done: Run) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for shot, d in zip(done.shots, done.played.decisions, strict=True):
            rows.writerow(
                [
                    d.frame_id,
                    shot.name,
                    "" if shot.labels is None else ";".join(sorted(shot.labels)),
                    _utc(d.time),
                    reason_of(d).name,
                    d.class_index,
                    done.model.class_name(d.class_index, done.mission),
                    d.score,
                    d.value,
                    d.size,
                    d.mean,
                    d.contrast,
                    d.error,
                    *d.box,
                    done.model.id.hex(),
                ]
            )


def _utc(time_: int) -> str:
    """CUC time as ISO 8601, to the microsecond."""
    moment = missions.EPOCH + timedelta(seconds=time_ >> 16, microseconds=((time_ & 0xFFFF) * 10**6) >> 16)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- On the terminal -------------------------------------------------------------------------------


def tell(done: Run, out: Path) -> None:
    """What was kept and why, and where to look."""
    console = Console(highlight=False)
    summary = done.summary()
    table = Table("reason", "frames", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, count in summary["reasons"].items():
        if count:
            table.add_row(name, str(count), REASON_TEXT[Reason[name]])
    for code, count in Counter(d.error for d in done.played.decisions if d.error).items():
        table.add_row("", str(count), f"of these: {ERROR_TEXT[Error(code)]} ({Error(code).name})")
    console.print(table)
    pairs = zip(done.shots, done.played.decisions, strict=True)
    best = sorted((p for p in pairs if reason_of(p[1]) is Reason.KEPT), key=lambda p: -p[1].value)[:TOP]
    for shot, d in best:
        name = done.model.class_name(d.class_index, done.mission)
        console.print(f"  {shot.name}: {name} {d.score}/255, {bytes_text(d.size)}", markup=False)
    _tell_numbers(console, done, summary)
    console.print(f"report: {out / 'report.html'}", markup=False, soft_wrap=True)


def _tell_numbers(console: Console, done: Run, summary: dict[str, Any]) -> None:
    offered, sent = summary["bytes_offered"], summary["bytes_downlinked"]
    console.print(
        f"{summary['frames']} frames: {summary['kept']} kept, {summary['evicted']} evicted, "
        f"{summary['stored']} in flash, {summary['downlinked']} downlinked in {summary['passes']} passes"
    )
    console.print(f"{bytes_text(offered)} offered, {bytes_text(sent)} downlinked")
    ahead = done.outlook()
    for line in [*(sentences(ahead) if ahead else ()), *report_costs.sentences(done)]:
        console.print(line, soft_wrap=True)
    for name in ("precision", "recall"):
        if summary.get(name) is not None:
            low, high = summary[f"{name}_interval"]
            console.print(f"{name} {summary[name]:.3f}, 95 % interval {low:.3f} to {high:.3f}")
    lost = summary["frames"] - summary["decisions_downlinked"]
    if lost:
        _say(
            f"{lost} of {summary['frames']} decision records did not come down: more passes or bytes in "
            "[downlink], or more log_segments in [store]"
        )
    if done.dataset.labels and "precision" not in summary:
        _say(
            f"the labels {', '.join(sorted(done.dataset.labels)[:5])} name none of the mission's classes "
            f"({', '.join(done.wanted)}): no precision or recall"
        )
