"""Changes to a file of a user's, whose lines are named by a text that stands on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headwater.records import Change, Code, ReplaceCall, SourceLine
from headwater.source.writing import Patch, patch

MATCHED = Code(
    before="for module in {model}.modules():\n    print(module)",
    after="torch.nn.utils.clip_grad_norm_({model}.parameters(), {optimizer}.defaults['lr'])",
    imports=("import torch",),
)


def line(source: str, mark: str) -> int:
    """Number of the only line that holds a text."""
    (number,) = [number for number, text in enumerate(source.splitlines(), 1) if mark in text]
    return number


def written(path: Path, source: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(source.encode(encoding))
    return path


def edit(path: Path, mark: str, callee: str, to: str, **more: Any) -> ReplaceCall:
    return ReplaceCall(SourceLine(str(path), line(path.read_bytes().decode("latin-1"), mark)), callee, to, **more)


def change(*edits: ReplaceCall, code: Code | None = None, instead: Code | None = None) -> Change:
    return Change("key", "what was done", ("0",), edits, instead or Code(), code or Code())


def place(path: Path, mark: str) -> SourceLine:
    return SourceLine(str(path), line(path.read_bytes().decode("latin-1"), mark))


def patched(path: Path, *changes: Change, optimizer: SourceLine | None = None, factory: Any = None) -> str:
    """The new text, when all was written."""
    made = patch(changes, optimizer=optimizer, factory=factory)
    assert (made.not_written, made.snippet) == ((), "")
    (file,) = made.files
    assert file.path == path and file.old == path.read_bytes().decode(file.encoding)
    return file.new


def refusal(*changes: Change, optimizer: SourceLine | None = None, factory: Any = None) -> Patch:
    """The patch, when nothing was written."""
    made = patch(changes, optimizer=optimizer, factory=factory)
    assert (made.files, made.diff) == ((), "")
    assert made.not_written and made.snippet
    return made
