"""A mark that somebody looks at a run just now: its writer flushes more often while it is fresh."""

from __future__ import annotations

import os
import time
from pathlib import Path

NAME = ".followed"
FRESH = 5.0
"""Seconds for which the mark counts."""
_RENEWED = 1.0
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""No link leads elsewhere, and no pipe keeps us waiting."""


def follow(folder: Path) -> None:
    """Makes or renews the mark; where nothing may be written there, the run is followed at its own pace."""
    path = folder / NAME
    try:
        status = os.lstat(path)
        if time.time() - status.st_mtime < _RENEWED:
            return
    except OSError:
        pass
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | _CAREFUL, 0o644)
    except OSError:
        return
    try:
        os.utime(handle if os.utime in os.supports_fd else path)
    finally:
        os.close(handle)


def is_followed(path: str) -> bool:
    """Whether the mark at a path is fresh."""
    try:
        return abs(time.time() - os.stat(path).st_mtime) < FRESH
    except OSError:
        return False
