"""Files that are there whole or not at all; and JSON, read with one kind of error."""

import contextlib
import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from framekeep_ground.errors import UserError


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file beside `path` that takes its place when all is written, and vanishes when not.

    What is no file, such as a pipe or a serial line, is written to; a link stays and its file is replaced.
    """
    text: dict[str, Any] = {}
    if "b" not in mode:  # a name that is no text is written as it is printed
        text = {"encoding": "utf-8", "newline": "", "errors": "backslashreplace"}
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open(mode, **text) as file:
                yield file
            return
        place = Path(os.path.realpath(path)) if path.is_symlink() else path
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        temporary = Path(name)
        with os.fdopen(handle, mode, **text) as file:
            yield file
        temporary.chmod(0o644)
        temporary.replace(place)
        temporary = None
    except OSError as error:
        hint = "make room or name another place"
        raise UserError(f"{path}: cannot be written: {error.strerror or error}; {hint}") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """`data` at `path`, whole or not at all."""
    with replacing(path, "wb") as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """`text` at `path` in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def read_json(path: Path) -> Any:
    """What a JSON file says; ValueError where it is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError("nested too deep") from None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table with one line of column names."""
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
