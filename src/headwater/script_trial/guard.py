"""Keeps a script that is tried from overwriting the user's files.

Python tells an audit hook of each file that is about to be opened, removed or renamed (PEP 578). A link in the scratch
folder is replaced by a copy of its file before it is written. A file outside of the scratch folder, which the script
names by its absolute path, cannot be led elsewhere: to write it raises `PermissionError`, which the trial tells.

Not seen is what other programs and libraries in C do by themselves; torch's own writer and that of safetensors are.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_APPEND
_GONE = {"os.remove": 1, "os.rmdir": 1, "os.truncate": 1, "os.rename": 2, "shutil.rmtree": 1}
"""Events after which a path leads elsewhere or nowhere, and how many of their arguments are paths."""
_HOME = os.path.expanduser("~")
_CACHES = tuple(
    map(
        os.path.realpath,
        (
            *(tempfile.gettempdir(), "/dev", "/proc", sys.prefix),
            *(os.environ.get("XDG_CACHE_HOME") or f"{_HOME}/.cache", f"{_HOME}/.cache", f"{_HOME}/Library/Caches"),
            *(f"{_HOME}/.triton", f"{_HOME}/.nv"),  # compiled kernels, renamed into their place
        ),
    )
)
"""Folders in which files come and go, and which a trial may write where they lie in no project of the user's."""


def protect(scratch: str, roots: Iterable[str]) -> None:
    """Guards the user's files until this process ends: an audit hook cannot be removed.

    Args:
        scratch: folder in which everything may be written.
        roots: the user's folders that it stands for.
    """
    sys.addaudithook(functools.partial(_hear, os.path.realpath(scratch), tuple(map(os.path.realpath, roots))))


def announce(holder: Any, name: str, place: int = 0) -> None:
    """Lets a function that writes a file by itself tell the audit hooks of it.

    Args:
        holder: module that holds the function.
        name: of the function.
        place: which of its arguments is the path.
    """
    original: Callable[..., Any] = getattr(holder, name)

    @functools.wraps(original)
    def announced(*args: Any, **kwargs: Any) -> Any:
        if len(args) > place and isinstance(args[place], str | os.PathLike):
            sys.audit("open", os.fspath(args[place]), "wb", os.O_WRONLY | os.O_TRUNC)
        return original(*args, **kwargs)

    setattr(holder, name, announced)


def _hear(scratch: str, roots: tuple[str, ...], event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = args
        if isinstance(flags, int) and flags & _WRITES and isinstance(path, str | bytes):
            _written(os.fsdecode(path), scratch, roots, empty=bool(flags & os.O_TRUNC))
    elif event in _GONE:
        for path in args[: _GONE[event]]:
            if isinstance(path, str | bytes):
                _allow(_entry(os.fsdecode(path)), scratch, roots)
    elif event == "sqlite3.connect":
        _written(str(args[0]), scratch, roots, empty=False)


def _written(path: str, scratch: str, roots: tuple[str, ...], *, empty: bool) -> None:
    entry = _entry(path)
    if not _is_in(entry, scratch) or not os.path.islink(entry):
        _allow(os.path.realpath(entry), scratch, roots)
        return
    file = os.path.realpath(entry)
    os.unlink(entry)
    if not empty and os.path.isfile(file):
        shutil.copyfile(file, entry)


def _allow(path: str, scratch: str, roots: tuple[str, ...]) -> None:
    if _is_in(path, scratch) or not _is_a_file_or_folder(path):
        return
    in_project = any(_is_in(path, root) and not _is_in(_HOME, root) for root in roots)
    if not in_project and any(_is_in(path, cache) for cache in _CACHES):
        return
    if "__pycache__" in path.split(os.sep):  # Python's own, also where an environment lies in the project
        return
    told = "a trial of headwater fix writes to no file of yours; let the script name it relative to its folder"
    raise PermissionError(errno.EACCES, told, path)


def _entry(path: str) -> str:
    """Where the last name of a path stands, whether or not it is a link."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_a_file_or_folder(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
