"""From a module to the lines of source that built it."""

from headwater.source.origins import with_origins
from headwater.source.recording import recording

__all__ = ["recording", "with_origins"]
