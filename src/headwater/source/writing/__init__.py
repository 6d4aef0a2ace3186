"""A change, written into the user's source."""

from headwater.source.writing.apply import apply
from headwater.source.writing.diff import PatchedFile
from headwater.source.writing.patch import Patch, patch

__all__ = ["Patch", "PatchedFile", "apply", "patch"]
