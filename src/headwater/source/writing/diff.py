"""Files before and after, as a unified diff."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path


@dataclass(frozen=True)
class PatchedFile:
    """A file before and after, as text with its own line ends."""

    path: Path
    old: str
    new: str
    encoding: str = "utf-8"


def unified(files: Iterable[PatchedFile]) -> str:
    """Returns the diff, as ``git apply`` and ``patch -p1`` read it."""
    return "".join(_unified(each) for each in files)


def _unified(file: PatchedFile) -> str:
    name = _shown(file.path)
    lines = unified_diff(_lines(file.old), _lines(file.new), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines as diff counts them: a form feed ends none."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path.relative_to(path.anchor)).as_posix()
