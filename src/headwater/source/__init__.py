"""From a module to the lines of source that built it, and from a change to a diff of the source."""

from headwater.source.origins import with_origins
from headwater.source.recording import recorded, recording
from headwater.source.writing import Patch, PatchedFile, apply, patch

__all__ = ["Patch", "PatchedFile", "apply", "patch", "recorded", "recording", "with_origins"]
