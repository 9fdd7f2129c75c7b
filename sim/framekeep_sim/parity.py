"""`fk-sim parity`: the same flight on the host and on every emulated microcontroller, digest by digest."""

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from rich.console import Console
from rich.table import Table

from framekeep_sim import mission as missions
from framekeep_sim.play import HOST, TARGETS
from framekeep_sim.run import add_flight_arguments, fly

DIGESTS = ("decisions", "flash", "downlink")


def add_arguments(parser: ArgumentParser) -> None:
    add_flight_arguments(parser)
    parser.add_argument(
        "--target",
        action="append",
        choices=TARGETS,
        metavar="NAME",
        help=f"compare with this one only, may be repeated (default: all of {', '.join(TARGETS)})",
    )


def run(args: Namespace) -> int:
    mission = missions.load(args.mission)
    results = {}
    for target in (HOST, *(args.target or TARGETS)):
        results[target] = fly(args, mission, target).summary()
    host = results[HOST]
    if not host["kept"]:
        print(
            "fk-sim: no frame was kept, so little was compared; choose frames that show something",
            file=sys.stderr,
        )
    differ = {
        target: [name for name in DIGESTS if summary["digests"][name] != host["digests"][name]]
        for target, summary in results.items()
    }
    equal = not any(differ.values())
    if args.json:
        print(
            json.dumps({"equal": equal, "frames": host["frames"], "kept": host["kept"], "targets": results})
        )
    else:
        _tell(results, differ)
    return 0 if equal else 1


def _tell(results: dict[str, Any], differ: dict[str, list[str]]) -> None:
    console = Console(highlight=False)
    table = Table("", *DIGESTS, "kept", "instructions", box=None, pad_edge=False)
    for target, summary in results.items():
        row = [
            summary["digests"][name][:16] + (" differs" if name in differ[target] else "") for name in DIGESTS
        ]
        instructions = summary["target"].get("instructions")
        kept = f"{summary['kept']}/{summary['frames']}"
        table.add_row(target, *row, kept, f"{instructions:,}" if instructions else "")
    console.print(table)
    wrong = [f"{target}: {', '.join(names)}" for target, names in differ.items() if names]
    console.print("; ".join(wrong) + " differ from the host" if wrong else "all equal")
