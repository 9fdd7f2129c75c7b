"""`fk-sim policy`: a mission compiled, as it flies and as it can be uploaded."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from framekeep_ground.output import write_bytes

from framekeep_sim import mission as missions
from framekeep_sim import model as models


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mission", type=Path, metavar="M.toml", help="the mission to compile")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE", help="file for the policy"
    )
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help=".fkm or .tflite that flies, in place of the mission's"
    )
    parser.add_argument("--json", action="store_true", help="print its size and CRC as one JSON object")


def run(args: Namespace) -> int:
    mission = missions.load(args.mission)
    model = models.load(args.model or mission.model)
    mission.check_outputs(model.labels, len(model.thresholds))
    policy = mission.policy(model.labels, model.thresholds_of(mission))
    write_bytes(args.output, policy)
    said = {
        "mission": mission.name,
        "model_id": model.id.hex(),
        "bytes": len(policy),
        "crc16": policy[-2:].hex(),
    }
    print(
        json.dumps(said) if args.json else f"{args.output}: {len(policy)} bytes, for model {model.id.hex()}"
    )
    return 0
