"""`fk-sim pass`: the camera of a run starts again, takes telecommands, and a pass brings what it answers."""

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from framekeep_ground.answers import asked
from framekeep_ground.codes import ERROR_TEXT, Error
from framekeep_ground.output import read_json
from framekeep_onboard import FkError
from framekeep_onboard.events import Command, Pass
from framekeep_onboard.pipeline import Counters, Pipeline

from framekeep_sim import mission as missions
from framekeep_sim import model as models
from framekeep_sim.charts import bytes_text
from framekeep_sim.digest import sha256
from framekeep_sim.errors import UserError
from framekeep_sim.ground import MESSAGE_MODULO, receive
from framekeep_sim.output import SUMMARY, whole_folder
from framekeep_sim.play import flash_setup
from framekeep_sim.run import telecommands

BUDGET_MAX = 0xFFFFFFFF  # bytes
NAMED_MOST = 10  # frames


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "before", type=Path, metavar="RUN", help="folder of fk-sim run, or of the pass before"
    )
    parser.add_argument("--mission", required=True, type=Path, metavar="M.toml", help="what flew in it")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help=".fkm or .tflite that flew, in place of the mission's"
    )
    parser.add_argument(
        "--uplink",
        action="append",
        default=[],
        type=telecommands,
        metavar="FILE",
        help="telecommands that come up before the pass; can be given again",
    )
    parser.add_argument(
        "--budget",
        type=_bytes,
        default=0,
        metavar="BYTES",
        help="what the pass can carry (default: all that waits)",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="NEXT", help="folder for the results")
    parser.add_argument("--json", action="store_true", help="print summary.json on stdout, nothing else")


def _bytes(text: str) -> int:
    value = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= value <= BUDGET_MAX:
        raise ArgumentTypeError(f"{text} is no number of bytes from 1")
    return value


def run(args: Namespace) -> int:
    said, flash = _left(args.before)
    if args.out.exists() and args.out.samefile(args.before):
        raise UserError(f"{args.out}: holds the pass before; name another folder with --out")
    mission = missions.load(args.mission)
    model = models.load(args.model or mission.model)
    mission.check_outputs(model.labels, len(model.thresholds))
    for name, mine in (("mission", sha256(mission.path.read_bytes())), ("model", model.id.hex())):
        if said[f"{name}_{'sha256' if name == 'mission' else 'id'}"] != mine:
            raise UserError(f"{args.before}: flew with another {name} ({said[name]}); name it with --{name}")
    policy = mission.policy(model.labels, model.thresholds_of(mission))
    try:
        camera = Pipeline(
            policy, model.image, flash_setup(mission.store), flash=flash, resume=said["counters"]
        )
    except FkError as error:
        raise UserError(f"{args.before / 'flash.bin'}: does not fit the mission: {error}") from None
    packets = [packet for file in args.uplink for packet in file]
    refused = [code for code in (camera.command(Command(packet)) for packet in packets) if code]
    downlink = b"".join(camera.downlink(Pass(args.budget)))
    camera.sync()
    summary = _summary(said, camera, downlink, {asked(packet) for packet in packets}) | {
        "commands": len(packets),
        "commands_refused": len(refused),
        "refused": dict(Counter(Error(code).name for code in refused)),
    }
    with whole_folder(args.out) as folder:
        (folder / "downlink.bin").write_bytes(downlink)
        (folder / "flash.bin").write_bytes(camera.flash())
        (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    if args.json:
        print(json.dumps(summary))
    else:
        _tell(summary, args.out)
    return 0


def _left(folder: Path) -> tuple[dict[str, Any], bytes]:
    """summary.json and flash of a run or pass."""
    path = folder / SUMMARY
    try:
        said = read_json(path)
        flash = (folder / "flash.bin").read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder}: no folder of fk-sim run; make one, or name another") from None
    except ValueError:
        said = None
    needed = {"mission", "mission_sha256", "model", "model_id"}
    counters = _counters(said)
    if counters is None or not needed <= said.keys():
        raise UserError(f"{path}: not written by this fk-sim run; fly it again")
    return said | {"counters": counters}, flash


def _counters(said: Any) -> Counters | None:
    """Those in a summary; None where it has none."""
    try:
        found = Counters(*(tuple(said["counters"][name]) for name in ("sequence", "message")))
    except (KeyError, TypeError):
        return None
    counts = (*found.sequence, *found.message)
    sound = all(isinstance(count, int) and 0 <= count < MESSAGE_MODULO for count in counts)
    sizes = [len(found.sequence), len(found.message)]
    return found if sound and sizes == [len(Counters().sequence), len(Counters().message)] else None


def _summary(
    said: dict[str, Any], camera: Pipeline, downlink: bytes, requested: set[int | None]
) -> dict[str, Any]:
    received = receive(downlink)
    flash = camera.flash()
    return {name: said[name] for name in ("mission", "mission_sha256", "model", "model_id")} | {
        "packets": received.packets,
        "pictures": len(received.pictures),
        "waited": sorted(received.pictures.keys() - requested),
        "bytes_downlinked": len(downlink),
        "stored": camera.report()["frames"],
        "counters": asdict(camera.counters()),
        "digests": {"flash": sha256(flash), "downlink": sha256(downlink)},
    }


def _tell(summary: dict[str, Any], out: Path) -> None:
    done = summary["commands"] - summary["commands_refused"]
    why = ", ".join(
        f"{count} refused: {ERROR_TEXT[Error[name]]}" for name, count in summary["refused"].items()
    )
    if summary["commands"]:
        print(f"telecommands: {done} carried out{', ' + why if why else ''}")
    kinds = ", ".join(f"{count:,} {name}" for name, count in summary["packets"].items() if count)
    print(f"pass: {bytes_text(summary['bytes_downlinked'])}, packets: {kinds or 'none'}")
    if summary["waited"]:
        few = ", ".join(map(str, summary["waited"][:NAMED_MOST]))
        more = ", ..." if len(summary["waited"]) > NAMED_MOST else ""
        print(f"also whole: {len(summary['waited'])} frames that waited in flash ({few}{more})")
    print(f"downlink: {out / 'downlink.bin'}")
