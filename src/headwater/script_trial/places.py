"""Where a path leads, and what a trial says that may not write there."""

from __future__ import annotations

import errno
import os
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


def entry_of(path: str) -> str:
    """Where the last name of a path stands, whether or not it is a link."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def unled(path: Any, entry: str) -> Any:
    """What nothing was changed of, as the script names it, or as a link does."""
    return path if entry_of(os.fsdecode(path)) == entry else entry


def split(path: str) -> tuple[str, list[str]]:
    """The root of a path, and the names below it."""
    drive, rest = os.path.splitdrive(path)
    return drive + os.sep, [each for each in rest.split(os.sep) if each]


def is_path(value: Any) -> bool:
    """Whether it names a file by a text."""
    return isinstance(value, str | os.PathLike)


def is_in(path: str, folder: str) -> bool:
    """Whether it is the folder, or in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def in_folder(path: str, folder: Any) -> str:
    """Where a path leads from a folder that is given as the number of an open file, where Linux tells."""
    if not isinstance(folder, int) or folder < 0 or os.path.isabs(path):
        return path
    try:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    except OSError:
        return path


def database_of(name: str) -> tuple[str, bool]:
    """The file of a database that SQLite is to open, empty where it has none, and whether it is only read."""
    if not name.startswith("file:"):
        return "" if name == ":memory:" else name, False
    address = urlsplit(name)
    asked = parse_qs(address.query)
    is_file = asked.get("mode") != ["memory"] and address.path != ":memory:"
    return unquote(address.path) if is_file else "", asked.get("mode") == ["ro"] or "immutable" in asked


def refused(path: str, told: str) -> PermissionError:
    """The error of a trial that would write to a file of the user's."""
    return PermissionError(errno.EACCES, f"a trial of headwater fix {told}", path)
