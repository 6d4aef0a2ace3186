"""Runs a user's script or module unchanged, as Python itself would. Needs no torch, and imports none."""

from headwater.script.execute import Ended, EnoughSteps, Target, execute
from headwater.script.imports import after_import

__all__ = ["Ended", "EnoughSteps", "Target", "after_import", "execute"]
