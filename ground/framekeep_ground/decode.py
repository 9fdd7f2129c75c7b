"""`fk-ground decode`: a downlink to a folder of pictures and tables."""

import argparse
import contextlib
import io
import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from framekeep_ground import formats, sources, tables
from framekeep_ground.answers import gone, telecommands
from framekeep_ground.codes import Reason
from framekeep_ground.decoder import Decoder, Gap
from framekeep_ground.errors import UserError
from framekeep_ground.judge import STATUSES, Judged, Key, judge_all
from framekeep_ground.output import read_json, replacing, write_bytes, write_csv
from framekeep_ground.reassembly import Picture
from framekeep_ground.sheet import Audited, Card, sheet

TOOL = "fk-ground decode"
GAP_COLUMNS = ("kind", "apid", "frame_id", "first", "last", "count")
STATUS_COLUMNS = ("status", "file", "received", "shown")
RECORDING = "live.bin"
TABLES_EVERY = 20.0  # seconds between the tables of a live source
TIMEOUT_MAX = 1e6  # seconds; more is no silence that anybody waits for
PROGRESS_FROM = 8 << 20  # bytes; smaller inputs are done before a bar can be read

EPILOG = """\
examples:
  fk-ground decode downlink.bin --out pass7
  fk-ground decode - --out pass7 < downlink.bin
  fk-ground decode udp://:10015 --timeout 60 --out live
  fk-ground decode "serial:///dev/ttyUSB0?baud=115200" --out bench

OUT/ gets frames/ID.jpg (whole and checked), partial/ID.jpg (what came down of the
others, the rest grey), thumbnails/ID.png (of the frames that the mission's audit
chose, kept or not), decisions.csv, frames.csv, reports.csv (what became of each
telecommand), gaps.csv, summary.json and index.html. Several passes can be given at
once; what one missed another may have, and index.html shows what the last one repaired.
Ctrl-C ends a live source and writes the tables of what came so far. What comes from a
socket or line is added to OUT/live.bin, which is read first when OUT is used for one
again: the passes of several days come together. Other pictures that an earlier run
wrote to OUT are removed. The sequence counts in gaps.csv go on past 16383, so that a
range never wraps. With --sent, frames that the camera says it no longer has are not
listed to be asked for again.
"""


@dataclass
class _Frame:
    """One picture, what is known of it and where its file is."""

    judged: Judged
    info: dict[str, object]
    file: str = ""


class _Folder:
    """The output folder: writes whole files, and removes the pictures of an earlier run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: set[str] = set()
        self.files: dict[tuple[int, int], str] = {}  # of whole pictures, by id and size
        earlier = _earlier(path / "summary.json")
        self.ours = earlier is not None
        self.others = set(earlier or ())  # pictures that somebody else put there

    def whole(self, picture: Picture, data: bytes) -> None:
        """Write a picture that is whole; one whose id is taken gets its size in its name."""
        name = f"frames/{picture.frame_id}.jpg"
        if name in self.written:
            name = f"frames/{picture.frame_id}-{picture.size}.jpg"
        self.files[picture.frame_id, picture.size] = name
        self.picture(name, data)

    def picture(self, name: str, data: bytes) -> None:
        write_bytes(self.path / name, data)
        self.written.add(name)

    def forget_partial(self) -> None:
        self.written = {name for name in self.written if not name.startswith("partial/")}

    def remove_stale(self) -> None:
        found = set(self._numbered()) - self.written
        if not self.ours:
            self.ours = True  # from now on: whatever else was there stays
            self.others = found
        for name in found - self.others:
            (self.path / name).unlink()
        self.others &= found

    def _numbered(self) -> Iterator[str]:
        for pattern in ("frames/*.jpg", "partial/*.jpg", "thumbnails/*.png"):
            yield from self._ours_by_name(pattern)

    def _ours_by_name(self, pattern: str) -> Iterator[str]:
        for path in self.path.glob(pattern):
            if path.stem.replace("-", "", 1).isdigit():
                yield f"{path.parent.name}/{path.name}"


def _earlier(summary: Path) -> list[str] | None:
    """The pictures of others that an earlier run left in the folder; None if there was none."""
    try:
        said = read_json(summary)
        return [str(name) for name in said.get("others", ())] if said["tool"] == TOOL else None
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return None


def decode(
    inputs: Iterable[bytes],
    out: Path,
    source: str,
    every: float | None = None,
    newest: Iterable[bytes] | None = None,
    *,
    sent: Sequence[bytes] = (),
) -> dict[str, Any] | None:
    """Decode what `inputs` yield into the folder `out`; the summary, or None if there was no packet.

    With `every`, the tables are written each so many seconds, for those who watch a live source.
    `newest` is what came last, if it is to be told apart: the page shows what it repaired. `sent` are
    telecommands whose answers may be among it. An error of the inputs is raised when all that came before
    it is written.
    """
    folder = _Folder(out)
    decoder = Decoder(folder.whole)
    interrupted = False
    broken: UserError | OSError | None = None
    before: dict[Key, Judged] | None = None
    written = time.monotonic()
    try:
        for part in (inputs, newest):
            if part is newest and newest is not None:
                before = {judged.key: judged for judged in judge_all(decoder)}
            for piece in part or ():
                decoder.feed(piece)
                if every is not None and time.monotonic() > written + every and any(decoder.packets.values()):
                    _write(decoder, folder, source, before, sent, interrupted=False)
                    written = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    except (UserError, OSError) as error:
        interrupted, broken = True, error
    decoder.feed(b"", last=True)
    came = any(decoder.packets.values())
    summary = _write(decoder, folder, source, before, sent, interrupted=interrupted) if came else None
    if broken is not None:
        raise broken
    return summary


def _write(
    decoder: Decoder,
    folder: _Folder,
    source: str,
    before: dict[Key, Judged] | None,
    sent: Sequence[bytes],
    *,
    interrupted: bool,
) -> dict[str, Any]:
    """All tables, and the pictures that are not whole, as far as is known."""
    out = folder.path
    folder.forget_partial()
    frames = _frames(decoder, folder)
    gaps = decoder.gaps()
    summary = _summary(decoder, frames, gaps, gone(decoder.reports(), sent)) | {
        "newest": _newest(frames, before),
        "source": source,
        "interrupted": interrupted,
    }
    audited = list(_audited(decoder))
    for audit in audited:
        folder.picture(f"thumbnails/{audit.frame_id}.png", audit.png)
    decisions = tables.rows(decoder.decisions(), tables.DECISION_COLUMNS)
    write_csv(out / "decisions.csv", tables.DECISION_COLUMNS, decisions)
    write_csv(out / "frames.csv", [*tables.FRAME_COLUMNS, *STATUS_COLUMNS], map(_frame_row, frames))
    reports = tables.rows(decoder.reports(), tables.REPORT_COLUMNS)
    write_csv(out / "reports.csv", tables.REPORT_COLUMNS, reports)
    write_csv(out / "gaps.csv", GAP_COLUMNS, ([getattr(gap, c) for c in GAP_COLUMNS] for gap in gaps))
    with replacing(out / "index.html") as file:
        file.write(sheet(_cards(frames, out, before), summary, audited, str(out)))
    folder.remove_stale()
    summary["others"] = sorted(folder.others)
    with replacing(out / "summary.json") as file:
        json.dump(summary, file, indent=2)
        file.write("\n")
    return summary


# --- Frames ---------------------------------------------------------------------------------------


def _frames(decoder: Decoder, folder: _Folder) -> list[_Frame]:
    """Every picture with its status; writes what there is of those that are not whole."""
    infos = _info_rows(decoder)
    frames = [_Frame(judged, infos.get(judged.key, {})) for judged in judge_all(decoder)]
    best: dict[int, Judged] = {}
    for judged in (frame.judged for frame in frames):
        other = best.setdefault(judged.picture.frame_id, judged)
        if other.status != "complete" and (judged.status == "complete" or judged.received > other.received):
            best[judged.picture.frame_id] = judged
    for frame in frames:
        judged = frame.judged
        if judged.status == "complete":
            frame.file = folder.files[judged.key]
        elif judged.data is not None and best[judged.picture.frame_id] is judged:
            frame.file = f"partial/{judged.picture.frame_id}.jpg"
            folder.picture(frame.file, judged.data)
    return frames


def _info_rows(decoder: Decoder) -> dict[tuple[int, int], dict[str, object]]:
    """What is known of each picture: from its announcement, else from its decision record."""
    found: dict[tuple[int, int], dict[str, object]] = {}
    decisions = decoder.decisions()
    pictured = np.isin(decisions["data_frame_id"], [picture.frame_id for picture in decoder.pictures()])
    for records, columns in (
        (decoder.infos(), tables.FRAME_COLUMNS),
        (decisions[pictured], tables.DECISION_COLUMNS),
    ):
        keys = zip(records["data_frame_id"].tolist(), records["data_size"].tolist(), strict=True)
        for key, row in zip(keys, tables.rows(records, columns), strict=True):
            found.setdefault(key, dict(zip(columns, row, strict=True)))
    return found


def _frame_row(frame: _Frame) -> list[object]:
    judged, picture = frame.judged, frame.judged.picture
    known = {"frame_id": picture.frame_id, "size": picture.size} | frame.info
    if picture.time and "time" not in known:
        known["time"] = tables.iso_time(picture.time)
    values = [known.get(name, "") for name in tables.FRAME_COLUMNS]
    return [*values, judged.status, frame.file, judged.received, judged.shown]


# --- Summary --------------------------------------------------------------------------------------


def _summary(decoder: Decoder, frames: list[_Frame], gaps: list[Gap], lost: set[int]) -> dict[str, Any]:
    decisions = decoder.decisions()
    reasons = Counter(tables.code_names(Reason, decisions["data_reason"]))
    statuses = Counter(frame.judged.status for frame in frames)
    times = decoder.times()
    span = tables.iso_times(times[[times.argmin(), times.argmax()]]) if len(times) else ["", ""]
    return {
        "tool": TOOL,
        "bytes": decoder.bytes_read,
        "bytes_skipped": decoder.bytes_skipped,
        "packets": dict(decoder.packets),
        "first_time": span[0],
        "last_time": span[1],
        "decisions": len(decisions),
        "contradictions": decoder.contradictions(),
        "thumbnails": len(decoder.thumbnails()),
        "reports": _reports(decoder),
        "reasons": dict(sorted(reasons.items())),
        "frames": {status: statuses[status] for status in STATUSES},
        "missing": {
            kind: sum(gap.count for gap in gaps if gap.kind == kind)
            for kind in ("sequence", "decision", "bytes", "input")
        },
        "resend": _resend([frame for frame in frames if frame.judged.picture.frame_id not in lost]),
        "gone": sorted(
            {f.judged.picture.frame_id for f in frames if f.judged.status != "complete"}.intersection(lost)
        ),
    }


def _newest(frames: list[_Frame], before: dict[Key, Judged] | None) -> dict[str, int]:
    """What the newest source did where several were given: pictures made whole, and pictures that are new."""
    counted = {"repaired": 0, "new": 0}
    if before is None:
        return counted
    for judged in (frame.judged for frame in frames):
        earlier = before.get(judged.key)
        if earlier is None:
            counted["new"] += 1
        elif _made_whole(judged, earlier):
            counted["repaired"] += 1
    return counted


def _made_whole(judged: Judged, earlier: Judged) -> bool:
    return judged.status == "complete" != earlier.status


def _reports(decoder: Decoder) -> dict[str, int]:
    """How many telecommands were carried out, and how many were refused."""
    errors = decoder.reports()["data_error"]
    return {"done": int((errors == 0).sum()), "refused": int((errors != 0).sum())}


def _value(frame: _Frame) -> int:
    """What the camera thought it worth; -1 where nothing says so."""
    value = frame.info.get("value")
    return value if isinstance(value, int) else -1


def _resend(frames: list[_Frame]) -> list[str]:
    """What to ask for so that every picture becomes whole: FRAME:FIRST-LAST,... and FRAME:info.

    The most valuable first, as the flight code would send them: a camera takes a few at a time."""
    wanted = []
    done = {frame.judged.picture.frame_id for frame in frames if frame.judged.status == "complete"}
    for judged in (frame.judged for frame in sorted(frames, key=_value, reverse=True)):
        picture = judged.picture
        if picture.frame_id in done:
            continue
        ranges = [f"{first}-{last}" for first, last in judged.holes]
        if judged.status == "corrupt":
            ranges = [f"0-{picture.size - 1}"]
        if not picture.crc32:
            ranges.append("info")
        if ranges:
            wanted.append(f"{picture.frame_id}:{','.join(ranges)}")
    return wanted


def _audited(decoder: Decoder) -> Iterator[Audited]:
    """The thumbnails, with what was decided of their frames."""
    decisions = decoder.decisions()
    said = dict(
        zip(
            decisions["data_frame_id"].tolist(),
            zip(
                tables.code_names(Reason, decisions["data_reason"]),
                decisions["data_score"].tolist(),
                strict=True,
            ),
            strict=True,
        )
    )
    shape = formats.THUMBNAIL_HEIGHT, formats.THUMBNAIL_WIDTH
    for row in decoder.thumbnails():
        file = io.BytesIO()
        Image.fromarray(row["data_pixels"].reshape(shape)).save(file, "PNG")
        frame_id = int(row["data_frame_id"])
        reason, score = said.get(frame_id, ("", 0))
        yield Audited(frame_id, file.getvalue(), reason, score)


def _cards(frames: list[_Frame], out: Path, before: dict[Key, Judged] | None) -> Iterator[Card]:
    """What the page shows of each picture; `before` is what they were when the newest source began."""
    for frame in frames:
        judged = frame.judged
        earlier = before.get(judged.key) if before is not None else None
        more = earlier is not None and (earlier.received < judged.received or _made_whole(judged, earlier))
        yield Card(
            path=out / frame.file if frame.file else None,
            link=frame.file,
            judged=judged,
            info=frame.info,
            before=earlier if more else None,
            new=before is not None and earlier is None,
        )


def report(summary: dict[str, Any], out: Path) -> str:
    """The summary in a few lines for people."""
    frames, missing = summary["frames"], summary["missing"]
    reasons = ", ".join(f"{count} {name}" for name, count in summary["reasons"].items())
    packets = ", ".join(f"{count:,} {name}" for name, count in summary["packets"].items())
    states = ", ".join(f"{count} {name}" for name, count in frames.items() if count) or "none"
    lines = [
        f"{summary['source']}: {summary['bytes']:,} bytes, packets: {packets}",
        f"time       {summary['first_time']} .. {summary['last_time']}",
        f"decisions  {summary['decisions']:,}: {reasons or 'none'}",
        f"pictures   {states}",
    ]
    if summary["contradictions"]:
        lines.append(
            f"warning    {summary['contradictions']:,} decision records contradict others of the same frame: "
            "packets of two cameras? decode them apart"
        )
    if any(summary["newest"].values()):
        repaired, new = summary["newest"]["repaired"], summary["newest"]["new"]
        lines.append(f"newest     {repaired} pictures made whole by the newest source, {new} new in it")
    if any(summary["reports"].values()):
        done, refused = summary["reports"]["done"], summary["reports"]["refused"]
        lines.append(f"commands   {done} carried out, {refused} refused (reports.csv says why)")
    if any(missing.values()):
        lines.append(
            f"lost       {missing['sequence']:,} packets; {missing['input']:,} input bytes are no packet"
        )
        lines.append(
            f"missing    {missing['bytes']:,} picture bytes, {missing['decision']:,} decision records"
        )
    if summary["resend"]:
        some = " ".join(summary["resend"][:8])
        lines.append(f"resend     {some}{' ...' if len(summary['resend']) > 8 else ''}")
        lines.append(f"ask again  fk-ground command resend --from {shlex.quote(str(out))} -o resend.tc")
    if summary["gone"]:
        lines.append(
            f"gone       {' '.join(map(str, summary['gone']))}: no longer on board, stay as they are"
        )
    return "\n".join([*lines, f"look at    {out / 'index.html'}"])


# --- Command line ---------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fk-ground decode`."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("source", nargs="+", metavar="SOURCE", help="file, -, udp://, tcp:// or serial://")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and tables")
    parser.add_argument(
        "--sent",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="telecommands that went up, so that what they were answered counts; can be given again",
    )
    parser.add_argument(
        "--timeout", type=float, help="end after so many seconds of silence on a socket or line"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Decode as the command line says; returns the exit status."""
    if options.timeout is not None and not 0 < options.timeout <= TIMEOUT_MAX:
        raise UserError(f"--timeout {options.timeout:g}: allowed are seconds above 0, up to {TIMEOUT_MAX:g}")
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"{options.out}: is a file; name a folder for the output")
    for name in options.source:
        sources.check(name)
    sent = [packet for path in options.sent for packet in telecommands(path)]
    with _progress(options.source) as shown:
        recording = options.out / RECORDING
        once = any(map(sources.comes_once, options.source))
        names = [str(recording)] * (once and recording.is_file()) + options.source
        source = " ".join(names)
        every = TABLES_EVERY if any(map(sources.is_live, names)) else None
        *earlier, last = (shown(_pieces(name, options.timeout, recording)) for name in names)
        first, newest = (chain.from_iterable(earlier), last) if earlier else (last, None)
        summary = decode(first, options.out, source, every, newest, sent=sent)
    if summary is None:
        print(f"fk-ground: {source}: no packet found; is it a framekeep downlink?", file=sys.stderr)
        return 1
    print(json.dumps(summary) if options.json else report(summary, options.out))
    return 0


def _pieces(name: str, timeout: float | None, recording: Path) -> Iterator[bytes]:
    """What comes from a source; what does not come again is recorded."""
    pieces = sources.pieces(name, timeout)
    return sources.kept(pieces, recording) if sources.comes_once(name) else pieces


@contextlib.contextmanager
def _progress(names: list[str]) -> Iterator[Any]:
    """A bar on a terminal for files that take a while; nothing otherwise."""
    total = sum(sources.size_of(name) or 0 for name in names)
    if total < PROGRESS_FROM or not sys.stderr.isatty() or any(map(sources.is_live, names)):
        yield lambda pieces: pieces
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    look = (TextColumn("decoding"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*look, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)

        def counted(pieces: Iterable[bytes]) -> Iterator[bytes]:
            for piece in pieces:
                yield piece
                progress.advance(task, len(piece))

        yield counted
