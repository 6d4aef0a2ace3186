"""Changes, written into the user's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headwater.errors import PatchError
from headwater.records import Change, Code, ReplaceCall, SourceLine
from headwater.source.writing.diff import PatchedFile, unified
from headwater.source.writing.files import Files
from headwater.source.writing.inserting.code import Names, with_code
from headwater.source.writing.replacing.replace import replaced
from headwater.source.writing.snippet import snippet


@dataclass(frozen=True)
class Patch:
    """What changes come to in the user's source.

    Attributes:
        files: those that change.
        diff: all of it as a unified diff; paths are relative to the current folder where they lie in it.
        snippet: plain PyTorch for the changes that are not written into the files.
        not_written: which those are, and why; and what of the others is left to the user.
    """

    files: tuple[PatchedFile, ...]
    diff: str
    snippet: str
    not_written: tuple[str, ...]


def patch(
    changes: Sequence[Change],
    *,
    optimizer: SourceLine | None,
    factory: Callable[..., Any] | None = None,
    names: Names | None = None,
) -> Patch:
    """Writes changes into the user's source: each one whole, or not at all. No file is touched yet; see `apply`.

    Args:
        changes: in the order in which they were applied.
        optimizer: a line of the statement that builds the optimizer, when it is known.
        factory: the user's function that makes the model, where one does; code for the model goes before its return.
        names: what the model is called in the functions that build the optimizer, and how it is written by that where
            a library has wrapped it; ``None``: not known, so that the source alone tells.
    """
    edited, written, codes = Files(), Files(), list[Code]()
    left: list[Change] = []
    not_written: list[str] = []
    for change in changes:
        reasons: list[str] = []
        for edits, more in _ways(change):
            try:
                trial = _edited(edited, edits)
                written = with_code(trial, [*codes, *more], optimizer, factory, names)
            except PatchError as refusal:
                reasons.append(str(refusal))
                continue
            edited, codes = trial, [*codes, *more]
            not_written += [f"{change.says}: {change.by_hand}"] * bool(change.by_hand)
            break
        else:
            left.append(change)
            reasons += [change.by_hand] * bool(change.by_hand)
            not_written.append(f"{change.says}: {'; '.join(dict.fromkeys(reasons))}")
    return Patch(written.patched, unified(written.patched), snippet(left), tuple(not_written))


def _ways(change: Change) -> Iterator[tuple[tuple[ReplaceCall, ...], list[Code]]]:
    """The ways in which a change can be written, the best first: edits, or what does the same."""
    if change.code.apart:
        return
    if change.edits or not change.instead:
        yield change.edits, [change.code]
    if change.instead:
        yield (), [change.instead, change.code]


def _edited(files: Files, edits: Sequence[ReplaceCall]) -> Files:
    for file in dict.fromkeys(edit.at.file for edit in edits):
        document = files.read(file)
        own = [edit for edit in edits if edit.at.file == file]
        files = files.spliced(document, replaced(document, own))
    return files
