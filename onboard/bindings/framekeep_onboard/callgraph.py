"""Who calls whom in compiled C, and how deep the stack gets.

Read from the graphs that GCC writes beside its objects (`-fcallgraph-info=su`): stack use and calls as
compiled, after inlining. What a call through a pointer may reach is not in them; it is declared below, and
a call that is not declared is an error, so that the list stays complete.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

INDIRECT = "__indirect_call"

# source file -> what its functions may call through a pointer, as patterns of `name` or, for statics, of
# `file.c:name`
_FLASH = tuple(f"flash_file.c:{name}" for name in ("read_bytes", "program_bytes", "erase_segment"))
POINTER_CALLS: Mapping[str, tuple[str, ...]] = {
    "selftest.c": _FLASH,
    "step.c": ("op_*.c:parse*",),  # of fk_operator
    "run.c": ("op_*.c:run*", "pipeline.c:scaled_row"),  # of fk_operator and fk_row_source
    "stream.c": ("op_window.c:run*", "op_packed.c:run*", "pipeline.c:scaled_row"),  # the same
    **dict.fromkeys(
        ("flash.c", "frame.c", "mount.c", "reclaim.c", "record.c", "ring.c", "segment.c"), _FLASH
    ),
    "downlink.c": (  # of fk_downlink_source
        "pipeline.c:next_record",
        "pipeline.c:record_sent",
        "pipeline.c:next_frame",
        "pipeline.c:find_frame",
        "pipeline.c:read_frame",
        "pipeline.c:frame_sent",
    ),
    "session.c": ("flight.c:read_events", "flight.c:write_record", "flight.c:write_packet"),
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

    def __init__(self, files: Iterable[Path], linked: Mapping[str, int] | None = None) -> None:
        """From the graphs in `files`. `linked` names the functions of an image and their stack by their
        instructions: it fills in for functions without a graph, and what is not in it is not reached.
        """
        self.functions: dict[str, Function] = {}
        self.linked = None if linked is None else {short(name) for name in linked}
        for path in files:
            self._read(path.read_text())
        for name, stack in (linked or {}).items():
            function = self.functions.setdefault(name, Function())
            if not function.stack:  # no graph, or all in assembly, where the compiler sees nothing
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

    def titles(self, pattern: str) -> list[str]:
        """Every function whose name fits `pattern`, the statics of all files included."""
        known = (title for title, function in self.functions.items() if function.stack is not None)
        return [t for t in known if fnmatchcase(short(t), pattern) or fnmatchcase(Path(t).name, pattern)]

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
            for pattern in POINTER_CALLS[source]:
                function.calls.update(t for t in self.titles(pattern) if self._is_linked(t))

    def _is_linked(self, title: str) -> bool:
        return self.linked is None or short(title) in self.linked

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
