"""File operations under one folder, local or at any URL that fsspec knows. What is written is there whole, or not."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from headwater.errors import StoreError

_UNSAFE = re.compile(r"(^|/)\.\.(/|$)|^/|\0")


class Files:
    """The files of one folder.

    Args:
        url: a path, or a URL such as ``s3://bucket/runs/x`` or ``memory://x``.

    Raises:
        StoreError: no file system knows such a URL, or an operation failed; the message says what to do.
    """

    def __init__(self, url: str | Path) -> None:
        try:
            found = cast(Any, fsspec).core.url_to_fs(os.fspath(url))
        except (ValueError, ImportError) as error:
            raise StoreError(f"Expected a path or a URL that fsspec knows, got {os.fspath(url)!r}: {error}") from error
        self.system, self.root = found[0], str(found[1]).rstrip("/")
        self.is_local = isinstance(self.system, LocalFileSystem)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.root.rpartition("/")[2]

    def make(self, folder: str = "") -> None:
        """Makes a folder, and those above it."""
        with self._saying("make the folder", folder):
            self.system.makedirs(self.path(folder), exist_ok=True)

    def exists(self, name: str = "") -> bool:
        """Whether a file or folder is there."""
        with self._saying("look at", name):
            return bool(self.system.exists(self.path(name)))

    def names(self, folder: str = "") -> list[str]:
        """Names of what a folder holds, in order; empty when there is no such folder."""
        with self._saying("list", folder):
            if not self.system.isdir(self.path(folder)):
                return []
            self.system.invalidate_cache()
            found: list[str] = self.system.ls(self.path(folder), detail=False)
            return sorted(each.rstrip("/").rpartition("/")[2] for each in found)

    def is_link(self, name: str) -> bool:
        """Whether it only leads to a file."""
        return self.is_local and os.path.islink(self.path(name))

    def read(self, name: str) -> bytes:
        """The whole file."""
        with self._saying("read", name):
            return bytes(self.system.cat_file(self.path(name)))

    def size(self, name: str) -> int:
        """Its size in bytes."""
        with self._saying("look at", name):
            return int(self.system.size(self.path(name)) or 0)

    def write(self, name: str, data: bytes) -> None:
        """Writes the whole file in one: under another name, synchronised, then renamed."""
        path = self.path(name)
        with self._saying("write", name):
            if not self.is_local:
                self.system.pipe_file(path, data)
                return
            folder, _, last = path.rpartition("/")
            temporary = f"{folder}/.{last}.{os.getpid()}.tmp"
            try:
                with open(temporary, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise
            _synchronise(folder)

    def append(self, name: str, line: bytes) -> None:
        """Adds one line to a file. A torn line before it, from a write that failed, is closed first."""
        path = self.path(name)
        with self._saying("write", name):
            if not self.is_local:
                before = self.system.cat_file(path) if self.system.exists(path) else b""
                self.system.pipe_file(path, bytes(before) + line + b"\n")
                return
            with open(path, "a+b") as file:
                if file.tell() and not _ends_a_line(file):
                    file.write(b"\n")
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def delete(self, name: str) -> None:
        """Deletes a file, or a folder with all that is in it; what is not there is deleted already."""
        with self._saying("delete", name):
            if self.system.exists(self.path(name)):
                self.system.rm(self.path(name), recursive=True)

    def path(self, name: str) -> str:
        """The full path; names never lead out of the folder.

        Raises:
            StoreError: this one does.
        """
        if _UNSAFE.search(name):
            raise StoreError(f"Expected a name inside the run's folder, got {name!r}.")
        return f"{self.root}/{name}" if name else self.root

    @contextmanager
    def _saying(self, what: str, name: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"Headwater could not {what} {self.path(name)}: {error.strerror or error}. Is there space, and may "
                "this user write there?"
            ) from error


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _synchronise(folder: str) -> None:
    """Makes the renaming itself last; not every system can do that to a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
