"""A run's folder: made beside its place and moved there whole, so nothing is ever half-written."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framekeep_sim.errors import UserError

SUMMARY = "summary.json"
SESSION = "session.bin"


def host_part(name: str) -> str:
    """The file of a session's folder that holds what the host made of `name`: records, flash or downlink."""
    return f"host_{name}.bin"


# what runs and sessions hold
FILES = frozenset({SUMMARY, "decisions.csv", "flash.bin", "downlink.bin", "report.html"})
FILES |= {SESSION, "model.fkm", "records.bin", *map(host_part, ("records", "flash", "downlink"))}


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A new folder that becomes `place` when the block ends well, and vanishes when it does not."""
    if place.exists() and place.samefile(Path.cwd()):
        raise UserError(f"{place}: the folder you are in cannot be replaced; name one inside it with --out")
    if place.exists() and not _replaceable(place):
        raise UserError(f"{place}: exists and is not an earlier run; choose another --out or remove it")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    except OSError as error:
        raise UserError(f"{place}: cannot be made: {error.strerror}; choose another --out") from None
    try:
        new = work / "new"
        new.mkdir()
        yield new
        if place.exists():
            place.rename(work / "old")
        new.rename(place)
    except OSError as error:
        if error.filename is None and error.strerror:  # a write that failed does not know its file
            problem = error.strerror.lower()
            raise UserError(
                f"{place}: {problem}; nothing was written, make room or choose another --out"
            ) from None
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replaceable(place: Path) -> bool:
    """Only what a run wrote may go, not a note laid beside it or pictures decoded there."""
    return place.is_dir() and all(path.name in FILES and path.is_file() for path in place.iterdir())
