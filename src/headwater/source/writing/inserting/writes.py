"""Assignments into a model and loops over its parameters that put weights there, without a call that says so."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from headwater.source.writing.document import Document

HANDED = frozenset("parameters named_parameters modules named_modules children named_children state_dict".split())
"""Methods that hand on what a model holds."""
WRITING = frozenset(["copy_", "set_", "load_"])
"""Methods that write into a tensor what is given to them."""
_WEIGHTS = ("weight", "bias", "data", "param", "embed")
"""Parts of the names of what holds numbers: ``weight_ih_l0``, ``pos_embed``; ``net.device = device`` writes none."""
_SCOPES = (cst.FunctionDef, cst.Lambda, cst.ClassDef)


def writes(document: Document, scope: cst.CSTNode | None, model: str) -> list[cst.CSTNode]:
    """Returns the statements of a function that write into the weights of a model, in the order of the source.

    Not those that tie one of its weights to another one, or that draw numbers with torch.

    Args:
        document: the file.
        scope: the function; ``None`` for the module.
        model: how the model is written there.
    """
    found: list[cst.CSTNode] = [
        each
        for each, target, value in _assigned(document)
        if document.within(each, *_SCOPES) is scope
        and _is_weight(document, target, model)
        and document.source(target) != f"{model}.data"  # of a module those are no weights
        and not _is_harmless(document, value, model)
    ]
    found += [
        each
        for each in document.of(cst.For)
        if document.within(each, *_SCOPES) is scope
        and any(_is_written(document, each, name) for name in _names(document, each.target, each.iter, model))
    ]
    return sorted(found, key=document.start)


def is_of(document: Document, node: cst.CSTNode, model: str) -> bool:
    """Whether an expression is the model or a part of it."""
    written = document.source(node)
    return written == model or written.startswith((f"{model}.", f"{model}["))


def _assigned(document: Document) -> Iterator[tuple[cst.CSTNode, cst.BaseExpression, cst.BaseExpression]]:
    for each in document.of(cst.Assign):
        yield from ((each, target.target, each.value) for target in each.targets)


def _is_weight(document: Document, target: cst.BaseExpression, model: str) -> bool:
    """Whether a target is a weight within a model: ``net.fc.weight``, ``net.fc.bias.data[0]``."""
    if not isinstance(target, cst.Attribute | cst.Subscript) or not is_of(document, target, model):
        return False
    last = target
    while isinstance(last, cst.Subscript):
        last = last.value
    return isinstance(last, cst.Attribute) and any(part in last.attr.value.lower() for part in _WEIGHTS)


def _is_harmless(document: Document, value: cst.CSTNode, model: str) -> bool:
    """Whether a value is made of the model itself, of numbers, and of what torch draws."""
    if isinstance(value, cst.Call) and document.source(value.func).endswith(".load"):
        return False
    if isinstance(value, cst.Name | cst.Attribute | cst.Subscript) and is_of(document, value, model):
        return True
    if isinstance(value, cst.Name):
        return value.value in ("None", "True", "False") or _is_torchs(document, value)
    if isinstance(value, cst.Attribute):
        return _is_torchs(document, value) or _is_harmless(document, value.value, model)
    if isinstance(value, cst.Arg):
        return _is_harmless(document, value.value, model)
    return all(_is_harmless(document, each, model) for each in value.children)


def _is_torchs(document: Document, node: cst.CSTNode) -> bool:
    return document.full_name(node).partition(".")[0] == "torch"


def _names(document: Document, target: cst.BaseExpression, over: cst.BaseExpression, model: str) -> list[str]:
    """What a loop calls the parts of a model: of ``zip(net.parameters(), values)`` the first."""
    if isinstance(over, cst.Call) and document.source(over.func) == "zip" and isinstance(target, cst.Tuple):
        pairs = zip(target.elements, over.args, strict=False)
        return [name for one, arg in pairs for name in _names(document, one.value, arg.value, model)]
    if isinstance(over, cst.Call) and document.source(over.func) in ("enumerate", "list", "reversed", "sorted"):
        return _names(document, target, over.args[0].value, model) if over.args else []
    func = over.func if isinstance(over, cst.Call) else None
    if isinstance(func, cst.Attribute) and func.attr.value in ("items", "values"):  # net.state_dict().items()
        return _names(document, target, func.value, model)
    if not isinstance(func, cst.Attribute) or func.attr.value not in HANDED or not is_of(document, func.value, model):
        return []
    return [each.value for each in _all_names(target)]


def _all_names(node: cst.CSTNode) -> Iterator[cst.Name]:
    if isinstance(node, cst.Name):
        yield node
    for each in node.children:
        yield from _all_names(each)


def _is_written(document: Document, loop: cst.For, name: str) -> bool:
    """Whether a loop puts numbers into one of its variables, a parameter or a module."""
    for call in document.of(cst.Call):
        func = call.func
        if isinstance(func, cst.Attribute) and func.attr.value in WRITING and loop in document.parents(call):
            given = [arg.value for arg in call.args]
            if is_of(document, func.value, name) and not all(_is_harmless(document, each, name) for each in given):
                return True
    return any(
        _is_weight(document, target, name) and not _is_harmless(document, value, name)
        for each, target, value in _assigned(document)
        if loop in document.parents(each)
    )
