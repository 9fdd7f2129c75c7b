"""`fk-ground flash`: what a raw flash dump holds, and its frames as files."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framekeep_ground import flash_layout
from framekeep_ground.codes import Reason
from framekeep_ground.errors import UserError
from framekeep_ground.flash_layout import CHIPS, Layout, grain_of
from framekeep_ground.flash_store import STATE_TEXT, Contents, Frame, LogRecord, read
from framekeep_ground.formats import (
    SEQUENCE_MODULO,
    STORE_VERSION,
    SUBTYPE_DECISION,
    SUBTYPE_REPORT,
    SUBTYPE_THUMBNAIL,
    DecisionRecord,
    ReportRecord,
    ThumbnailRecord,
)
from framekeep_ground.output import write_bytes
from framekeep_ground.tables import COMMAND_NAMES, iso_time

DUMP_MAX = 1 << 31  # bytes; the largest region that a store can have is smaller
STATE_SIGNS = {"live": "#", "dead": "-", "clean": ".", "ring": "r", "blank": "_", "lost": "?", "retired": "X"}
COLUMNS = 64  # segments in a line of the map
ROWS_MAX = 64

EPILOG = """\
examples:
  fk-ground flash flash.bin
  fk-ground flash flash.bin --extract frames --plot wear.png
  fk-ground flash card.img --chip h7 --json
  fk-ground flash card.img --segment-size 4096 --program-unit 256
  fk-ground flash whole_chip.img --offset 1048576

Without --chip or --segment-size the dump's own records tell where its segments lie.
A frame is whole if the flight store would give it out; recovered if the store has
given it up (its segment lost its first record, or a newer copy is damaged) though
every CRC of it is right; damaged if not. --extract writes the whole and the
recovered ones, as DIR/ID.jpg. Frames that made room for better ones are shown as
long as they can be found: the store would find them too. Exit status 2: no store.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fk-ground flash`."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("dump", type=Path, metavar="FILE", help="the bytes of the region")
    parser.add_argument("--chip", choices=CHIPS, help="the chip that the dump is of")
    parser.add_argument("--segment-size", type=int, metavar="N", help="bytes that one erase clears")
    parser.add_argument("--program-unit", type=int, metavar="N", help="bytes that are programmed at once")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="where the region starts in FILE")
    parser.add_argument("--extract", type=Path, metavar="DIR", help="folder for the pictures")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="picture of the wear map")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Read the dump as the command line says; returns the exit status."""
    _check(options)
    data = _read(options.dump)
    if not data:
        raise UserError(f"{options.dump}: no store found: the file is empty")
    if options.offset >= len(data):
        raise UserError(f"--offset {options.offset}: {options.dump} has {len(data):,} bytes")
    data = data[options.offset :]
    layout = _layout(options, data)
    contents = read(data, layout)
    if options.extract:
        extract(contents, options.extract)
    if options.plot:
        from framekeep_ground.flash_plot import plot  # matplotlib takes a second to load

        plot(contents, options.plot, options.dump.name)
    facts = summary(contents, str(options.dump), len(data))
    print(json.dumps(facts) if options.json else report(contents, facts))
    return 0


def _read(path: Path) -> bytes:
    """The bytes of a file, a pipe or a device."""
    if not path.exists() or path.is_dir():
        problem = "a folder" if path.is_dir() else "no such file"
        raise UserError(f"{path}: {problem}; name a raw dump, such as the flash.bin of a run")
    data = b""
    if path.stat().st_size <= DUMP_MAX:
        with path.open("rb") as file:
            data = file.read(DUMP_MAX + 1)
    if len(data) > DUMP_MAX or path.stat().st_size > DUMP_MAX:
        raise UserError(f"{path}: over {DUMP_MAX:,} bytes; cut the store's region out of it")
    return data


def _check(options: argparse.Namespace) -> None:
    if options.chip and (options.segment_size is not None or options.program_unit is not None):
        raise UserError("--chip: already says what --segment-size and --program-unit say; leave one out")
    if options.program_unit is not None and options.segment_size is None:
        raise UserError("--program-unit: needs --segment-size beside it")
    if options.segment_size is not None:
        flash_layout.check(options.segment_size, options.program_unit)
    if options.offset < 0:
        raise UserError(f"--offset {options.offset}: is a number of bytes from the start of FILE, 0 or more")
    if options.extract and options.extract.exists() and not options.extract.is_dir():
        raise UserError(f"{options.extract}: is a file; name a folder for the pictures")


def _layout(options: argparse.Namespace, data: bytes) -> Layout:
    """Where the segments lie; UserError if that cannot be."""
    banks: tuple[flash_layout.Bank, ...] = ()
    unit = options.program_unit
    if options.chip:
        banks, unit = CHIPS[options.chip]
    elif options.segment_size is not None:
        banks = ((options.segment_size, 0),)
    layout = flash_layout.find(data, banks, unit)
    if layout is not None:
        return layout
    guess = flash_layout.find(data) if banks else None
    if guess is not None:
        told = f"--chip {options.chip}" if options.chip else f"--segment-size {options.segment_size}"
        if unit is not None:
            told += f" (grain {grain_of(unit, max(size for size, _ in banks))})"
        raise UserError(
            f"{options.dump}: no store with {told}; its records say segments of {_sizes(guess)} bytes, "
            f"grain {guess.grain}: leave the geometry out"
        )
    version = flash_layout.other_version(data)
    if version is not None:
        raise UserError(
            f"{options.dump}: a store of version {version}; this program reads version {STORE_VERSION}"
        )
    start = flash_layout.start_of(data)
    if start:
        start += options.offset
        raise UserError(
            f"{options.dump}: the store's region starts at byte {start} of it: add --offset {start}"
        )
    if not data.strip(b"\xff"):
        raise UserError(f"{options.dump}: no store found: every byte is FF, so nothing was ever stored here")
    raise UserError(f"{options.dump}: no store found; is it a raw dump of framekeep's flash region?")


def extract(contents: Contents, folder: Path) -> int:
    """Writes every picture that verifies; how many."""
    verified = [frame for frame in contents.frames if frame.status != "damaged"]
    for frame in verified:
        write_bytes(folder / f"{frame.frame_id}.jpg", frame.picture)
    return len(verified)


# --- Facts ----------------------------------------------------------------------------------------


def summary(contents: Contents, source: str, size: int) -> dict[str, Any]:
    """All that is known, for machines."""
    layout, wear = contents.layout, contents.wear()
    missing = layout.count - len(layout.segments)
    end = sum(layout.segments[-1])
    return {
        "tool": "fk-ground flash",
        "source": source,
        "bytes": size,
        "segment_count": layout.count,
        "segment_size": max(size for _, size in layout.segments),
        "grain": layout.grain,
        "segments_missing": missing,
        "bytes_missing": max(0, end - size),
        "bytes_beyond": max(0, size - end) if not missing else 0,
        "bytes_free": contents.free(),
        "states": contents.states(),
        "wear": {"min": min(wear), "mean": sum(wear) / len(wear), "max": max(wear)},
        "frames": [_frame_facts(frame) for frame in contents.frames],
        "records": [fact for record in contents.log for fact in _record_facts(record)],
        "segments": [
            {name: getattr(s, name) for name in ("number", "address", "size", "state", "wear", "live")}
            for s in contents.segments
        ],
    }


def _frame_facts(frame: Frame) -> dict[str, Any]:
    names = ("frame_id", "status", "value", "class_index", "score", "size", "verified", "sent", "tag", "box")
    return {name: getattr(frame, name) for name in names} | {
        "time": iso_time(frame.time),
        "model_id": frame.model_id.hex(),
        "copy": frame.copy,
        "segments": frame.segments,
    }


def _record_facts(record: LogRecord) -> Iterator[dict[str, Any]]:
    """What a record holds: some decisions, a thumbnail, a report, or bytes that nobody knows."""
    facts: dict[str, Any] = {"number": record.number, "sent": record.sent}
    kind, data, size = record.data[:1], record.data[1:], DecisionRecord.sizeof()
    if kind == bytes([SUBTYPE_THUMBNAIL]) and len(data) == ThumbnailRecord.sizeof():
        thumb = ThumbnailRecord.parse(data)
        time, pixels = iso_time(thumb.time), thumb.thumbnail.pixels.hex()
        yield facts | {"time": time, "frame_id": thumb.thumbnail.frame_id, "thumbnail": pixels}
        return
    if kind == bytes([SUBTYPE_REPORT]) and len(data) == ReportRecord.sizeof():
        said = ReportRecord.parse(data)
        r = said.report
        yield facts | {
            "time": iso_time(said.time),
            "command": COMMAND_NAMES.get(r.command_subtype, str(r.command_subtype)),
            "command_sequence": r.command_sequence & SEQUENCE_MODULO - 1,
            "error": r.error,
            "frame_id": r.frame_id,
        }
        return
    if kind != bytes([SUBTYPE_DECISION]) or not data or len(data) % size:
        yield facts | {"data": record.data.hex()}
        return
    for at in range(0, len(data), size):
        parsed = DecisionRecord.parse(data[at : at + size])
        d = parsed.decision
        yield facts | {
            "time": iso_time(parsed.time),
            "reason": reason_name(d.reason),
            **{name: d[name] for name in ("frame_id", "size", "value", "class_index", "score", "error")},
        }


def reason_name(code: int) -> str:
    """The name of a reason, or its number if it has none."""
    return Reason(code).name if code in set(Reason) else str(code)


# --- For people -----------------------------------------------------------------------------------


def report(contents: Contents, facts: dict[str, Any]) -> str:
    """The dump in a page: what it is, its frames, its decisions, its segments."""
    return "\n".join([*_head(contents, facts), *_frame_table(contents), *_map(contents)])


def _sizes(layout: Layout) -> str:
    return " and ".join(f"{size}" for size in sorted({size for _, size in layout.segments}))


def _head(contents: Contents, facts: dict[str, Any]) -> Iterator[str]:
    wear, states = facts["wear"], facts["states"]
    yield (
        f"{facts['source']}: {facts['segment_count']} segments of {_sizes(contents.layout)} bytes, "
        f"grain {facts['grain']}"
    )
    if facts["segments_missing"] or facts["bytes_missing"]:
        part = " and a part of the last" if facts["bytes_missing"] else ""
        yield f"missing    the dump ends early: {facts['segments_missing']} segments{part} are not in it"
    if facts["bytes_beyond"]:
        yield f"beyond     {facts['bytes_beyond']:,} bytes after the region are not read"
    found = Counter(frame.status for frame in contents.frames)
    text = ", ".join(f"{count} {status}" for status, count in sorted(found.items(), reverse=True)) or "none"
    sent = sum(frame.sent for frame in contents.frames)
    yield f"frames     {text}; {sent} were sent"
    reasons = Counter(map(_kind, facts["records"]))
    unnamed = [name for name in reasons if name.isdigit()]  # no reason that this program knows
    reasons["other"] += sum(reasons.pop(name) for name in unnamed)
    unsent = sum(not record["sent"] for record in facts["records"])
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(reasons.items()) if count) or "none"
    yield f"decisions  {kinds}; {unsent} not known to be sent"
    yield f"segments   {', '.join(f'{count} {state}' for state, count in states.items() if count)}"
    yield f"free       {facts['bytes_free']:,} bytes"
    yield f"wear       {wear['min']} to {wear['max']} erases, {wear['mean']:.1f} on average"


def _kind(record: dict[str, Any]) -> str:
    """What is counted of a record of the ring: the reason of a decision, else what it is."""
    other = "thumbnail" if "thumbnail" in record else "report" if "command" in record else "other"
    return str(record.get("reason", other))


def _frame_table(contents: Contents) -> Iterator[str]:
    if contents.frames:
        yield f"\n{'frame':>10}  {'value':>5} {'class':>5} {'score':>5} {'size':>7}  {'time':27}  state"
    for f in contents.frames:
        state = f.status + (", sent" if f.sent else "")
        if f.status == "damaged":
            state += f", {f.verified:,} bytes verify"
        row = f"{f.frame_id:>10}  {f.value:>5} {f.class_index:>5} {f.score:>5} {f.size:>7}"
        yield f"{row}  {iso_time(f.time):27}  {state}"


def _map(contents: Contents) -> Iterator[str]:
    """One sign per segment."""
    signs = "".join(STATE_SIGNS[s.state] for s in contents.segments)
    there = [state for state, count in contents.states().items() if count]
    yield ""
    yield from (f"  {STATE_SIGNS[state]} {state}: {STATE_TEXT[state]}" for state in there)
    for start in range(0, min(len(signs), COLUMNS * ROWS_MAX), COLUMNS):
        yield f"{start:>6} {signs[start : start + COLUMNS]}"
    if len(signs) > COLUMNS * ROWS_MAX:
        yield f"{'':6} and {len(signs) - COLUMNS * ROWS_MAX} more: --plot or --json shows all"
