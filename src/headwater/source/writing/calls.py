"""Finds the calls that a change means, by the line and by the name that is called."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import Assignment

from headwater.errors import PatchError
from headwater.source.writing.document import Document

_SPELLINGS = {"hardtanh": ("relu6",), "sigmoid": ("expit",)}
"""Other functions of PyTorch's that make the same operation."""


def calls_at(document: Document, line: int, callee: str) -> list[cst.Call]:
    """Returns the calls of `callee` that stand on a line; where none does, the one in the statement that spans it.

    Args:
        document: the file.
        line: number of the line, as the file is now.
        callee: last part of the name that is called, as it is written or as it was imported.

    Raises:
        PatchError: there are several in that statement.
    """
    calls = [call for call in document.of(cst.Call) if is_named(document, call.func, callee)]
    on_line = [call for call in calls if line in (_first_line(document, call), _name_line(document, call))]
    around = on_line or [call for call in calls if line in statement_lines(document, call)]
    if len(around) > 1 and not on_line:
        raise PatchError(f"line {line} of {document.path.name} stands among several calls of {callee}")
    return around


def is_named(document: Document, name: cst.BaseExpression, callee: str) -> bool:
    """Whether a class or a function is the one that is called `callee`, or another spelling of it."""
    return own_name(document, name) in (callee, *_SPELLINGS.get(callee, ()))


def own_name(document: Document, name: cst.BaseExpression) -> str:
    """The name under which a class or a function was defined: ``"Sigmoid"`` for ``S`` from ``import Sigmoid as S``."""
    return document.full_name(name).rpartition(".")[2] or last_part(name)


def last_part(name: cst.BaseExpression) -> str:
    """``"Sigmoid"`` for ``nn.Sigmoid``; empty for what is no name."""
    return name.value if isinstance(name, cst.Name) else name.attr.value if isinstance(name, cst.Attribute) else ""


def results(value: cst.BaseExpression) -> list[cst.BaseExpression]:
    """The expressions of which one is what another one gives: the arms of a condition."""
    if isinstance(value, cst.IfExp):
        return [*results(value.body), *results(value.orelse)]
    if isinstance(value, cst.BooleanOperation):
        return [*results(value.left), *results(value.right)]
    return [value]


def refuse_choice(document: Document, node: cst.CSTNode, callee: str) -> None:
    """Raises where a call is one of several that a configuration chooses from.

    Raises:
        PatchError: it is an entry of a table with its own name as the key, or an arm under a test for a string.
    """
    where = f"{callee} is chosen by a string in {document.path.name}"
    for parent in document.parents(node):
        if isinstance(parent, cst.DictElement) and _says(parent.key, callee):
            raise PatchError(where)
        if isinstance(parent, cst.If | cst.IfExp) and any(_says(each, callee) for each in _strings(parent.test)):
            raise PatchError(where)
        if isinstance(parent, cst.MatchCase) and callee.lower() in document.source(parent.pattern).lower():
            raise PatchError(where)


def _says(key: cst.BaseExpression, callee: str) -> bool:
    return isinstance(key, cst.SimpleString) and str(key.evaluated_value).lower() == callee.lower()


def _strings(test: cst.BaseExpression) -> list[cst.BaseExpression]:
    if isinstance(test, cst.Comparison):
        return [test.left, *(target.comparator for target in test.comparisons)]
    if isinstance(test, cst.BooleanOperation):
        return [*_strings(test.left), *_strings(test.right)]
    return []


def _first_line(document: Document, call: cst.Call) -> int:
    return document.line(document.start(call))


def _name_line(document: Document, call: cst.Call) -> int:
    return document.line(document.start(call.func.attr if isinstance(call.func, cst.Attribute) else call.func))


def statement_lines(document: Document, call: cst.Call) -> range:
    """The lines of the statement that a call stands in; of a compound one, the lines of its head only."""
    statement = document.within(call, cst.BaseSmallStatement, cst.BaseCompoundStatement)
    if statement is None:
        return range(0)
    lines = document.lines(statement)
    body = getattr(statement, "body", None)
    if isinstance(statement, cst.BaseCompoundStatement) and isinstance(body, cst.BaseSuite):
        return range(lines.start, max(lines.start + 1, document.lines(body).start))
    return lines


def assigned(document: Document, name: cst.Name) -> list[cst.CSTNode]:
    """Returns the statements that give a local variable its value, and what is appended to it."""
    scope = document.scope(name)
    if scope is None or name.value not in scope:
        return []
    places = [each.node for each in scope[name.value] if isinstance(each, Assignment)]
    places += [access.node for each in scope[name.value] for access in each.references if access.node is not name]
    found = [document.within(place, cst.Assign, cst.AnnAssign, cst.AugAssign, cst.Expr) for place in places]
    return [statement for statement in found if statement is not None]
