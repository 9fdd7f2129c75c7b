"""The flight code, importable: the same C that runs on the microcontroller."""

from framekeep_onboard._errors import ErrorCode, FkError, check
from framekeep_onboard.events import Frame, Pass
from framekeep_onboard.model import Model
from framekeep_onboard.pipeline import Decision, Pipeline, Reason

__all__ = ["Decision", "ErrorCode", "FkError", "Frame", "Model", "Pass", "Pipeline", "Reason", "check"]
