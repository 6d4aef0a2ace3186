"""A change as plain PyTorch, for the reader to write where it belongs."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.records import Change


def snippet(changes: Sequence[Change]) -> str:
    """Returns what changes do as code around the statement that builds the optimizer; empty for none."""
    codes = [code for change in changes for code in (change.instead, change.code) if code]
    parts = ["\n".join(dict.fromkeys(line for code in codes for line in code.imports))]
    parts += [_told(change) for change in changes if change.edits and not change.instead]
    parts += [code.before for code in codes if code.apart]
    codes = [code for code in codes if not code.apart]
    before, after = ([getattr(code, side) for code in codes if getattr(code, side)] for side in ("before", "after"))
    parts += ["\n".join(["# before the optimizer is built", *before])] if before else []
    parts += ["\n".join(["# after the optimizer is built", *after])] if after else []
    return "\n\n".join(part for part in parts if part).replace("{model}", "model").replace("{optimizer}", "optimizer")


def _told(change: Change) -> str:
    """Edits that no code around the optimizer can stand for, in words."""
    return "\n".join(
        dict.fromkeys(
            f"# {edit.at.file}:{edit.at.line}: {edit.to or 'what it is applied to'} in place of {edit.callee}"
            + "".join(f", {name}={value}" for name, value in edit.arguments.items())
            for edit in change.edits
        )
    )
