"""fk-sim: a mission on a desk."""

import argparse
import sys
from importlib import import_module

from framekeep_ground.shell import Parser, guarded
from framekeep_onboard import FkError

from framekeep_sim.errors import UserError

COMMANDS = {
    "run": (
        "framekeep_sim.run",
        "fly a dataset and see what is kept",
        """Plays a dataset to the flight code as a camera would: every frame is judged, the wanted ones are
kept in an emulated flash and sent in the passes of the link. RUN/ then holds summary.json,
decisions.csv (one line per frame, with the reason), flash.bin, downlink.bin and report.html.""",
        """examples:
  fk-sim run demo --mission missions/satellite.toml --out run
  fk-sim run pictures/ --mission missions/security.toml --out run     subfolders are labels
  fk-sim run labels.csv --mission missions/security.toml --out run --limit 200 --seed 1
  fk-sim run gate.mp4 --mission missions/security.toml --out run --model mine.tflite
  fk-sim run demo --mission missions/security.toml --out run --target qemu-f405
  fk-sim run demo --mission missions/security.toml --out run --uplink 40:night.tc""",
    ),
    "link": (
        "framekeep_sim.link",
        "lose packets, as a radio does",
        """Leaves packets out of a downlink, as a fading radio does. The same seed loses the same packets;
losses come one by one, or in fades, where the antenna looks away for a moment.""",
        """examples:
  fk-sim link run/downlink.bin --loss 5 -o heard.bin                     each packet by itself
  fk-sim link run/downlink.bin --loss 5 --fade 8 --seed 2 -o heard.bin   in fades of 8 on average
then:
  fk-ground decode heard.bin --out pass1                    what can be shown, and what is missing
  fk-ground command resend --from pass1 -o resend.tc        ask for it again
  fk-sim pass run --mission M.toml --uplink resend.tc --out next         the camera answers""",
    ),
    "pass": (
        "framekeep_sim.next_pass",
        "the next pass of a run, with telecommands",
        """Starts the camera again with the flash that a run left behind, sends it telecommands and takes
down what it answers in one pass. NEXT/ then holds downlink.bin (this pass alone), flash.bin and
summary.json, and can be followed by another pass.""",
        """examples:
  fk-sim pass run --mission M.toml --uplink resend.tc --out next
  fk-sim pass next --mission M.toml --uplink more.tc --budget 4000 --out third
  fk-ground decode heard.bin next/downlink.bin --out both   the passes together

A camera that starts again keeps its packets' counters, and forgets a policy that was uploaded and the
resends that waited. A picture that was evicted and not overwritten yet comes back. One whose room was
needed is gone: a resend of it is refused, and the report in the pass says so.""",
    ),
    "parity": (
        "framekeep_sim.parity",
        "compare the host with every emulated microcontroller",
        """Flies the same dataset on the host and on each QEMU target, and compares the SHA-256 of the
decisions, the flash and the downlink. Exit status 1 where one differs.""",
        """example:
  fk-sim parity demo --mission missions/security.toml --limit 24""",
    ),
    "session": (
        "framekeep_sim.session",
        "record a flight, for a board of your own to play",
        """Records a dataset as the events that a board plays: its camera's frame buffers, the passes of the
link, telecommands. S/ then holds session.bin, model.fkm, flash.bin (erased; the board changes it) and
what the host made of the same: host_records.bin, host_flash.bin, host_downlink.bin. The board is to leave
records.bin, flash.bin and downlink.bin beside them; docs/PORTING.md says how.""",
        """example:
  fk-sim session demo --mission missions/security.toml --limit 24 --out S
  ... the board plays S/session.bin ...
  fk-sim compare S""",
    ),
    "compare": (
        "framekeep_sim.compare",
        "what a board made of a session, beside the host's",
        """Compares what a board left of a session with what the host made of it, byte for byte, and names the
first frame, flash address and packet where they part. Exit status 1 where they do.""",
        """example:
  fk-sim compare S""",
    ),
    "policy": (
        "framekeep_sim.policy",
        "a mission compiled, to be uploaded",
        """Compiles a mission to the policy, the bytes that the flight code takes its rules from. The one that
is built in flies from every reset; another can be uploaded and holds until the next.""",
        """example:
  fk-sim policy night.toml -o night.policy && fk-ground command policy night.policy -o night.tc""",
    ),
    "bench": (
        "framekeep_sim.bench",
        "instructions, cycles, time, RAM and flash of each stage",
        "Measures the flight code on each QEMU core and on the host, and prints one table.",
        """examples:
  fk-sim bench nn models/trained/person_96.tflite --layers
  fk-sim bench pipeline --mission missions/security.toml             each step of a frame
  fk-sim bench pipeline --mission missions/security.toml --record    and fk-sim run shows it""",
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 for a failed check, 2 for bad input."""
    arguments = sys.argv[1:] if argv is None else argv
    stopped = "stopped; nothing was written"
    return guarded("fk-sim", lambda: _run(arguments), wrong=(UserError, FkError), stopped=stopped)


def _run(arguments: list[str]) -> int:
    parser = Parser(prog="fk-sim", description="A mission on a desk: image datasets through the flight code.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, brief, description, examples) in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=brief,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if arguments[:1] == [name]:  # imported only when wanted: --help stays quick
            import_module(module).add_arguments(sub)
    args = parser.parse_args(arguments)
    return int(import_module(COMMANDS[args.command][0]).run(args))


if __name__ == "__main__":
    raise SystemExit(main())
