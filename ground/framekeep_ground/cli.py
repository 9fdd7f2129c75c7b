"""`fk-ground`: downlinked packets to pictures and tables, and what belongs to it."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from framekeep_ground.errors import UserError

# command: (module with add_arguments and run, one line of help); loaded only when called
COMMANDS = {
    "decode": ("framekeep_ground.decode", "a downlink to pictures, tables, gaps and a contact sheet"),
    "flash": ("framekeep_ground.flash", "what a raw flash dump holds"),
    "command": ("framekeep_ground.command", "a telecommand, ready to send"),
    "export": ("framekeep_ground.export", "the packet definitions for other ground software"),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fk-ground: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 the data failed a check, 2 bad input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(prog="fk-ground", description="From downlinked packets to pictures and tables.")
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
    try:
        status = int(modules[options.command].run(options))
        sys.stdout.flush()  # here, where a reader that has left is no traceback
        return status
    except UserError as error:
        print(f"fk-ground: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:  # the reader of our output has left: nothing more to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"fk-ground: {where}{error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("fk-ground: stopped", file=sys.stderr)
        return 130
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
