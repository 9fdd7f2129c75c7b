"""The flight code's error codes as Python sees them."""

from enum import IntEnum

from framekeep_onboard._fk import ffi, lib


def _codes() -> dict[str, int]:
    lowest = -64  # the list in fk/err.h is short and dense; unknown codes are left out
    names = {code: ffi.string(lib.fk_err_name(code)).decode() for code in range(lowest, 0)}
    return {name: code for code, name in names.items() if name != "FK_ERR_UNKNOWN"}


ErrorCode = IntEnum("ErrorCode", _codes())  # type: ignore[misc]  # made from the C list


class FkError(Exception):
    """A flight function returned a code below zero."""

    def __init__(self, code: int, what: str = "") -> None:
        self.code = code
        self.name: str = ffi.string(lib.fk_err_name(code)).decode()
        text = ffi.string(lib.fk_err_text(code)).decode()
        super().__init__(f"{what}: {text} ({self.name})" if what else f"{text} ({self.name})")


def check(code: int, what: str = "") -> int:
    """Return `code` if it is a count, raise FkError if it is an error."""
    if code < 0:
        raise FkError(code, what)
    return code
