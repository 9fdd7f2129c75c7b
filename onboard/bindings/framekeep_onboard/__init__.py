"""The flight code, importable: the same C that runs on the microcontroller."""

from framekeep_onboard._errors import ErrorCode, FkError, check
from framekeep_onboard.model import Model

__all__ = ["ErrorCode", "FkError", "Model", "check"]
