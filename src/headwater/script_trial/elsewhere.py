"""Leads what a script writes outside of its scratch folder into that folder, where it finds it again.

A script may name a place by an absolute path: ``torch.save(state, "/home/me/ckpt/best.pt")``, each epoch anew. Its file
then lies in ``SCRATCH/elsewhere/home/me/ckpt/best.pt``, and its name leads there from then on; a file of the user's is
copied before it is changed, and one that is removed is only held to be gone. To this end ``open``, the functions of
``os`` and ``sqlite3.connect`` are replaced, wherever a module has bound them.

Whole folders of the user's are not moved, large files are not copied, and what other libraries do in C is not led: for
that `headwater.script_trial.guard` stands.
"""

from __future__ import annotations

import builtins
import errno
import functools
import io
import os
import pathlib
import shutil
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlsplit

from headwater.script_trial.places import database_of, entry_of, in_folder, is_in, is_path, refused, split, unled
from headwater.script_trial.scratch import LARGE

FOLDER = "elsewhere"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_APPEND

_READ = ("stat", "lstat", "access", "readlink", "listxattr", "getxattr")
_ENTERED = ("chdir", "statvfs")
_CHANGED = ("truncate", "utime", "chmod", "chown", "setxattr", "removexattr")
_REMOVED = ("remove", "unlink")
_RENAMED = ("rename", "replace")
_OF_LINKS = ("lstat", "readlink")
"""Those that look at a link itself."""
_GROUPS: tuple[set[Any], ...] = (
    *(os.supports_dir_fd, os.supports_fd),
    *(os.supports_follow_symlinks, os.supports_effective_ids),
)
"""Sets in which `os` says what its functions can do."""
_LOWEST = ("posix", "nt")
"""Modules that keep what `os` has been made of: Python's own import goes by them."""
_LINKS = 40
"""Links that are followed one after the other, as many as Linux follows."""


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
        self._replaced: list[tuple[Any, Any]] = []

    def begin(self) -> None:
        """Replaces the functions, until this process ends."""
        self._replace(os, "open", "path", self._opened_low)
        for name in _READ:
            self._replace(os, name, "path", functools.partial(self._seen, follow=name not in _OF_LINKS))
        for led, names in ((self._entered, _ENTERED), (self._changed, _CHANGED), (self._removed, _REMOVED)):
            for name in names:
                self._replace(os, name, "path", led)
        for name in _RENAMED:
            self._replace(os, name, "src", self._renamed)
        self._replace(os, "rmdir", "path", self._removed_folder)
        self._replace(os, "mkdir", "path", self._made)
        self._replace(os, "symlink", "src", self._linked)
        self._replace(os, "link", "src", self._linked_hard)
        self._replace(os, "listdir", "path", self._listed, default=".")
        self._replace(os, "scandir", "path", self._scanned, default=".")
        self._replace(shutil, "rmtree", "path", self._removed_whole)
        self._replace(io, "open", "file", self._opened)
        builtins.open = io.open
        try:
            import sqlite3
        except ImportError:  # Python was built without it
            pass
        else:
            self._replace(sqlite3, "connect", "database", self._connected)
        rebind(self._replaced)

    def read(self, path: Any, *, follow: bool = True) -> Any:
        """Returns where that lies now for which a path stands; itself where nothing of it was changed.

        Args:
            path: as the script names it.
            follow: whether what a link leads to is meant.
        """
        with self.aside():
            entry = self._resolved(path, follow=follow)
            if entry is None:
                return path
            is_led = self._is_users(entry) and (os.path.lexists(self._shadow(entry)) or self._is_gone(entry))
            return self._shadow(entry) if is_led else unled(path, entry)

    def written(self, path: Any, *, keep: bool = True, follow: bool = True) -> Any:
        """Returns where it is to be written.

        Args:
            path: as the script names it.
            keep: whether what is in the file counts.
            follow: whether what a link leads to is meant.
        """
        with self.aside():
            entry = self._resolved(path, changes=True, follow=follow)
            if entry is None or not self._is_users(entry):
                return path if entry is None else unled(path, entry)
            shadow, is_there = self._shadow(entry), self._is_there(entry)
            if os.path.lexists(shadow):
                return shadow
            is_file = os.path.isfile(entry) or os.path.islink(entry)
            if is_there and not is_file:
                return unled(path, entry)
            if os.path.isdir(self.read(os.path.dirname(entry))):
                os.makedirs(os.path.dirname(shadow), exist_ok=True)
            if keep and is_there:
                if os.lstat(entry).st_size > LARGE:
                    told = f"copies no file of yours above {LARGE // 2**20} MB, to change it: open it for reading only"
                    raise refused(entry, told)
                shutil.copy2(entry, shadow, follow_symlinks=False)
            return shadow

    def _seen(self, do: Any, path: Any, *rest: Any, follow: bool, **named: Any) -> Any:
        return do(self.read(path, follow=follow and named.get("follow_symlinks", True)), *rest, **named)

    def _entered(self, do: Any, path: Any) -> Any:
        """The user's folder as long as it is there: what was not written lies in it alone."""
        with self.aside():
            entry = self._entry(path)
            is_real = entry is not None and self._is_there(entry) and os.path.isdir(entry)
            place = unled(path, entry) if entry is not None and is_real else self.read(path)
        return do(place)

    def _changed(self, do: Any, path: Any, *rest: Any, **named: Any) -> Any:
        follow = named.get("follow_symlinks", True)
        with self.aside():
            entry = self._entry(path, changes=True, follow=follow)
            if entry is not None and self._is_there(entry) and os.path.isdir(entry) and not os.path.islink(entry):
                os.makedirs(self._shadow(entry), exist_ok=True)
        return do(self.written(path, follow=follow), *rest, **named)

    def _made(self, do: Any, path: Any, *rest: Any, **named: Any) -> Any:
        return do(self.written(path, keep=False, follow=False), *rest, **named)

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

    def _connected(self, do: Any, database: Any, *rest: Any, **named: Any) -> Any:
        name = os.fsdecode(database)
        is_address = named.get("uri") or rest[6:7] == (True,)
        path, only_read = database_of(name) if is_address else (name, False)
        if path in ("", ":memory:"):
            return do(database, *rest, **named)
        place = self.read(path) if only_read else self._database(path)
        if place == path:
            return do(database, *rest, **named)
        return do(f"file:{quote(place)}?{urlsplit(name).query}" if is_address else place, *rest, **named)

    def _database(self, path: str) -> str:
        """Where one is written; copied together with its log, without which its last changes are lost."""
        with self.aside():
            entry = self._entry(path, changes=True)
            is_new = entry is not None and self._is_there(entry) and not os.path.lexists(self._shadow(entry))
            place = self.written(path)
            for log in (f"{entry}-wal", f"{entry}-journal"):
                if is_new and os.path.isfile(log):
                    self.written(log)
            return place

    def _removed(self, do: Any, path: Any, **named: Any) -> None:
        with self.aside():
            entry = self._entry(path, changes=True, follow=False)
            is_real = entry is not None and os.path.lexists(entry)
            is_only_real = is_real and self.read(path, follow=False) == path
            if is_only_real and os.path.isdir(path) and not os.path.islink(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not is_only_real:
            do(self.read(path, follow=False), **named)
        if entry is not None and is_real:
            self._gone.add(entry)

    def _removed_folder(self, do: Any, path: Any, **named: Any) -> None:
        entry = self._entry(path, changes=True, follow=False)
        if entry is None:
            return do(path, **named)
        with self.aside():
            place = self.read(path, follow=False)
            if os.path.islink(place):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if self._listed(os.listdir, path):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
            if place != path:
                do(place, **named)
            if os.path.lexists(entry):
                self._gone.add(entry)

    def _removed_whole(self, do: Any, path: Any, *rest: Any, **named: Any) -> None:
        with self.aside():
            entry = self._entry(path, changes=True, follow=False)
            is_real = entry is not None and os.path.lexists(entry)
            only_users = is_real and self.read(path, follow=False) == path and os.path.isdir(path)
            only_users = only_users and not os.path.islink(path)
        if not only_users:
            do(self.read(path, follow=False), *rest, **named)
        if entry is not None and is_real:
            self._gone.add(entry)

    def _renamed(self, do: Any, src: Any, dst: Any, **named: Any) -> None:
        with self.aside():
            entry = self._entry(src, changes=True, follow=False)
            is_real = entry is not None and os.path.lexists(entry)
            if entry is not None and self._is_there(entry) and os.path.isdir(entry) and not os.path.islink(entry):
                raise refused(entry, "moves no folder of yours")
        do(self.written(src, follow=False), self.written(dst, keep=False, follow=False), **named)
        if entry is not None and is_real:
            self._gone.add(entry)

    def _linked(self, do: Any, src: Any, dst: Any, *rest: Any, **named: Any) -> None:
        to = self.read(src) if os.path.isabs(src) else src
        do(to, self.written(dst, keep=False, follow=False), *rest, **named)

    def _linked_hard(self, do: Any, src: Any, dst: Any, **named: Any) -> None:
        """Copies a file of the user's: what is written into a hard link of it is written into the file."""
        place, to = self.read(src), self.written(dst, keep=False, follow=False)
        with self.aside():
            if not self._is_users(os.path.realpath(place)):
                return do(place, to, **named)
            if os.path.lexists(to):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), src, None, dst)
            if os.path.getsize(place) > LARGE:
                raise refused(place, f"makes no hard link of yours, and copies none above {LARGE // 2**20} MB")
            shutil.copy2(place, to)

    def _listed(self, do: Any, path: Any) -> list[str]:
        if self._entry(path) is None:
            return do(path)
        with self._scanned(os.scandir, path) as entries:
            return [each.name for each in entries]

    def _scanned(self, do: Any, path: Any) -> Any:
        with self.aside():
            entry, place = self._entry(path), self.read(path)
            if entry is None:
                return do(path)
            parts = [do(place)]
            if is_in(str(place), self._folder) and self._is_there(entry) and os.path.isdir(entry):
                parts.append(do(entry))
        return _Entries(parts, functools.partial(self._is_shown, entry))

    def _is_shown(self, folder: str, entry: os.DirEntry[str]) -> bool:
        """Whether it is there: its copy, or the user's own one without a copy."""
        if entry.path.startswith(self._folder):
            return True
        name = os.path.join(folder, entry.name)
        with self.aside():
            return not self._is_gone(name) and not os.path.lexists(self._shadow(name))

    def _replace(self, holder: Any, name: str, first: str, led: Callable[..., Any], default: str | None = None) -> None:
        if not hasattr(holder, name):  # not on this system
            return
        original = getattr(holder, name)

        @functools.wraps(original)
        def call(*args: Any, **named: Any) -> Any:
            path = args[0] if args else named.get(first)
            path = default if path is None else path
            if not is_path(path) or getattr(self._here, "aside", False):
                return original(*args, **named)
            folders = [key for key, value in named.items() if key.endswith("dir_fd") and value is not None]
            if folders:
                with self.aside():
                    path = in_folder(str(path), named[folders[0]])
                    is_ours = first == "path" and os.path.isabs(path) and self._is_users(entry_of(path))
                if not is_ours:
                    return original(*args, **named)
                del named[folders[0]]
            named.pop(first, None)
            return led(original, path, *args[1:], **named)

        call.__module__ = holder.__name__  # where `pickle` finds it
        for group in _GROUPS:
            if original in group:
                group.add(call)
        setattr(holder, name, call)
        self._replaced.append((original, call))
        accessor: Any = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 keeps them there
        if accessor is not None and hasattr(accessor, name):
            setattr(accessor, name, staticmethod(call))

    @contextmanager
    def aside(self) -> Generator[None]:
        """Inside, the functions are what they were."""
        before, self._here.aside = getattr(self._here, "aside", False), True
        try:
            yield
        finally:
            self._here.aside = before

    def _entry(self, path: Any, *, changes: bool = False, follow: bool = True) -> str | None:
        """Where its name really stands, where that is for us to lead; ``None`` where it is not, or nothing was led."""
        entry = self._resolved(path, changes=changes, follow=follow)
        return entry if entry is not None and self._is_users(entry) else None

    def _resolved(self, path: Any, *, changes: bool = False, follow: bool = True) -> str | None:
        """What `os.path.realpath` would give if all were in its place; ``None`` as long as nothing was led.

        Links of the scratch folder itself are not followed where they come last: the guard replaces them.
        """
        with self.aside():
            if not changes and not self._gone and not os.path.isdir(self._folder):
                return None
            here, names = split(os.path.abspath(os.fsdecode(path)))
            followed = 0
            while names:
                entry = os.path.join(here, names.pop(0))
                place = self._shadow(entry) if os.path.lexists(self._shadow(entry)) else entry
                is_meant = bool(names) or (follow and self._is_users(entry))
                is_link = os.path.islink(place) and (place != entry or not self._is_gone(entry))
                if not is_meant or not is_link or followed == _LINKS:
                    here = entry
                    continue
                followed += 1
                to = os.readlink(place)
                to = to[len(self._folder) :] if is_in(to, self._folder) else to
                here, rest = split(os.path.normpath(os.path.join(here, to)))
                names = rest + names
            return here

    def _shadow(self, entry: str) -> str:
        return self._folder + os.path.splitdrive(entry)[1]

    def _is_gone(self, entry: str) -> bool:
        return any(is_in(entry, each) for each in tuple(self._gone))

    def _is_there(self, entry: str) -> bool:
        """Whether the user's own file, folder or link is there, and is not held to be gone."""
        return os.path.lexists(entry) and not self._is_gone(entry)


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


def rebind(replaced: list[tuple[Any, Any]]) -> None:
    """Puts functions into the place of others in each module that has bound them: `tarfile` keeps ``open``, say."""
    by_identity = {id(old): new for old, new in replaced}
    modules: dict[str, Any] = sys.modules  # where anything may be put
    for name, module in tuple(modules.items()):
        if name in _LOWEST or not isinstance(module, ModuleType):
            continue
        space = vars(module)
        found = [(key, by_identity[id(value)]) for key, value in tuple(space.items()) if id(value) in by_identity]
        space.update(found)
