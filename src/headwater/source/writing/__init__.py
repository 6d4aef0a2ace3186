"""A change, written into the user's source."""

from headwater.source.writing.apply import apply, check_restorable
from headwater.source.writing.diff import PatchedFile
from headwater.source.writing.patch import Patch, patch

__all__ = ["Patch", "PatchedFile", "apply", "check_restorable", "patch"]
