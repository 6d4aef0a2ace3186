"""Keeps a script that is tried from overwriting the user's files.

What it writes outside of the scratch folder is led into it (`headwater.script_trial.elsewhere`). Besides, Python tells
an audit hook of each file that is about to be opened, removed or renamed (PEP 578). A link in the scratch folder is
replaced by a copy of its file before it is written. A file of the user's that is written on a way which is not led
raises `PermissionError`, which the trial tells.

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

from headwater.script_trial.elsewhere import WRITES, Elsewhere, entry_of, is_in

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


_leading: list[Elsewhere] = []
"""What leads the names of this process, once it is protected."""


def protect(scratch: str, roots: Iterable[str]) -> None:
    """Guards the user's files until this process ends: an audit hook cannot be removed.

    Args:
        scratch: folder in which everything may be written.
        roots: the user's folders that it stands for.
    """
    folder, own = os.path.realpath(scratch), tuple(map(os.path.realpath, roots))
    sys.addaudithook(functools.partial(_hear, folder, own))
    elsewhere = Elsewhere(folder, functools.partial(_is_users, scratch=folder, roots=own))
    elsewhere.begin()
    _leading.append(elsewhere)


def announce(holder: Any, name: str, place: int = 0, *, writes: bool = True) -> None:
    """Lets a function that opens a file by itself be led, and tell the audit hooks when it writes.

    Args:
        holder: module that holds the function.
        name: of the function.
        place: which of its arguments is the path.
        writes: whether it writes the file anew, and does not read it.
    """
    original: Callable[..., Any] = getattr(holder, name)

    @functools.wraps(original)
    def announced(*args: Any, **kwargs: Any) -> Any:
        path: Any = args[place] if len(args) > place else None
        if _is_path(path):
            for each in _leading:
                path = each.written(path, keep=False) if writes else each.read(path)
            if writes:
                sys.audit("open", os.fspath(path), "wb", os.O_WRONLY | os.O_TRUNC)
            args = (*args[:place], path, *args[place + 1 :])
        return original(*args, **kwargs)

    setattr(holder, name, announced)


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)


def _hear(scratch: str, roots: tuple[str, ...], event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = args
        if isinstance(flags, int) and flags & WRITES and isinstance(path, str | bytes):
            _written(os.fsdecode(path), scratch, roots, empty=bool(flags & os.O_TRUNC))
    elif event in _GONE:
        for path in args[: _GONE[event]]:
            if isinstance(path, str | bytes):
                _allow(entry_of(os.fsdecode(path)), scratch, roots)
    elif event == "sqlite3.connect":
        _written(str(args[0]), scratch, roots, empty=False)


def _written(path: str, scratch: str, roots: tuple[str, ...], *, empty: bool) -> None:
    entry = entry_of(path)
    if not is_in(entry, scratch) or not os.path.islink(entry):
        _allow(os.path.realpath(entry), scratch, roots)
        return
    file = os.path.realpath(entry)
    os.unlink(entry)
    if not empty and os.path.isfile(file):
        shutil.copyfile(file, entry)


def _allow(path: str, scratch: str, roots: tuple[str, ...]) -> None:
    if not _is_users(path, scratch, roots) or not _is_a_file_or_folder(path):
        return
    told = "a trial of headwater fix writes to no file of yours; let the script name it relative to its folder"
    raise PermissionError(errno.EACCES, told, path)


def _is_users(path: str, scratch: str, roots: tuple[str, ...]) -> bool:
    """Whether a path is the user's to write, of a file that is there or of a new one."""
    if is_in(path, scratch):
        return False
    in_project = any(is_in(path, root) and not is_in(_HOME, root) for root in roots)
    if not in_project and any(is_in(path, cache) for cache in _CACHES):
        return False
    return "__pycache__" not in path.split(os.sep)  # Python's own, also where an environment lies in the project


def _is_a_file_or_folder(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
