"""`fk-ground`: downlinked packets to pictures and tables, and what belongs to it."""

import importlib.util
import sys
from collections.abc import Sequence

from framekeep_ground.shell import Parser, guarded

# command: (module with add_arguments and run, one line of help); loaded only when called
COMMANDS = {
    "decode": ("framekeep_ground.decode", "a downlink to pictures, tables, gaps and a contact sheet"),
    "flash": ("framekeep_ground.flash", "what a raw flash dump holds"),
    "command": ("framekeep_ground.command", "a telecommand, ready to send"),
    "export": ("framekeep_ground.export", "the packet definitions for other ground software"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 the data failed a check, 2 bad input."""
    return guarded("fk-ground", lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(arguments: list[str]) -> int:
    parser = Parser(prog="fk-ground", description="From downlinked packets to pictures and tables.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = {}
    for name, (module, text) in COMMANDS.items():
        if importlib.util.find_spec(module) is None:
            continue
        wanted = name in arguments[:1]
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if wanted:
            modules[name] = importlib.import_module(module)
            modules[name].add_arguments(sub)
    options = parser.parse_args(arguments)
    return int(modules[options.command].run(options))


if __name__ == "__main__":
    raise SystemExit(main())
