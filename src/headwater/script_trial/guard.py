"""Keeps a script that is tried from overwriting the user's files.

What it writes outside of the scratch folder is led into it (`headwater.script_trial.elsewhere`). Besides, Python tells
an audit hook of each file that is about to be opened, removed or renamed (PEP 578). A link in the scratch folder is
replaced by a copy of its file before it is written. A file of the user's that is written on a way which is not led
raises `PermissionError`, which the trial tells. Caches, also those that an environment variable names, are written as
they are.

Not seen is what other programs and libraries in C do by themselves; those of torch, safetensors and h5py are.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any

from headwater.script_trial.elsewhere import WRITES, Elsewhere
from headwater.script_trial.places import database_of, entry_of, in_folder, is_in, is_path, refused

_CHANGED = {
    **{"os.remove": (1, 1), "os.rmdir": (1, 1), "os.rename": (2, 2), "os.truncate": (1, None), "shutil.rmtree": (1, 1)},
    **{"os.chmod": (1, 2), "os.chown": (1, 3), "os.utime": (1, 3)},
    **{"os.setxattr": (1, None), "os.removexattr": (1, None)},
}
"""Events after which a path leads elsewhere or nowhere, or to a file that is not the same: how many of their arguments
are paths, and where those stand that say from which folder."""
_HOME = os.path.expanduser("~")
_CACHES = tuple(
    map(
        os.path.realpath,
        (
            *(tempfile.gettempdir(), "/dev", "/proc", sys.prefix),
            *(f"{_HOME}/.cache", f"{_HOME}/Library/Caches"),
            *(f"{_HOME}/.triton", f"{_HOME}/.nv"),  # compiled kernels, renamed into their place
        ),
    )
)
"""Folders in which files come and go, and which a trial may write where they lie in no project of the user's."""
_NAMED = (
    *("XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH", "TORCH_EXTENSIONS_DIR"),
    *("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"),
)
"""Variables that name such folders, which compilers and downloads fill past Python's own functions."""


_TOLD = (
    "writes to no file of yours, and what is not written by Python's own functions cannot be led elsewhere; "
    "let the script name it relative to its folder"
)

_leading: list[Elsewhere] = []
"""What leads the names of this process, once it is protected."""


def protect(scratch: str, roots: Iterable[str]) -> None:
    """Guards the user's files until this process ends: an audit hook cannot be removed.

    Args:
        scratch: folder in which everything may be written.
        roots: the user's folders that it stands for.
    """
    folder, own = os.path.realpath(scratch), tuple(map(os.path.realpath, roots))
    elsewhere = Elsewhere(folder, functools.partial(_is_users, scratch=folder, roots=own))
    sys.addaudithook(functools.partial(_hear, elsewhere, folder, own))
    elsewhere.begin()
    _leading.append(elsewhere)


def announce(
    holder: Any, name: str, place: int = 0, *, called: str = "filename", writes: bool | None = True
) -> tuple[Any, Any]:
    """Lets a function that opens a file by itself be led, and tell the audit hooks when it writes.

    Args:
        holder: module or class that holds the function.
        name: of the function.
        place: which of its arguments is the path.
        called: that argument's name.
        writes: whether it writes the file anew, and does not read it; ``None`` where its next argument, in torch
            ``shared``, says whether it changes the file.

    Returns:
        The function as it was and as it is now, for `headwater.script_trial.elsewhere.rebind`.
    """
    original: Callable[..., Any] = getattr(holder, name)

    @functools.wraps(original)
    def announced(*args: Any, **kwargs: Any) -> Any:
        path: Any = args[place] if len(args) > place else kwargs.get(called)
        is_coded = isinstance(path, bytes)
        if is_coded or is_path(path):
            path = os.fsdecode(path)
            shared: Any = args[place + 1] if len(args) > place + 1 else kwargs.get("shared")
            changes = bool(shared) if writes is None else writes
            for each in _leading:
                path = each.written(path, keep=writes is None) if changes else each.read(path)
            if changes:
                sys.audit("open", path, None, os.O_RDWR | (os.O_TRUNC if writes else 0))
            path = os.fsencode(path) if is_coded else path
            if len(args) > place:
                args = (*args[:place], path, *args[place + 1 :])
            else:
                kwargs[called] = path
        return original(*args, **kwargs)

    setattr(holder, name, staticmethod(announced) if isinstance(holder, type) and place == 0 else announced)
    return original, announced


def _hear(elsewhere: Elsewhere, scratch: str, roots: tuple[str, ...], event: str, args: tuple[Any, ...]) -> None:
    if event != "open" and event not in _CHANGED and event not in ("os.link", "sqlite3.connect"):
        return
    with elsewhere.aside():  # here counts what is really there
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & WRITES and isinstance(path, str | bytes):
                _written(os.fsdecode(path), scratch, roots, empty=bool(flags & os.O_TRUNC))
        elif event == "sqlite3.connect":
            path, only_read = database_of(os.fsdecode(args[0]))
            if path and not only_read:
                _written(path, scratch, roots, empty=False)
        elif event == "os.link":
            _allow(os.path.realpath(in_folder(os.fsdecode(args[0]), args[2])), scratch, roots)
        else:
            paths, at = _CHANGED[event]
            folders = args[at : at + paths] if at is not None else ()
            for path, folder in zip_longest(args[:paths], folders):
                if isinstance(path, str | bytes):
                    _allow(entry_of(in_folder(os.fsdecode(path), folder)), scratch, roots)


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
    if not _is_users(path, scratch, roots) or not _is_there(path):
        return
    raise refused(path, _TOLD)


def _is_users(path: str, scratch: str, roots: tuple[str, ...]) -> bool:
    """Whether a path is the user's to write, of a file that is there or of a new one."""
    if is_in(path, scratch):
        return False
    in_project = any(is_in(path, root) and not is_in(_HOME, root) for root in roots)
    if not in_project and any(is_in(path, cache) for cache in _CACHES):
        return False
    for cache in _named(tuple(map(os.environ.get, _NAMED))):
        if is_in(path, cache) and not any(is_in(path, root) and is_in(root, cache) for root in (*roots, _HOME)):
            return False
    return "__pycache__" not in path.split(os.sep)  # Python's own, also where an environment lies in the project


@functools.lru_cache(maxsize=4)
def _named(folders: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(os.path.realpath(each) for each in folders if each)


def _is_there(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
