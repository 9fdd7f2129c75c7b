"""Where the real pictures and public models are, on machines that have them."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    """The path of `name` in the data folder beside the checkout; skips the test on a plain clone."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs ../shared/data/{name}, which a plain clone does not have")
    return path
