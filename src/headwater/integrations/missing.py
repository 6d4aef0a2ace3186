"""The error that names what to install."""

from __future__ import annotations

from headwater.errors import MissingDependencyError


def missing(library: str, extra: str) -> MissingDependencyError:
    """Returns the error to raise when `library` is not there."""
    return MissingDependencyError(f"{library} is not installed. Run: pip install 'headwater[{extra}]'")
