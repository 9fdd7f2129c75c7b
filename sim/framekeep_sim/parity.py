"""`fk-sim parity`: the same flight on the host and on every emulated microcontroller, digest by digest."""

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from rich.console import Console
from rich.table import Table

from framekeep_sim import mission as missions
from framekeep_sim.play import HOST, TARGETS, DoesNotFit
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
    results = {HOST: fly(args, mission, HOST).summary()}
    too_small = {}
    for target in args.target or TARGETS:
        try:
            results[target] = fly(args, mission, target).summary()
        except DoesNotFit as error:
            if args.target:
                raise
            too_small[target] = str(error)
            print(f"fk-sim: {error}; not compared", file=sys.stderr)
    host = results[HOST]
    if not host["kept"]:
        print("fk-sim: no frame was kept, so little was compared; choose others", file=sys.stderr)
    differ = {
        target: [name for name in DIGESTS if summary["digests"][name] != host["digests"][name]]
        for target, summary in results.items()
    }
    equal = not any(differ.values()) and len(results) > 1
    if args.json:
        told = {"equal": equal, "frames": host["frames"], "kept": host["kept"], "targets": results}
        print(json.dumps(told | {"differ": differ, "too_small": too_small}))
    else:
        _tell(results, differ)
    return 0 if equal else 1


def _tell(results: dict[str, Any], differ: dict[str, list[str]]) -> None:
    console = Console(highlight=False)
    table = Table("", *DIGESTS, "kept", "instructions", box=None, pad_edge=False)
    for target, summary in results.items():
        row = [
            summary["digests"][name][:12] + (" differs" if name in differ[target] else "") for name in DIGESTS
        ]
        instructions = summary["target"].get("instructions")
        kept = f"{summary['kept']}/{summary['frames']}"
        table.add_row(target, *row, kept, f"{instructions:,}" if instructions else "")
    console.print(table)
    wrong = [f"{target}: {', '.join(names)}" for target, names in differ.items() if names]
    equal = (
        f"all equal to the host's: {len(results) - 1} compared" if len(results) > 1 else "none was compared"
    )
    console.print("; ".join(wrong) + " differ from the host" if wrong else equal)
