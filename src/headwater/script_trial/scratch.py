"""A scratch copy of the user's project in which a script may write what it likes.

Trials of a script must not overwrite the user's checkpoints and logs. So each one runs in a folder of its own that
looks like the project: real folders, sources copied (so that ``Path(__file__)`` leads here), and links to all other
files (data are not copied). `headwater.script_trial.guard` makes a copy of a linked file that is opened for writing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headwater.script import Target

MOST = 5_000
"""Entries that are linked one by one, nearest first; a folder beyond them is linked whole. A tenth of a second."""
LARGE = 64 * 2**20
"""Bytes up to which files are copied that libraries write past Python's ``open``, where no guard sees it."""
PAST_PYTHON = frozenset(".h5 .hdf5 .keras .parquet .feather .arrow .onnx .db .sqlite".split())
SOURCES = frozenset((".py", ".pyi"))
_WHOLE = (".git", "node_modules", "site-packages")
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
"""What lies in an environment of venv, and in one of conda."""
_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True)
class Scratch:
    """A folder for one trial.

    Attributes:
        folder: the whole of it.
        moved: each mirror in it, and the folder of the user's that it mirrors.
        cwd: where the script is to run.
        target: the script in it.
    """

    folder: Path
    moved: dict[str, str]
    cwd: Path
    target: Target


@contextmanager
def scratch(target: Target, cwd: Path) -> Generator[Scratch]:
    """Makes the folder, and deletes it at the end.

    Args:
        target: what is to run.
        cwd: where the user would run it.
    """
    cwd = cwd.resolve()
    script = None if target.module else (cwd / target.name).resolve()
    roots = _outermost([_project(cwd), *([_project(script.parent)] if script is not None else [])])
    with tempfile.TemporaryDirectory(prefix="headwater-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        mirrors = {root: folder / str(number) / (root.name or "root") for number, root in enumerate(roots)}
        near = {each for start in (cwd, script or cwd) for each in (start, *start.parents)}
        for root, mirror in mirrors.items():
            mirror.parent.mkdir()
            _mirror(root, mirror, near)
        moved = {str(mirror): str(root) for root, mirror in mirrors.items()}
        name = target.name if script is None else str(_inside(script, mirrors))
        yield Scratch(folder, moved, _inside(cwd, mirrors), Target(name, target.arguments, target.module))


def _project(folder: Path) -> Path:
    """The nearest folder above that looks like a project, so that what lies beside the current one is there too."""
    home = Path.home()
    for each in (folder, *folder.parents):
        if each == home:
            break
        if any((each / mark).exists() for mark in _MARKS):
            return each
    return folder


def _outermost(folders: Iterable[Path]) -> list[Path]:
    found = dict.fromkeys(folders)
    return [each for each in found if not any(other in each.parents for other in found)]


def _inside(path: Path, mirrors: dict[Path, Path]) -> Path:
    return next(mirror / path.relative_to(root) for root, mirror in mirrors.items() if path.is_relative_to(root))


def _mirror(root: Path, mirror: Path, near: set[Path]) -> None:
    """Fills the mirror, breadth first; folders on the way to the script come first, hidden ones last."""
    left = MOST
    waiting, hidden = deque([(root, mirror)]), deque[tuple[Path, Path]]()
    while waiting or hidden:
        queue = waiting or hidden
        source, target = queue.popleft()
        entries = list(os.scandir(source)) if os.access(source, os.R_OK) else []
        left -= len(entries)
        if left < 0 and source not in near:
            target.symlink_to(source)
            continue
        target.mkdir()
        for entry in entries:
            pair = Path(entry.path), target / entry.name
            if not entry.is_dir(follow_symlinks=False):
                _file(*pair)
            elif entry.name == "__pycache__":  # it would bring back the paths of the sources that were copied
                continue
            elif _is_apart(entry):
                pair[1].symlink_to(pair[0])
            elif pair[0] in near:
                waiting.appendleft(pair)
            else:
                (hidden if entry.name.startswith(".") else queue).append(pair)


def _is_apart(folder: os.DirEntry[str]) -> bool:
    """Whether a folder holds what no training writes: a repository's history, an environment."""
    return folder.name in _WHOLE or any(os.path.exists(f"{folder.path}/{each}") for each in _ENVIRONMENT)


def _file(source: Path, target: Path) -> None:
    kind = source.suffix.lower()
    if kind in SOURCES or (kind in PAST_PYTHON and source.exists() and source.stat().st_size <= LARGE):
        shutil.copy2(source, target)
    else:
        target.symlink_to(source.resolve())
