"""The statement that builds the optimizer, and what the model and the optimizer are called there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst
import torch

from headwater.errors import PatchError
from headwater.source.writing.calls import last_part, results, statement_lines
from headwater.source.writing.document import Document
from headwater.source.writing.inserting.models import model_of
from headwater.source.writing.names import named

_OFTEN = (cst.Lambda, cst.BaseComp, cst.IfExp, cst.BooleanOperation)
"""What is in these is computed later, again and again, or not at all: it cannot be bound to a name ahead of them."""


@dataclass(frozen=True)
class Bound:
    """An expression, where it stands (with its own name, if it has one), and the name that takes its place."""

    value: cst.BaseExpression
    place: cst.BaseExpression
    name: str


@dataclass(frozen=True)
class Site:
    """A statement with code around it.

    Attributes:
        statement: it.
        names: what stands for ``{model}`` and ``{optimizer}``; one that has no name is missing.
        bound: what gets a name ahead of the statement, where code behind it would come too late (``return SGD(...)``,
            ``train(opt := SGD(...))``) or would miss one of its names (``a = b = SGD(...)``).
        way: attributes behind the model's name that lead to it, where a library has wrapped it: ``"._orig_mod"``.
    """

    statement: cst.BaseSmallStatement
    names: dict[str, str] = field(default_factory=dict[str, str])
    bound: Bound | None = None
    way: str = ""


def optimizer_site(document: Document, line: int) -> Site:
    """Returns the statement on a line that builds an optimizer.

    Raises:
        PatchError: there is none, there are several, or it is no statement of its own.
    """
    calls = _building(document, line)
    if len({_statement(document, call) for call in calls}) != 1 or (len(calls) > 1 and not _are_arms(document, calls)):
        raise PatchError(f"{document.path.name}:{line} builds {'several optimizers' if calls else 'no optimizer'}")
    site = _site(document, calls, all(_is_optimizer(document, call) for call in calls))
    if "model" not in site.names:
        callers = _callers(document, site.statement, calls)
        further = _site(document, callers, is_optimizer=True) if callers else site
        return further if "model" in further.names else site
    return site


def _site(document: Document, calls: list[cst.Call], is_optimizer: bool) -> Site:
    """The statement around some calls of which one gives the optimizer, or something that holds it."""
    statement = _statement(document, calls[0])
    if not isinstance(statement, cst.BaseSmallStatement):
        raise PatchError(f"{document.path.name} builds the optimizer in the head of a block")
    model = {model_of(document, call) for call in calls}
    names = {"model": model.pop()} if len(model) == 1 and model != {""} else {}
    target = _target(document, statement, calls)
    if target:
        return Site(statement, {**names, "optimizer": target})
    walrus = document.within(calls[0], cst.NamedExpr)
    if walrus is not None and calls[0] in results(walrus.value):
        bound = Bound(walrus.value, walrus, document.source(walrus.target))
    elif len(calls) == 1 and is_optimizer:
        bound = Bound(calls[0], calls[0], fresh(document, calls[0], "optimizer"))
    else:
        bound = None
    if bound is None or document.within(bound.place, *_OFTEN) is not None:
        return Site(statement, names)
    return Site(statement, {**names, "optimizer": bound.name}, bound)


def _callers(document: Document, statement: cst.BaseSmallStatement, calls: list[cst.Call]) -> list[cst.Call]:
    """The only call of the function that makes the optimizer and does nothing but return it; none where it does not."""
    function = document.within(statement, cst.FunctionDef)
    if function is None or document.within(function, cst.ClassDef, cst.FunctionDef) is not None:
        return []
    returned = [each.value for each in document.of(cst.Return) if document.within(each, cst.FunctionDef) is function]
    target = _target(document, statement, calls)
    if not all(each in calls or (each and target and document.source(each) == target) for each in returned):
        return []
    found = [each for each in document.of(cst.Call) if last_part(each.func) == function.name.value]
    return found if len(found) == 1 else []


def fresh(document: Document, at: cst.CSTNode, name: str) -> str:
    """Returns the name, with underscores behind it until nothing else bears it there."""
    scope = document.scope(at)
    while scope is not None and name in scope:
        name += "_"
    return name


def _building(document: Document, line: int) -> list[cst.Call]:
    """The calls on a line that build an optimizer: of a class of PyTorch's, else the outermost call."""
    calls = [call for call in document.of(cst.Call) if line in statement_lines(document, call)]
    known = [call for call in calls if _is_optimizer(document, call)]
    if len(known) > 1 and not _are_arms(document, known):
        known = [call for call in known if line in document.lines(call)]
    inner = {each for call in calls for each in calls if call in document.parents(each)}
    return known or [call for call in calls if call not in inner]


def _is_optimizer(document: Document, call: cst.Call) -> bool:
    found = named(document.full_name(call.func)) or getattr(torch.optim, last_part(call.func), None)
    return isinstance(found, type) and issubclass(found, torch.optim.Optimizer)


def _are_arms(document: Document, calls: list[cst.Call]) -> bool:
    """Whether only one of the calls is made, and it is not told which."""
    return all(isinstance(next(document.parents(call)), cst.IfExp | cst.BooleanOperation) for call in calls)


def _statement(document: Document, call: cst.Call) -> cst.CSTNode | None:
    return document.within(call, cst.BaseSmallStatement, cst.BaseCompoundStatement)


def _target(document: Document, statement: cst.BaseSmallStatement, calls: list[cst.Call]) -> str:
    """What the optimizer is assigned to; empty where it is not."""
    if isinstance(statement, cst.AnnAssign) and statement.value is not None:
        pairs = [(statement.target, statement.value)]
    elif isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        pairs = list(_pairs(statement.targets[0].target, statement.value))
    else:
        pairs = []
    named = [target for target, value in pairs if any(call in results(value) for call in calls)]
    return document.source(named[0]) if named and not isinstance(named[0], cst.Tuple | cst.List) else ""


def _pairs(
    target: cst.BaseExpression, value: cst.BaseExpression
) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    """Targets and values of an assignment, ``a, b = c, d`` one by one."""
    if isinstance(target, cst.Tuple | cst.List) and isinstance(value, cst.Tuple | cst.List):
        for one, other in zip(target.elements, value.elements, strict=False):
            yield from _pairs(one.value, other.value)
    elif isinstance(target, cst.Tuple):
        likely = [each.value for each in target.elements if "opt" in last_part(each.value).lower()]
        yield from ((each, value) for each in likely if len(likely) == 1)
    else:
        yield target, value
