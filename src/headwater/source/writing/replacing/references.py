"""Finds the places that hand a class on to the line that calls it by another name: ``act=nn.Sigmoid``, ``act()``.

Names are followed, not values: the name that is called on the line is traced back through ``a = b`` and ``f(a=b)`` to
the places that name the class. To change those is safe where all calls of the names that hold it are meant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

import libcst as cst

from headwater.errors import PatchError
from headwater.source.writing.calls import is_named, last_part, own_name, refuse_choice, results, statement_lines
from headwater.source.writing.document import Document

_Binding = tuple[str, cst.BaseExpression]
"""A name, and what it stands for; attributes have a point before their name: ``".act"``."""


def references_of(
    document: Document, line: int, callee: str, lines: set[int], fits: Callable[[cst.Call], bool] | None = None
) -> list[cst.BaseExpression]:
    """Returns where the class is named that a line of code calls by another name.

    Args:
        document: the file.
        line: number of the line that makes the module, as the file is now.
        callee: name of the class.
        lines: numbers of all lines that the change means.
        fits: whether a call can stay as it is when another one is called there; ``None``: all can, whatever else is
            done with the names.

    Raises:
        PatchError: it cannot be followed, or the same names make modules on lines that are not meant; or a call does
            not fit, or one of the names goes where its calls are not seen.
    """
    bindings = [binding for node in document.nodes for binding in _bindings(document, node)]
    calls = [(_key(call.func), call) for call in document.of(cst.Call) if not document.full_name(call.func)]
    names = {name for name, call in calls if line in statement_lines(document, call)} - {""}
    while more := {_key(value) for name, value in bindings if name in names} - names - {""}:
        names |= more
    places = [(name, value) for name, value in bindings if name in names and is_named(document, value, callee)]
    if not places:
        raise PatchError(f"{document.path.name}:{line} does not say by name that it makes a {callee}")
    holding = {name for name, value in bindings if any(value is place for _, place in places)}
    while more := {name for name, value in bindings if _key(value) in holding} - holding:
        holding |= more
    if any(name in holding and not lines & {*document.lines(call)} for name, call in calls):
        raise PatchError(f"the {callee} of {document.path.name}:{line} is made in other places too")
    for _, place in places:
        refuse_choice(document, place, own_name(document, place))
    if fits is not None:
        if not all(fits(call) for name, call in calls if name in holding):
            raise PatchError(f"{document.path.name}:{line} does not name {callee}, whose arguments would change")
        held = [node for node in document.nodes if isinstance(node, cst.Name | cst.Attribute) and _key(node) in holding]
        _refuse_unseen(document, callee, [*held, *(value for _, value in places)], [v for name, v in bindings if name])
    return [value for _, value in places]


def _refuse_unseen(
    document: Document, callee: str, held: Iterable[cst.BaseExpression], bound: Collection[cst.BaseExpression]
) -> None:
    """Raises where one of the names that hold it goes where its calls are not seen."""
    for node in held:
        if not _is_followed(document, node, bound):
            at = f"{document.path.name}:{document.line(document.start(node))}"
            raise PatchError(f"{at} hands {callee} on to where its calls are not seen")


def _is_followed(document: Document, node: cst.BaseExpression, bound: Collection[cst.BaseExpression]) -> bool:
    """Whether a name that holds a class or a function is called there, bound to by name, handed on so, or compared."""
    parent, above = islice(document.parents(node), 2)
    if isinstance(parent, cst.Attribute) and parent.attr is node:
        return True  # the attribute is looked at itself
    is_argument = isinstance(parent, cst.Arg) and parent.value is node
    if is_argument and isinstance(above, cst.Call) and not _is_own(document, above):
        return False
    if any(node is each for each in bound):
        own = document.within(node, cst.ClassDef, cst.FunctionDef, cst.Lambda)
        return not isinstance(own, cst.ClassDef) or last_part(node)[:1].isupper()  # functions become methods there
    return (
        (isinstance(parent, cst.Call) and parent.func is node)
        or (isinstance(parent, cst.AssignTarget | cst.AnnAssign) and parent.target is node)
        or (isinstance(parent, cst.Param) and parent.name is node)
        or (isinstance(parent, cst.Arg) and parent.keyword is node)
        or isinstance(parent, cst.Comparison)
    )


def _is_own(document: Document, call: cst.Call) -> bool:
    """Whether what is called is defined in this file, where the names of its parameters can be followed."""
    own = {each.name.value for each in (*document.of(cst.ClassDef), *document.of(cst.FunctionDef))} - {"__init__"}
    if last_part(call.func) != "__init__":
        return last_part(call.func) in own
    heir = document.within(call, cst.ClassDef)
    return heir is not None and all(last_part(base.value) in own for base in heir.bases)


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
