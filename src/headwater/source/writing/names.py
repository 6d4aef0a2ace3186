"""How a full name such as ``torch.nn.ReLU`` is written at a place of a file: as the file writes its own names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst
import torch
from libcst.metadata import GlobalScope, QualifiedNameSource, Scope

from headwater.source.writing.document import Document


def named(full: str) -> Any:
    """Returns what a full name of PyTorch's names; ``None`` where it names nothing."""
    root, *rest = full.split(".")
    found: Any = torch if root == "torch" else None
    for part in rest:
        found = getattr(found, part, None)
    return found


def meaning(scope: Scope | None, name: str) -> str | None:
    """Returns the full name of what is imported as `name`; empty: nothing bears the name; ``None``: another thing."""
    if scope is None or name not in scope:
        return ""
    found = list(scope.get_qualified_names_for(name))
    return found[0].name if len(found) == 1 and found[0].source is QualifiedNameSource.IMPORT else None


def spelled(document: Document, at: cst.BaseExpression, full: str) -> tuple[str, str]:
    """Returns how to write a full name in place of the name at `at`, and the import that it needs (empty: none).

    The old name's own way comes first (``nn.Sigmoid`` gives ``nn.ReLU``), then a name that is imported already, then
    an import beside that of the old name, then the longest prefix that is imported, then the full name.
    """
    owner, _, last = full.rpartition(".")
    if isinstance(at, cst.Attribute) and document.full_name(at.value) == owner:
        return f"{document.source(at.value)}.{last}", ""
    known = dict(_imported(document, at))
    exact = next((name for name, meant in known.items() if meant == full), None)
    if exact is not None:
        return exact, ""
    if isinstance(at, cst.Name) and meaning(document.scope(at), last) == "":
        if owner in starred(document):
            return last, ""
        if known.get(at.value, "").rpartition(".")[0] == owner:
            return last, f"from {owner} import {last}"
    prefixes = [name for name, meant in known.items() if full.startswith(f"{meant}.")]
    if prefixes:
        best = max(prefixes, key=lambda name: len(known[name]))
        return best + full[len(known[best]) :], ""
    return full, "import torch" if owner.startswith("torch") else f"import {owner}"


def _imported(document: Document, at: cst.BaseExpression) -> Iterator[tuple[str, str]]:
    """The imported names that can be used at a place, and what each means there."""
    scope = document.scope(at)
    for statement in [*document.of(cst.Import), *document.of(cst.ImportFrom)]:
        late = isinstance(scope, GlobalScope) and document.start(statement) > document.start(at)
        for alias in () if late or isinstance(statement.names, cst.ImportStar) else statement.names:
            name = alias.evaluated_alias or alias.evaluated_name.partition(".")[0]
            meant = meaning(scope, name)
            if meant:
                yield name, meant


def starred(document: Document) -> set[str]:
    """Returns the modules of which all names are imported."""
    found = [each for each in document.of(cst.ImportFrom) if isinstance(each.names, cst.ImportStar)]
    return {document.source(each.module) for each in found if each.module is not None}
