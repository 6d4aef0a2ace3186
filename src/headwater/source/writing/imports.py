"""Adds imports to a file, beside those that it has."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

import libcst as cst
from libcst.metadata import Scope

from headwater.errors import PatchError
from headwater.source.writing.document import Document, Splice
from headwater.source.writing.insertion import below
from headwater.source.writing.names import meaning


def imports_added(document: Document, at: cst.CSTNode, wanted: Iterable[str]) -> list[Splice]:
    """Returns what adds the imports that are missing at a place.

    Args:
        document: the file.
        at: an expression of it, whose names they are for.
        wanted: statements: ``"import torch"``, ``"from torch.nn import Linear, ReLU"``.

    Raises:
        PatchError: a name that would be imported means something else there.
    """
    each_one = dict.fromkeys(one for statement in wanted if statement for one in _single(statement))
    missing = [each for each in each_one if _is_missing(document, document.scope(at), each)]
    heads = [head for head in _heads(document) if document.start(head) < document.start(at)]
    return [_added(document, heads, each) for each in missing]


def _single(statement: str) -> list[str]:
    """Statements that import one name each."""
    (node,) = ast.parse(statement).body
    if not isinstance(node, ast.ImportFrom) or len(node.names) == 1:
        return [statement]
    return [ast.unparse(ast.ImportFrom(node.module, [alias], node.level)) for alias in node.names]


def _is_missing(document: Document, scope: Scope | None, statement: str) -> bool:
    name, full = _bound(statement)
    meant = meaning(scope, name)
    if meant is None or meant not in ("", full):
        raise PatchError(f"the name {name} stands for something else in {document.path.name}")
    return not meant


def _bound(statement: str) -> tuple[str, str]:
    """The name that an import binds, and what it stands for."""
    (node,) = ast.parse(statement).body
    assert isinstance(node, ast.Import | ast.ImportFrom)
    (alias,) = node.names
    if isinstance(node, ast.ImportFrom):
        return alias.asname or alias.name, f"{node.module}.{alias.name}"
    root = alias.name.partition(".")[0]
    return (alias.asname, alias.name) if alias.asname else (root, root)


def _added(document: Document, heads: Sequence[cst.Import | cst.ImportFrom], statement: str) -> Splice:
    """Into an import from the same module; else on a line of its own, beside the nearest of kin."""
    module, _, name = statement.removeprefix("from ").partition(" import ")
    for head in heads if name else ():
        names = head.names
        same = isinstance(head, cst.ImportFrom) and head.module and document.source(head.module) == module
        if same and not isinstance(names, cst.ImportStar):
            return _extended(document, names, name)
    kin = [head for head in heads if _root(document.source(head)) == _root(statement)]
    if kin and not name:
        start = document.starts[document.line(document.start(kin[0])) - 1]
        return Splice(start, start, statement + document.newline)
    behind = (kin or heads or _opening(document))[-1:]
    line = document.line(document.end(behind[0])) if behind else _comments(document)
    return below(document, line, [statement])


def _heads(document: Document) -> list[cst.Import | cst.ImportFrom]:
    """The imports outside of any block, ``__future__`` left out."""
    lines = [line for line in document.tree.body if isinstance(line, cst.SimpleStatementLine)]
    found = [small for line in lines for small in line.body if isinstance(small, cst.Import | cst.ImportFrom)]
    return [small for small in found if _root(document.source(small)) != "__future__"]


def _root(statement: str) -> str:
    return statement.split()[1].partition(".")[0]


def _extended(document: Document, names: Sequence[cst.ImportAlias], name: str) -> Splice:
    """A further name behind the last, parted from it as the last is from the one before."""
    *others, last = names
    gap = document.text[document.end(others[-1]) : document.start(last)] if others else ", "
    gap = "," + gap.lstrip(",") if not gap.strip(", \t\r\n") else ", "
    behind = document.end(last.asname or last.name)
    return Splice(behind, behind, gap + name)


def _opening(document: Document) -> list[cst.BaseSmallStatement]:
    """The docstring, and what is imported from ``__future__``."""
    first = document.tree.body[:1] if document.tree.get_docstring() is not None else ()
    lines = [line for line in document.tree.body if isinstance(line, cst.SimpleStatementLine)]
    future = [each for line in lines for each in line.body if document.source(each).startswith("from __future__")]
    return [*(small for line in first if isinstance(line, cst.SimpleStatementLine) for small in line.body), *future]


def _comments(document: Document) -> int:
    """How many lines of comments the file begins with: ``#!``, the encoding, a licence."""
    count = 0
    while document.text.startswith("#", document.starts[count]):
        count += 1
    return count
