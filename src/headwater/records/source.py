"""A place in the source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceLine:
    """A line of a file; in a notebook the file is the cell."""

    file: str
    line: int
