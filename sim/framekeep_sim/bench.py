"""fk-sim bench: what each stage costs, on every emulated core and on this machine."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from framekeep_sim.errors import UserError

STAGES = ("nn", "store", "codec", "link", "pipeline")
TARGETS = ("host", "qemu-m4", "qemu-m7", "qemu-m55")
Report = Mapping[str, Any]


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments of `fk-sim bench`."""
    parser.add_argument("stage", choices=STAGES, help="what to measure")
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="nn: .tflite files")
    parser.add_argument("--layers", action="store_true", help="nn: a row per layer too")
    parser.add_argument("--target", action="append", choices=TARGETS, help="nn: only this one (repeatable)")
    parser.add_argument("--mission", type=Path, metavar="M.toml", help="pipeline: the mission to fly")
    parser.add_argument("--limit", type=int, default=8, metavar="N", help="pipeline: frames (default 8)")
    parser.add_argument(
        "--record", action="store_true", help="pipeline: keep it beside the mission, for fk-sim run to show"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: Namespace) -> int:
    """Measure, then print one table or one JSON object."""
    if args.record and args.stage != "pipeline":
        raise UserError(f"bench {args.stage} takes no --record; it goes with pipeline")
    report = _MEASURE[args.stage](args)
    if args.json:
        print(json.dumps(report))
    else:
        _print(args.stage, report)
    return 0


def _nn(args: Namespace) -> Report:
    if not args.models:
        raise UserError("bench nn: name one or more .tflite files, such as models/trained/person_96.tflite")
    from framekeep_sim import bench_nn

    return bench_nn.run(args.models, args.target or TARGETS, layers=args.layers)


def _stage(name: str) -> Callable[[Namespace], Report]:
    def measure(args: Namespace) -> Report:
        if args.models:
            raise UserError(f"bench {name} takes no models")
        report: Report = import_module(f"framekeep_sim.bench_{name}").run()
        return report

    return measure


def _pipeline(args: Namespace) -> Report:
    if args.mission is None:
        raise UserError("bench pipeline: name a mission with --mission, such as missions/security.toml")
    if args.limit < 1:
        raise UserError(f"--limit {args.limit}: allowed are whole numbers from 1")
    from framekeep_sim import bench_pipeline

    return bench_pipeline.run(args.mission, args.limit, record=args.record)


_MEASURE: Mapping[str, Callable[[Namespace], Report]] = {
    "nn": _nn,
    "pipeline": _pipeline,
    **{name: _stage(name) for name in ("store", "codec", "link")},
}


def _print(title: str, report: Report) -> None:
    """One table: rows where the report has rows, else its figures by name."""
    console = Console(width=None if Console().is_terminal else 200)
    rows = report.get("rows")
    if "profiles" in report:
        from framekeep_sim import bench_store

        rows = bench_store.rows(report)
        report = {name: value for name, value in report.items() if not isinstance(value, Mapping)}
    steps = report.get("steps")
    beside = (
        {}
        if rows is None
        else {name: value for name, value in report.items() if name not in ("rows", "steps")}
    )
    if rows is None:
        rows = [{"figure": name, "value": value} for name, value in _flat(report)]
    console.print(_table(title, rows))
    if steps:
        console.print(_table("steps, each", steps))
    for name, value in beside.items():
        console.print(f"{name.replace('_', ' ')}: {_cell(value)}")


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    table = Table(title=title, box=None, header_style="bold", title_justify="left")
    for name in names:
        left = isinstance(rows[0][name], str)
        table.add_column(name.replace("_", " "), justify="left" if left else "right")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in names))
    return table


def _flat(report: Report, prefix: str = "") -> Sequence[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in report.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value))
    return pairs


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1000
        else (f"{value:,.0f}" if isinstance(value, float) else str(value))
    )
