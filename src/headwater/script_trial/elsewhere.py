"""Leads what a script writes outside of its scratch folder into that folder, where it finds it again.

A script may name a place by an absolute path: ``torch.save(state, "/home/me/ckpt/best.pt")``, each epoch anew. Its file
then lies in ``SCRATCH/elsewhere/home/me/ckpt/best.pt``, and its name leads there from then on; a file of the user's is
copied before it is changed, and one that is removed is only held to be gone. To this end ``open`` and the functions of
``os`` are replaced, which Python's libraries call by these names.

Whole folders of the user's are not moved, and what other libraries do in C is not led: for that
`headwater.script_trial.guard` stands.
"""

from __future__ import annotations

import builtins
import errno
import functools
import io
import os
import pathlib
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

FOLDER = "elsewhere"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_APPEND

_READ = ("stat", "lstat", "access", "readlink", "chdir", "statvfs")
_CHANGED = ("truncate", "utime", "chmod")
_REMOVED = ("remove", "unlink", "rmdir")
_RENAMED = ("rename", "replace")
_GROUPS: tuple[set[Any], ...] = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks)
"""Sets in which `os` says what its functions can do."""


class Elsewhere:
    """Where the names of the user's files lead.

    Args:
        scratch: folder in which everything may be written.
        is_users: whether a path, of a file or of none yet, is the user's.
    """

    def __init__(self, scratch: str, is_users: Callable[[str], bool]) -> None:
        self._folder = os.path.join(scratch, FOLDER)
        self._is_users = is_users
        self._gone: set[str] = set()
        self._here = threading.local()

    def begin(self) -> None:
        """Replaces the functions, until this process ends."""
        self._replace(os, "open", self._opened_low)
        for name in _READ:
            self._replace(os, name, self._seen)
        for name in _CHANGED:
            self._replace(os, name, self._changed)
        for name in _REMOVED:
            self._replace(os, name, self._removed)
        for name in _RENAMED:
            self._replace(os, name, self._renamed)
        self._replace(os, "mkdir", self._made)
        self._replace(os, "symlink", self._linked)
        self._replace(os, "listdir", self._listed)
        self._replace(os, "scandir", self._scanned)
        self._replace(shutil, "rmtree", self._removed_whole)
        self._replace(io, "open", self._opened)
        builtins.open = io.open

    def read(self, path: Any) -> Any:
        """Returns where that lies now for which a path stands; itself where nothing of it was changed."""
        with self._aside():
            entry = self._entry(path)
            if entry is None:
                return path
            return self._shadow(entry) if os.path.lexists(self._shadow(entry)) or self._is_gone(entry) else path

    def written(self, path: Any, *, keep: bool = True) -> Any:
        """Returns where it is to be written.

        Args:
            path: as the script names it.
            keep: whether what is in the file counts.
        """
        with self._aside():
            entry = self._entry(path, changes=True)
            if entry is None:
                return path
            shadow, gone = self._shadow(entry), self._is_gone(entry)
            if os.path.lexists(shadow):
                return shadow
            if not gone and os.path.lexists(entry) and not os.path.isfile(entry):
                return path
            if os.path.isdir(self.read(os.path.dirname(entry))):
                os.makedirs(os.path.dirname(shadow), exist_ok=True)
            if keep and not gone and os.path.isfile(entry):
                shutil.copy2(entry, shadow)
            return shadow

    def _seen(self, do: Any, path: Any, *rest: Any, **named: Any) -> Any:
        return do(self.read(path), *rest, **named)

    def _changed(self, do: Any, path: Any, *rest: Any, **named: Any) -> Any:
        return do(self.written(path), *rest, **named)

    def _made(self, do: Any, path: Any, *rest: Any, **named: Any) -> Any:
        return do(self.written(path, keep=False), *rest, **named)

    def _opened(self, do: Any, file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if named.get("opener") is not None and os.path.isdir(file):  # of `tempfile`, which opens a file in it
            return do(self._folder, mode, *rest, **named)
        if set(mode) & set("wax+"):
            return do(self.written(file, keep="w" not in mode), mode, *rest, **named)
        return do(self.read(file), mode, *rest, **named)

    def _opened_low(self, do: Any, path: Any, flags: int, *rest: Any, **named: Any) -> Any:
        if flags & (WRITES | os.O_CREAT):
            return do(self.written(path, keep=not flags & os.O_TRUNC), flags, *rest, **named)
        return do(self.read(path), flags, *rest, **named)

    def _removed(self, do: Any, path: Any, **named: Any) -> None:
        with self._aside():
            entry = self._entry(path, changes=True)
            if entry is not None and self.read(path) == path and os.path.lexists(entry):
                if os.path.isdir(entry) and os.listdir(entry):
                    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
                self._gone.add(entry)
                return
        do(self.read(path), **named)
        if entry is not None:
            self._gone.add(entry)

    def _removed_whole(self, do: Any, path: Any, *rest: Any, **named: Any) -> None:
        with self._aside():
            entry = self._entry(path, changes=True)
            only_users = entry is not None and self.read(path) == path and os.path.isdir(entry)
        if not only_users:
            do(self.read(path), *rest, **named)
        if entry is not None:
            self._gone.add(entry)

    def _renamed(self, do: Any, old: Any, new: Any, **named: Any) -> None:
        entry = self._entry(old, changes=True)
        do(self.written(old), self.written(new, keep=False), **named)
        if entry is not None:
            self._gone.add(entry)

    def _linked(self, do: Any, target: Any, path: Any, *rest: Any, **named: Any) -> None:
        to = self.read(target) if os.path.isabs(target) else target
        do(to, self.written(path, keep=False), *rest, **named)

    def _listed(self, do: Any, path: Any) -> list[str]:
        if self._entry(path) is None:
            return do(path)
        with self._scanned(os.scandir, path) as entries:
            return [each.name for each in entries]

    def _scanned(self, do: Any, path: Any) -> Any:
        with self._aside():
            entry = self._entry(path)
            shadow = self.read(path)
            if entry is None or shadow == path or self._is_gone(entry) or not os.path.isdir(entry):
                parts = [do(shadow)]
            else:
                parts = [do(shadow), do(path)]
        return parts[0] if entry is None else _Entries(parts, functools.partial(self._is_shown, entry))

    def _is_shown(self, folder: str, entry: os.DirEntry[str]) -> bool:
        """Whether it is there: its copy, or the user's own one without a copy."""
        if entry.path.startswith(self._folder):
            return True
        name = os.path.join(folder, entry.name)
        return not self._is_gone(name) and not os.path.lexists(self._shadow(name))

    def _replace(self, holder: Any, name: str, led: Callable[..., Any]) -> None:
        if not hasattr(holder, name):  # not on this system
            return
        original = getattr(holder, name)

        @functools.wraps(original)
        def call(*args: Any, **named: Any) -> Any:
            by_folder = any(value is not None for key, value in named.items() if key.endswith("dir_fd"))
            is_ours = bool(args) and isinstance(args[0], str | os.PathLike) and not by_folder
            if not is_ours or getattr(self._here, "aside", False):
                return original(*args, **named)
            return led(original, *args, **named)

        for group in _GROUPS:
            if original in group:
                group.add(call)
        setattr(holder, name, call)
        accessor: Any = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 keeps them there
        if accessor is not None and hasattr(accessor, name):
            setattr(accessor, name, staticmethod(call))

    @contextmanager
    def _aside(self) -> Generator[None]:
        """Inside, the functions are what they were."""
        before, self._here.aside = getattr(self._here, "aside", False), True
        try:
            yield
        finally:
            self._here.aside = before

    def _entry(self, path: Any, *, changes: bool = False) -> str | None:
        """Where its name really stands, where that is for us to lead; ``None`` where it is not, or nothing was led."""
        with self._aside():
            if not changes and not self._gone and not os.path.isdir(self._folder):
                return None
            entry = entry_of(os.fsdecode(path))
            return entry if self._is_users(entry) else None

    def _shadow(self, entry: str) -> str:
        return self._folder + os.path.splitdrive(entry)[1]

    def _is_gone(self, entry: str) -> bool:
        return any(is_in(entry, each) for each in self._gone)


class _Entries:
    """What `os.scandir` gives, of several folders."""

    def __init__(self, parts: list[Any], shown: Callable[[os.DirEntry[str]], bool]) -> None:
        self._parts = parts
        self._rows: Iterator[os.DirEntry[str]] = filter(shown, chain(*parts))

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self._rows

    def __next__(self) -> os.DirEntry[str]:
        return next(self._rows)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for each in self._parts:
            each.close()


def entry_of(path: str) -> str:
    """Where the last name of a path stands, whether or not it is a link."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def is_in(path: str, folder: str) -> bool:
    """Whether it is the folder, or in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
