"""`fk-sim session`: a flight recorded for a board to play, with what the host made of it beside it."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from framekeep_onboard.targets import write_session

from framekeep_sim import mission as missions
from framekeep_sim import model as models
from framekeep_sim.charts import bytes_text
from framekeep_sim.output import SESSION, host_part, whole_folder
from framekeep_sim.play import HOST, flash_setup
from framekeep_sim.run import add_flight_arguments, flight_of, fly

ERASED = b"\xff"
LAYOUTS = {"plain": HOST, "armv7e-m": "qemu-m4"}  # and a target that has it


def add_arguments(parser: ArgumentParser) -> None:
    add_flight_arguments(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="S", help="folder for the session")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="plain",
        help="order of the weights in model.fkm: armv7e-m for a Cortex-M4, M7 or M33 (default: plain)",
    )


def run(args: Namespace) -> int:
    mission = missions.load(args.mission)
    with whole_folder(args.out) as folder:
        done = fly(args, mission, HOST)
        setup = flash_setup(mission.store)
        image = models.load(args.model or mission.model, LAYOUTS[args.layout]).image
        again = flight_of(args, mission, done.dataset)  # read a second time: no frame waits in memory
        with (folder / SESSION).open("wb") as stream:
            policy = mission.policy(done.model.labels, done.model.thresholds_of(mission))
            write_session(stream, policy, len(image), again.events(), setup)
        (folder / "model.fkm").write_bytes(image)
        (folder / "flash.bin").write_bytes(ERASED * setup.size)
        records = b"".join(decision.record for decision in done.played.decisions)
        for name, data in (
            ("records", records),
            ("flash", done.played.flash),
            ("downlink", done.played.downlink),
        ):
            (folder / host_part(name)).write_bytes(data)
        size = (folder / SESSION).stat().st_size
    summary = done.summary()
    if args.json:
        print(json.dumps({"frames": summary["frames"], "kept": summary["kept"], "session_bytes": size}))
    else:
        print(
            f"{args.out / SESSION}: {summary['frames']} frames, {summary['kept']} kept by the host, "
            f"{bytes_text(size)}; once the board has played it, fk-sim compare {args.out}"
        )
    return 0
