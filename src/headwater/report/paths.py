"""Where a report is written."""

from __future__ import annotations

import os
from pathlib import Path

from headwater.errors import InputError

PICTURES = (".png", ".svg", ".pdf")
"""Suffixes of the pictures that can be drawn."""


def writable(path: Path, suffixes: tuple[str, ...] = ()) -> Path:
    """Returns the path when a file can be written there: asked before the work that would be lost.

    Raises:
        InputError: it has another suffix, its folder does not exist, it is a folder, or it may not be written.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise InputError(f"Expected a path that ends in {', '.join(suffixes)}, got {path.name!r}.")
    if path.is_dir():
        raise InputError(f"Expected the path of a file, got the folder {path}. Add a file name.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent} to write {path.name} to. Make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: permission denied.")
    return path
