"""Runs a user's script or module unchanged, as Python itself would. Needs no torch, and imports none."""

from headwater.script.execute import Ended, Target, execute
from headwater.script.imports import after_import
from headwater.script.stopping import EnoughSteps, dying, enough

__all__ = ["Ended", "EnoughSteps", "Target", "after_import", "dying", "enough", "execute"]
