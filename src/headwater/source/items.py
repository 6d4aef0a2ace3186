"""Finds the line that makes one item of a container: an element of a list, of a comprehension, of a loop's appends."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeGuard

from headwater.source.assignments import Assignment, Scope, assigned_to_name, dotted, made_by, method

_DEEPEST = 8
"""Names, calls and starred lists that are followed one into the other."""


@dataclass(frozen=True)
class _Item:
    """An expression for one item, or for several when it stands in a loop; `key` in a dictionary."""

    made: Assignment
    once: bool
    key: str | None = None


def item(container: Assignment, name: str, position: int, kind: str) -> Assignment | None:
    """Returns the expression that makes an item of a container, where it can be told; else ``None``.

    Args:
        container: the expression that makes the container; further items may be appended to its attribute.
        name: the item's name in the container: its number, or its key.
        position: its place in the container.
        kind: its class.
    """
    found = _all_items(container)
    keyed = [each for each in found if each.key == name]
    if keyed:
        return keyed[0].made
    if all(each.once for each in found) and position < len(found):
        return found[position].made
    alike = [each for each in found if made_by(each.made.value) == kind] or found
    return alike[0].made if len({each.made.place for each in alike}) == 1 else None


@cache
def _all_items(container: Assignment) -> tuple[_Item, ...]:
    found = list(_items(container.scope, container.value, once=True, left=_DEEPEST))
    if container.attribute is not None:
        found += _grown(container.scope, container.attribute, of_self=True, once=True, left=_DEEPEST)
    return tuple(found)


def _items(scope: Scope, value: ast.expr, *, once: bool, left: int) -> Iterator[_Item]:
    """The items that an expression for a list, a container or a dictionary gives."""
    if left == 0:
        return
    left -= 1
    if isinstance(value, ast.List | ast.Tuple):
        for element in value.elts:
            yield from _element(scope, element, once=once, left=left)
    elif isinstance(value, ast.Dict):
        for key, element in zip(value.keys, value.values, strict=True):
            yield _Item(Assignment(scope, element), once and key is not None, _constant(key))
    elif isinstance(value, ast.ListComp | ast.GeneratorExp):
        yield from _comprehension(scope, value, left)
    elif isinstance(value, ast.Name):
        yield from _variable(scope, value.id, once=once, left=left)
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        yield from _items(scope, value.left, once=once, left=left)
        yield from _items(scope, value.right, once=once, left=left)
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        yield from _items(scope, value.left, once=False, left=left)
    elif isinstance(value, ast.Call):
        yield from _call(scope, value, once=once, left=left)


def _call(scope: Scope, value: ast.Call, *, once: bool, left: int) -> Iterator[_Item]:
    """The arguments of a container; what a method of the class returns."""
    if isinstance(value.func, ast.Attribute) and dotted(value.func.value) == "self":
        called = method(scope, value.func.attr)
        for node in called.nodes if called is not None else ():
            if called is not None and isinstance(node, ast.Return) and node.value is not None:
                yield from _items(called, node.value, once=once, left=left)
        return
    whole = (ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.GeneratorExp, ast.Name)
    if len(value.args) == 1 and (isinstance(value.args[0], whole) or made_by(value.args[0]) in ("OrderedDict", "list")):
        yield from _items(scope, value.args[0], once=once, left=left)
    else:
        for argument in value.args:
            yield from _element(scope, argument, once=once, left=left)


def _element(scope: Scope, element: ast.expr, *, once: bool, left: int) -> Iterator[_Item]:
    """One element: a starred list, a pair of name and module, or the module itself."""
    if isinstance(element, ast.Starred):
        yield from _items(scope, element.value, once=once, left=left)
        return
    if isinstance(element, ast.Tuple) and len(element.elts) == 2 and isinstance(element.elts[0], ast.Constant):
        yield _Item(Assignment(scope, element.elts[1]), once, str(element.elts[0].value))
        return
    if isinstance(element, ast.Name):
        values = [value for node in scope.nodes for value in assigned_to_name(node, element.id)]
        element = values[0] if len(values) == 1 else element
    yield _Item(Assignment(scope, element), once)


def _comprehension(scope: Scope, value: ast.ListComp | ast.GeneratorExp, left: int) -> Iterator[_Item]:
    """The element; where that is a variable of the comprehension, what it runs over: ``for l in (A(), B())``."""
    if isinstance(value.elt, ast.Name):
        for generator in value.generators:
            if isinstance(generator.target, ast.Name) and generator.target.id == value.elt.id:
                yield from _items(scope, generator.iter, once=False, left=left)
        return
    yield from _element(scope, value.elt, once=False, left=left)


def _variable(scope: Scope, name: str, *, once: bool, left: int) -> Iterator[_Item]:
    """What is assigned to a local variable, and what is appended to it."""
    for node in scope.nodes:
        for value in assigned_to_name(node, name):
            yield from _items(scope, value, once=once, left=left)
    yield from _grown(scope, name, of_self=False, once=once, left=left)


def _grown(scope: Scope, name: str, *, of_self: bool, once: bool, left: int) -> Iterator[_Item]:
    """What ``append``, ``extend``, ``+=`` and ``[key] =`` add to a variable or an attribute."""
    subject = f"self.{name}" if of_self else name
    for node in scope.nodes:
        alone = once and node not in scope.repeated
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if dotted(node.func.value) == subject:
                yield from _added(scope, node.func.attr, node.args, once=alone, left=left)
        elif isinstance(node, ast.AugAssign) and dotted(node.target) == subject:
            yield from _items(scope, node.value, once=alone, left=left)
        elif isinstance(node, ast.Assign) and _subscripts(target := node.targets[0], subject):
            yield _Item(Assignment(scope, node.value), alone, _constant(target.slice))


def _added(scope: Scope, how: str, arguments: list[ast.expr], *, once: bool, left: int) -> Iterator[_Item]:
    if how == "append":
        yield from _element(scope, arguments[0], once=once, left=left)
    elif how == "extend":
        yield from _items(scope, arguments[0], once=once, left=left)
    elif how == "add_module" and len(arguments) == 2:
        yield _Item(Assignment(scope, arguments[1]), once, _constant(arguments[0]))


def _subscripts(target: ast.expr, subject: str) -> TypeGuard[ast.Subscript]:
    return isinstance(target, ast.Subscript) and dotted(target.value) == subject


def _constant(key: ast.expr | None) -> str | None:
    return str(key.value) if isinstance(key, ast.Constant) else None
