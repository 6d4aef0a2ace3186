"""Writes a patch into the files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from headwater.errors import PatchError
from headwater.source.writing.diff import PatchedFile
from headwater.source.writing.patch import Patch


def apply(patch: Patch, *, force: bool = False, tracked: bool = False) -> None:
    """Writes a patch into the files: all of them, or none; each one whole, with its mode and its line ends.

    Args:
        patch: the change.
        force: whether all files are written that still hold what they held when the patch was made.
        tracked: whether git must know each file, so that it can restore what was in it.

    Raises:
        PatchError: a file holds something else than when the patch was made, or changes that git has no copy of; or
            one cannot be written.
    """
    for file in patch.files:
        if not file.path.is_file() or file.path.read_bytes() != file.old.encode(file.encoding):
            raise PatchError(f"{file.path} was changed while its fix was sought. Run headwater fix again.")
        if not force:
            check_restorable(file.path, tracked=tracked)
    _written(patch.files)


def check_restorable(path: Path, *, tracked: bool) -> None:
    """Checks that git could undo a change to a file.

    Args:
        path: of the file.
        tracked: whether git must know it.

    Raises:
        PatchError: git does not know the file, or has no copy of changes to it.
    """
    if tracked and not _is_tracked(path):
        raise PatchError(
            f"{path} is not tracked by git, which could not undo the fix. Commit it first, or insist with --force "
            "(force=True)."
        )
    if _is_dirty(path):
        raise PatchError(
            f"{path} has changes that are not committed. Commit them first, so that git can undo the fix; or insist "
            "with --force (force=True)."
        )


def _written(files: Sequence[PatchedFile]) -> None:
    """Writes all texts beside the files, new and old, and then renames: what fails late is undone by renaming too."""
    beside: list[Path] = []
    replaced: list[tuple[Path, Path]] = []
    try:
        new = [_beside(beside, file, file.new) for file in files]
        old = [_beside(beside, file, file.old) for file in files]
        for file, after, before in zip(files, new, old, strict=True):
            os.replace(after, file.path)
            replaced.append((before, file.path))
    except BaseException as error:  # an interrupt, too
        for before, path in replaced:
            os.replace(before, path)
        if isinstance(error, OSError):
            raise PatchError(f"The fix cannot be written, and every file is as it was: {error}") from error
        raise
    finally:
        for path in beside:
            path.unlink(missing_ok=True)


def _is_tracked(path: Path) -> bool:
    """Whether git knows a file; where there is no git, and no repository, it does not."""
    return bool(_git("ls-files", path))


def _is_dirty(path: Path) -> bool:
    """Whether git knows of changes to a file; where there is no git, and no repository, it does not."""
    return bool(_git("status --porcelain", path))


def _git(command: str, path: Path) -> str:
    """What git says of a file; nothing where it cannot."""
    if shutil.which("git") is None:
        return ""
    called = ["git", "-C", str(path.parent), *command.split(), "--", path.name]
    said = subprocess.run(called, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else ""


def _beside(beside: list[Path], file: PatchedFile, text: str) -> Path:
    """Writes a text to a temporary file in the same folder, so that it can take the file's place at once."""
    with tempfile.NamedTemporaryFile(dir=file.path.parent, prefix=f".{file.path.name}.", delete=False) as new:
        path = Path(new.name)
        beside.append(path)
        new.write(text.encode(file.encoding))
        new.flush()
        os.fsync(new.fileno())
    shutil.copymode(file.path, path)
    return path
