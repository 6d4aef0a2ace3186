"""Finds the places that hand a class on to the line that calls it by another name: ``act=nn.Sigmoid``, ``act()``.

Names are followed, not values: the name that is called on the line is traced back through ``a = b`` and ``f(a=b)`` to
the places that name the class. To change those is safe where all calls of the names that hold it are meant.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from headwater.errors import PatchError
from headwater.source.writing.calls import last_part, own_name, refuse_choice, results, statement_lines
from headwater.source.writing.document import Document

_Binding = tuple[str, cst.BaseExpression]
"""A name, and what it stands for; attributes have a point before their name: ``".act"``."""


def references_of(document: Document, line: int, callee: str, lines: set[int]) -> list[cst.BaseExpression]:
    """Returns where the class is named that a line of code calls by another name.

    Args:
        document: the file.
        line: number of the line that makes the module, as the file is now.
        callee: name of the class.
        lines: numbers of all lines that the change means.

    Raises:
        PatchError: it cannot be followed, or the same names make modules on lines that are not meant.
    """
    bindings = [binding for node in document.nodes for binding in _bindings(document, node)]
    calls = [(_key(call.func), call) for call in document.of(cst.Call) if not document.full_name(call.func)]
    names = {name for name, call in calls if line in statement_lines(document, call)} - {""}
    while more := {_key(value) for name, value in bindings if name in names} - names - {""}:
        names |= more
    places = [(name, value) for name, value in bindings if name in names and own_name(document, value) == callee]
    if not places:
        raise PatchError(f"{document.path.name}:{line} does not say by name that it makes a {callee}")
    holding = {name for name, _ in places}
    while more := {name for name, value in bindings if _key(value) in holding} - holding:
        holding |= more
    if any(name in holding and not lines & {*document.lines(call)} for name, call in calls):
        raise PatchError(f"the {callee} of {document.path.name}:{line} is made in other places too")
    for _, place in places:
        refuse_choice(document, place, callee)
    return [value for _, value in places]


def _key(name: cst.BaseExpression) -> str:
    return f".{name.attr.value}" if isinstance(name, cst.Attribute) else last_part(name)


def _bindings(document: Document, node: cst.CSTNode) -> Iterator[_Binding]:
    """What a node binds: an assignment, a default, an argument."""
    if isinstance(node, cst.Assign | cst.AnnAssign) and node.value is not None:
        for target in [each.target for each in node.targets] if isinstance(node, cst.Assign) else [node.target]:
            for value in results(node.value):
                yield _key(target), value
                if isinstance(document.within(node, cst.ClassDef, cst.FunctionDef), cst.ClassDef):
                    yield f".{last_part(target)}", value
    elif isinstance(node, cst.Param) and node.default is not None:
        yield node.name.value, node.default
    elif isinstance(node, cst.Call):
        names = _parameters(document, last_part(node.func))
        for position, arg in enumerate(node.args):
            yield arg.keyword.value if arg.keyword else "".join(names[position : position + 1]), arg.value


def _parameters(document: Document, name: str) -> list[str]:
    """The positional parameters of a function, or of a class, that this file defines; none where it does not."""
    for function in document.of(cst.FunctionDef):
        owner = document.within(function, cst.ClassDef, cst.FunctionDef)
        names = [each.name.value for each in function.params.params]
        if function.name.value == name and not isinstance(owner, cst.ClassDef):
            return names
        if function.name.value == "__init__" and isinstance(owner, cst.ClassDef) and owner.name.value == name:
            return names[1:]
    return []
