"""TOML with the line kept, so that an error can point at it.

`tomllib` forgets where a key stood. The lines are found again by a scan that
knows only headers, keys and multi-line values: all that a mission uses.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from framekeep_sim.errors import UserError

Key = tuple[str, ...]
T = TypeVar("T")

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_ASSIGN = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=(.*)$"
)
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*")


def _parts(dotted: str) -> Key:
    return tuple(a or b or c for a, b, c in _PART.findall(dotted))


def key_lines(text: str) -> dict[Key, int]:
    """The line, counted from 1, on which each table and key of `text` stands."""
    lines: dict[Key, int] = {(): 1}
    table: Key = ()
    depth = 0  # of brackets that are still open from earlier lines
    quote = ""  # the triple quote that is still open
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            if quote in line:
                quote = ""
            continue
        rest = line
        if depth == 0:
            if header := _HEADER.match(line):
                table = _parts(header[1])
                lines.setdefault(table, number)
                continue
            if not (assign := _ASSIGN.match(line)):
                continue
            key = table + _parts(assign[1])
            lines.setdefault(key, number)
            rest = assign[2]
            for inner in re.finditer(r"[{,]\s*([A-Za-z0-9_-]+)\s*=", rest):
                lines.setdefault((*key, inner[1]), number)
        for mark in ('"""', "'''"):
            if rest.count(mark) % 2:
                quote = mark
        if not quote:
            bare = _STRING.sub("", rest)
            depth += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
    return lines


def closest(word: str, known: Sequence[str]) -> str:
    """`; did you mean "x"?`, or the known words where none is near."""
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(sorted(set(known)))}"


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


@dataclass(slots=True)
class Table:
    """One table of a mission: every key is asked for once, what is left over is an error."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[Key, int]
    key: Key = ()
    asked: list[str] = field(default_factory=list)

    def fail(self, name: str, problem: str) -> UserError:
        key = (*self.key, name) if name else self.key
        line = self.lines.get(key) or self.lines.get(self.key) or 1
        return UserError(f"{self.path}:{line}: {'.'.join(key) or 'mission'}{problem}")

    def _take(self, name: str, default: object) -> Any:
        self.asked.append(name)
        if name in self.values:
            return self.values[name]
        if default is None:
            for near in difflib.get_close_matches(name, self.values, 1, 0.6):
                raise self.fail(near, f' is not a key of a mission; did you mean "{name}"?')
            raise self.fail("", f" lacks the key {name}; add it")
        return default

    def has(self, name: str) -> bool:
        return name in self.values

    def table(self, name: str, *, required: bool = False) -> "Table":
        value = self._take(name, None if required else {})
        if not isinstance(value, dict):
            raise self.fail(name, f" = {_show(value)} is a value; make it a table: [{name}]")
        return Table(self.path, value, self.lines, (*self.key, name))

    def tables(self) -> Iterator[tuple[str, "Table"]]:
        """Every key as a table of its own, for tables whose keys are names the user chooses."""
        for name in self.values:
            yield name, self.table(name)

    def integer(self, name: str, low: int, high: int, default: int | None = None, unit: str = "") -> int:
        value = self._take(name, default)
        if type(value) is not int or not low <= value <= high:
            raise self.fail(
                name, f" = {_show(value)}; allowed are whole numbers {low}..{high}{unit and ' ' + unit}"
            )
        return value

    def number(
        self, name: str, low: float, high: float, default: float | None = None, unit: str = ""
    ) -> float:
        value = self._take(name, default)
        if type(value) not in (int, float) or not low <= value <= high:
            raise self.fail(
                name, f" = {_show(value)}; allowed are numbers {low:g}..{high:g}{unit and ' ' + unit}"
            )
        return float(value)

    def choice(self, name: str, allowed: Mapping[str, T], default: str | None = None) -> T:
        value = self._take(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise self.fail(name, f" = {_show(value)}; {closest(str(value), list(allowed))}")
        return allowed[value]

    def one_of(self, name: str, allowed: Sequence[int], default: int | None = None) -> int:
        value = self._take(name, default)
        if type(value) is not int or value not in allowed:
            raise self.fail(name, f" = {_show(value)}; allowed are {', '.join(map(str, allowed))}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        value = self._take(name, default)
        if not isinstance(value, str):
            raise self.fail(name, f" = {_show(value)}; a text in quotes is wanted")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise self.fail(name, f" = {_show(value)}; allowed are true and false")
        return value

    def raw(self, name: str, default: object) -> Any:
        return self._take(name, default)

    def done(self) -> None:
        """Refuse the keys that nobody asked for."""
        for name in self.values:
            if name not in self.asked:
                raise self.fail(name, f" is not a key of a mission; {closest(name, self.asked)}")


def read(path: Path) -> Table:
    """The whole file as a table."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text in UTF-8 (byte {error.start}); is it a mission?") from None
    except OSError as error:
        hint = "name a mission, such as missions/security.toml"
        raise UserError(f"{path}: cannot be read: {error.strerror}; {hint}") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(where[1]) if where else len(text.splitlines()) or 1
        problem = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise UserError(
            f"{path}:{line}: not TOML: {problem[:1].lower()}{problem[1:]}; correct this line"
        ) from None
    except (ValueError, RecursionError) as error:  # numbers or nesting beyond what Python takes
        problem = "nested too deep" if isinstance(error, RecursionError) else "a number of too many digits"
        raise UserError(f"{path}: {problem}; is it a mission?") from None
    return Table(path, values, key_lines(text))
