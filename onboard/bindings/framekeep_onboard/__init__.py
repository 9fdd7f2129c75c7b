"""The flight code, importable: the same C that runs on the microcontroller."""

from framekeep_onboard._errors import ErrorCode, FkError, check

__all__ = ["ErrorCode", "FkError", "check"]
