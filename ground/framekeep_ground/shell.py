"""What the three commands share: one line says what is wrong, and no input ends in a traceback."""

import argparse
import io
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from framekeep_ground.errors import UserError

TROUBLE = 2  # exit status of bad input
STOPPED = 130  # of Ctrl-C, as a shell has it


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 after one line on stderr."""
        self.exit(TROUBLE, f"{self.prog.split()[0]}: {printable(message)}; see {self.prog} --help\n")


def printable(text: str) -> str:
    """`text` in one line that every terminal and file takes: a file's name may hold any bytes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def guarded(
    tool: str,
    call: Callable[[], int],
    *,
    wrong: tuple[type[Exception], ...] = (UserError,),
    stopped: str = "stopped",
) -> int:
    """The exit status of `call`; what a user can put right is one line on stderr.

    tool: the command's name. wrong: what `call` raises of bad input, with a text that says what to do.
    stopped: what a Ctrl-C has left.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called us: nobody wants to read it
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that is no text ends no command
    try:
        status = call()
        sys.stdout.flush()  # here, where a reader that has left is no traceback
    except wrong as error:
        _say(tool, str(error))
        return int(getattr(error, "status", TROUBLE))
    except BrokenPipeError:  # the reader of our output has left: nothing more to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        _say(tool, f"{where}{error.strerror or error}")
    except MemoryError:
        _say(tool, "the memory does not suffice; give it less at a time")
    except KeyboardInterrupt:
        _say(tool, stopped)
        return STOPPED
    else:
        return status
    return TROUBLE


def _say(tool: str, line: str) -> None:
    print(f"{tool}: {printable(line)}", file=sys.stderr)
