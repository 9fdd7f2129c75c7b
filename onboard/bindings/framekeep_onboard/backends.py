"""Which implementation of the inference kernels runs on this computer.

The engine picks the best by itself; `using` is for tests and comparisons. All give the same results.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from framekeep_onboard._errors import check
from framekeep_onboard._fk import ffi, lib


def _name(number: int) -> str:
    text = ffi.string(lib.fk_backend_name(number))
    assert isinstance(text, bytes)
    return text.decode()


def available() -> list[str]:
    """Backends of this build that this processor can run, the portable one first."""
    return [_name(n) for n in range(lib.FK_BACKEND_COUNT) if lib.fk_backend_available(n)]


def chosen() -> str:
    """The backend in use."""
    return _name(lib.fk_backend_chosen())


@contextmanager
def using(name: str) -> Iterator[None]:
    """Runs models on `name` within the block; ValueError where it is not available."""
    if name not in available():
        raise ValueError(f"no backend {name!r} here; there are {', '.join(available())}")
    numbers = {_name(n): n for n in range(lib.FK_BACKEND_COUNT)}
    before = lib.fk_backend_chosen()
    check(lib.fk_backend_force(numbers[name]), name)
    try:
        yield
    finally:
        check(lib.fk_backend_force(before), "restoring the backend")
