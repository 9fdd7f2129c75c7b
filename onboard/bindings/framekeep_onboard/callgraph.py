"""Who calls whom in compiled C, and how deep the stack gets.

Read from the graphs that GCC writes beside its objects (`-fcallgraph-info=su`): stack use and calls as
compiled, after inlining. What a call through a pointer may reach is not in them; it is declared below, and
a call that is not declared is an error, so that the list stays complete.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

INDIRECT = "__indirect_call"

# source file -> what its functions may call through a pointer
_FLASH = ("read_bytes", "program_bytes", "erase_segment")  # of fk_flash, in boards/qemu/flash_file.c
POINTER_CALLS: Mapping[str, tuple[str, ...]] = {
    "selftest.c": _FLASH,
    "downlink.c": ("record", "record_sent", "frame", "read", "frame_sent"),  # of fk_downlink_source
}

_GRAPH = re.compile(r'^graph: \{ title: "([^"]+)"')
_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
_STACK = re.compile(r"\\n(\d+) bytes \(([a-z,]+)\)")


class GraphError(Exception):
    """The graph breaks a rule of the flight code."""


@dataclass(slots=True)
class Function:
    """One compiled function."""

    stack: int | None = None  # bytes; None = compiled elsewhere
    bounded: bool = True  # False when it grows with its data: VLA or alloca
    calls: set[str] = field(default_factory=set)
    pointer_calls_in: str = ""  # the source file, if it calls through a pointer


@dataclass(frozen=True, slots=True)
class Descent:
    """The deepest way down from a function."""

    stack: int  # bytes
    names: tuple[str, ...]


class Graph:
    """Functions by title: a global's name, or `file:name` for a static."""

    def __init__(self, files: Iterable[Path], library_stack: Mapping[str, int] | None = None) -> None:
        self.functions: dict[str, Function] = {}
        for path in files:
            self._read(path.read_text())
        for name, stack in (library_stack or {}).items():
            function = self.functions.setdefault(name, Function())
            if function.stack is None:
                function.stack = stack
        self._resolve_pointers()

    def _read(self, text: str) -> None:
        header = _GRAPH.match(text)
        source = Path(header[1]).name if header else ""
        for title, label in _NODE.findall(text):
            function = self.functions.setdefault(title, Function())
            measured = _STACK.search(label)
            if measured:
                function.stack = int(measured[1])
                function.bounded = measured[2] != "dynamic"
        for caller, target in _EDGE.findall(text):
            function = self.functions.setdefault(caller, Function())
            if target == INDIRECT:
                function.pointer_calls_in = source
            else:
                function.calls.add(target)

    def titles(self, name: str) -> list[str]:
        """Every function called `name`, the statics of all files included."""
        return [t for t, f in self.functions.items() if short(t) == name and f.stack is not None]

    def _resolve_pointers(self) -> None:
        for title, function in self.functions.items():
            source = function.pointer_calls_in
            if not source:
                continue
            if source not in POINTER_CALLS:
                known = "callgraph.POINTER_CALLS"
                raise GraphError(
                    f"{short(title)} in {source} calls through a pointer; declare what in {known}"
                )
            for name in POINTER_CALLS[source]:
                function.calls.update(self.titles(name))

    def cycle(self) -> tuple[str, ...]:
        """A chain of calls that comes back to where it began; empty if there is none."""
        done: set[str] = set()
        for start in self.functions:
            found = self._cycle_from(start, [], done)
            if found:
                return found
        return ()

    def _cycle_from(self, title: str, above: list[str], done: set[str]) -> tuple[str, ...]:
        if title in above:
            return (*above[above.index(title) :], title)
        if title in done:
            return ()
        above.append(title)
        for target in sorted(self.functions[title].calls):
            found = self._cycle_from(target, above, done)
            if found:
                return found
        above.pop()
        done.add(title)
        return ()

    def deepest(self, name: str) -> Descent:
        """The most stack that a call of `name` can take. Needs a graph without cycles."""
        known: dict[str, Descent] = {}

        def walk(title: str) -> Descent:
            if title not in known:
                function = self.functions[title]
                if function.stack is None:
                    raise GraphError(f"stack use of {title} is not known")
                below = max((walk(t) for t in function.calls), key=lambda p: p.stack, default=Descent(0, ()))
                known[title] = Descent(function.stack + below.stack, (short(title), *below.names))
            return known[title]

        return walk(name)


def short(title: str) -> str:
    """`name` of `folder/file.c:name`, without the suffix of a specialised copy."""
    return title.rsplit(":", 1)[-1].split(".", maxsplit=1)[0]
