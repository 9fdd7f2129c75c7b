"""A run's folder: made beside its place and moved there whole, so nothing is ever half-written."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framekeep_sim.errors import UserError

SUMMARY = "summary.json"  # what tells a run from a folder of something else


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A new folder that becomes `place` when the block ends well, and vanishes when it does not."""
    if place.exists() and not _replaceable(place):
        raise UserError(f"{place}: exists and is not an earlier run; choose another --out or remove it")
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
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
    return place.is_dir() and ((place / SUMMARY).is_file() or not any(place.iterdir()))
