"""The folder of runs, which may hold anything: what is not a run, or leads elsewhere, is refused with a reason."""

from __future__ import annotations

import os
from pathlib import Path

from headwater.errors import StoreError
from headwater.store import StoredRun, open_run

MOST_BYTES = {"run.json": 8 << 20, "report.json": 32 << 20, "findings.jsonl": 32 << 20, "fix.json": 32 << 20}
"""Sizes up to which files are read whole; those of real runs stay far below."""
_FOLDERS = {"reports": 32 << 20, "trials": 32 << 20, "sources": 16 << 20, "segments": 1 << 50}
"""The same for all files of a folder together; segments are never read whole."""
_MOST_FILES = 20_000


class NoSuchRunError(StoreError):
    """There is no run of this name, or no longer."""


class Shelf:
    """Runs below one folder.

    Args:
        root: the folder; or that of one run, which then is the only one that is shown.

    Raises:
        StoreError: there is no such folder.
    """

    def __init__(self, root: str | Path) -> None:
        folder = Path(root).resolve()
        if not folder.is_dir():
            raise StoreError(
                f"There is no folder {folder}. Runs are recorded by `headwater run train.py` or by "
                'headwater.watch(model, optimizer, run_dir="runs/x"); then give the folder that holds them.'
            )
        self._only = folder.name if (folder / "run.json").is_file() else None
        self.root = folder.parent if self._only else folder

    def names(self) -> list[str]:
        """Names of the folders that hold a run, readable or not, in order; a name that is no text has no address."""
        if self._only:
            return [self._only] if (self.root / self._only / "run.json").is_file() else []
        try:
            with os.scandir(self.root) as entries:
                found = [each.name for each in entries if each.is_dir() and os.path.lexists(f"{each.path}/run.json")]
        except OSError:  # deleted meanwhile
            return []
        return sorted(name for name in found if _is_text(name))

    def folder(self, name: str) -> Path:
        """Where the run of this name lies; a name is one that `names` gives, and never a path.

        Raises:
            NoSuchRunError: there is none.
        """
        if name in ("", ".", "..") or "/" in name or os.sep in name or "\0" in name or self._only not in (None, name):
            raise NoSuchRunError(f"There is no run named {name[:200]!r}, or no longer.")
        folder = self.root / name
        try:
            is_run = folder.is_dir() and os.path.lexists(folder / "run.json")
        except OSError:  # a name longer than any file's
            is_run = False
        if not is_run:
            raise NoSuchRunError(f"There is no run named {name[:200]!r}, or no longer.")
        return folder

    def open(self, name: str) -> StoredRun:
        """Opens a run.

        Raises:
            NoSuchRunError: there is none.
            StoreError: it cannot be read, leads out of its folder, or holds what no run would.
        """
        folder = self.folder(name)
        if reason := unsafe(folder):
            raise StoreError(f"The run {name} is not shown: {reason}.")
        return open_run(folder)


def _is_text(name: str) -> bool:
    return name.isascii() or name.encode(errors="replace").decode() == name


def unsafe(folder: Path) -> str | None:
    """Says why a folder must not be read as a run: a link, a file that is none, or one that is far too large."""
    if folder.is_symlink():
        return "its folder is a link to elsewhere"
    try:
        reason = _unsafe_in(folder, MOST_BYTES)
        for name, most in _FOLDERS.items():
            if reason is None and (folder / name).is_dir():
                reason = _unsafe_in(folder / name, {}, together=most)
        return reason
    except OSError:
        return "it cannot be looked at"


def _unsafe_in(folder: Path, most: dict[str, int], together: int | None = None) -> str | None:
    total = 0
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= _MOST_FILES:
                return f"there are more than {_MOST_FILES:,} files in {folder.name}"
            if entry.is_symlink():
                return f"{entry.name} is a link"
            if entry.is_dir():
                continue
            if not entry.is_file():
                return f"{entry.name} is no file"
            try:
                size = entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:  # a training joins its segments
                continue
            total += size
            if size > most.get(entry.name, size) or (together is not None and total > together):
                return f"{entry.name} is larger than any that Headwater writes"
    return None
