"""From a module to the lines of source that built it; `headwater.source.writing` goes the other way, with a diff."""

from headwater.source.origins import with_origins
from headwater.source.recording import recorded, recording

__all__ = ["recorded", "recording", "with_origins"]
