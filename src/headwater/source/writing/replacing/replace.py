"""Writes a `ReplaceCall` into a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import libcst as cst
import torch

from headwater.errors import PatchError
from headwater.records import ReplaceCall
from headwater.source.writing.calls import calls_at, last_part, own_name, refuse_choice
from headwater.source.writing.document import Document, Splice
from headwater.source.writing.imports import imports_added
from headwater.source.writing.names import meaning, named, spelled
from headwater.source.writing.replacing.arguments import arguments_written
from headwater.source.writing.replacing.references import references_of

_HOMES = ("torch", "torch.nn.functional")
"""Both hold most activations, under the same names."""


def replaced(document: Document, edits: Sequence[ReplaceCall]) -> list[Splice]:
    """Returns the splices that write some edits of one file, all of one change.

    Raises:
        PatchError: one of them cannot be written safely; the message says why.
    """
    splices: list[Splice] = []
    for edit in edits:
        splices += _replaced(document, edit, edits)
    return splices


def _replaced(document: Document, edit: ReplaceCall, edits: Sequence[ReplaceCall]) -> list[Splice]:
    """One of the edits: the calls on its line, or else the places that name the class for that line."""
    where = f"{document.path.name}:{edit.at.line}"
    calls = calls_at(document, document.now(edit.at.line), edit.callee)
    if calls:
        for call in calls:
            refuse_choice(document, call, own_name(document, call.func))
        return [splice for call in calls for splice in _call(document, call, edit)]
    lines = {document.now(each.at.line) for each in edits if each.callee == edit.callee}
    fits = partial(_fits, edit, isinstance(named(edit.to), type)) if edit.keep is not None else None
    names = references_of(document, document.now(edit.at.line), edit.callee, lines, fits)
    if edit.arguments:
        raise PatchError(f"{where} does not name {edit.callee}, whose arguments would change")
    if not all(_is_known(document, name) for name in names):
        raise PatchError(f"{document.path.name} has a {edit.callee} of its own")
    if not edit.to:
        raise PatchError(f"{where} hands on {edit.callee} as a function, and calls it elsewhere")
    return [splice for name in names for splice in _name(document, name, _home(document, name, edit))]


def _fits(edit: ReplaceCall, builds: bool, call: cst.Call) -> bool:
    """Whether a call has no arguments but those that are kept, and what a function works on."""
    subjects = [arg for arg in call.args if arg.keyword is None or (arg.keyword.value == "input" and not builds)]
    others = [arg.keyword.value for arg in call.args if arg.keyword is not None and arg not in subjects]
    alone = len(subjects) == (0 if builds else 1) and not any(arg.star for arg in call.args)
    return alone and edit.keep is not None and all(other in edit.keep for other in others)


def _call(document: Document, call: cst.Call, edit: ReplaceCall) -> list[Splice]:
    if not edit.to:
        return [_unwrapped(document, call, edit.callee)]
    if _is_method(document, call):
        return _method(document, call, edit)
    if not _is_known(document, call.func):
        raise PatchError(f"{document.path.name} has a {edit.callee} of its own")
    splices: list[Splice] = []
    if edit.to.rpartition(".")[2] != edit.callee:
        simple = len(call.args) == 1 and not edit.arguments
        splices = _name(document, call.func, _home(document, call.func, edit) if simple else edit.to)
    return [*splices, *_arguments(document, call, edit)]


def _is_known(document: Document, name: cst.BaseExpression) -> bool:
    """Whether a name was imported, in so many words or by ``from torch.nn import *``."""
    if document.full_name(name):
        return True
    return isinstance(name, cst.Name) and meaning(document.scope(name), name.value) == ""


def _name(document: Document, name: cst.BaseExpression, full: str) -> list[Splice]:
    text, needed = spelled(document, name, full)
    here = Splice(document.start(name), document.end(name), text)
    return [here, *imports_added(document, name, [needed])]


def _arguments(document: Document, call: cst.Call, edit: ReplaceCall) -> list[Splice]:
    """Nothing where they stay as they are: a call that is meant too may stand among them."""
    end = document.end(call) - 1
    start = document.text.index("(", document.end(call.func)) + 1
    new = arguments_written(document, call, edit)
    return [Splice(start, end, new)] if new != document.text[start:end] else []


def _home(document: Document, name: cst.BaseExpression, edit: ReplaceCall) -> str:
    """The new name from where the old one came, when it is there too: ``torch.relu`` for ``torch.sigmoid``."""
    owner, _, last = edit.to.rpartition(".")
    old = document.full_name(name).rpartition(".")[0]
    if owner in _HOMES and old in _HOMES and named(f"{old}.{last}") is not None:
        return f"{old}.{last}"
    return edit.to


def _is_method(document: Document, call: cst.Call) -> bool:
    """Whether it is a method of a tensor, and neither a function of a module nor another module that is called."""
    func = call.func
    return (
        isinstance(func, cst.Attribute)
        and not document.full_name(func).startswith("torch.")
        and hasattr(torch.Tensor, func.attr.value)
        and not any(arg.keyword is None and not _is_number(arg.value) for arg in call.args)
    )


def _is_number(value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.Integer | cst.UnaryOperation)


def _method(document: Document, call: cst.Call, edit: ReplaceCall) -> list[Splice]:
    """``x.sigmoid()``: another method where tensors have it, else a function of the tensor."""
    assert isinstance(call.func, cst.Attribute)
    last, attribute = edit.to.rpartition(".")[2], call.func.attr
    if hasattr(torch.Tensor, last) and not call.args and not edit.arguments:
        return [Splice(document.start(attribute), document.end(attribute), last)]
    if call.args:
        raise PatchError(f"{document.path.name} calls the method {edit.callee} with arguments")
    name, needed = spelled(document, call.func, edit.to)
    subject = document.source(call.func.value)
    inside = ", ".join([subject, *(f"{key}={value}" for key, value in edit.arguments.items())])
    here = Splice(document.start(call), document.end(call), f"{name}({inside})")
    return [here, *imports_added(document, call, [needed])]


def _unwrapped(document: Document, call: cst.Call, callee: str) -> Splice:
    """The call gives way to what it is applied to, in parentheses where those keep it together."""
    if _is_method(document, call) and isinstance(call.func, cst.Attribute):
        subject = call.func.value
    elif call.args and call.args[0].keyword is None and not call.args[0].star:
        subject = call.args[0].value
    else:
        raise PatchError(f"{document.path.name} does not say what {last_part(call.func) or callee} is applied to")
    text = document.source(subject)
    parent = next(document.parents(call))
    whole = isinstance(subject, cst.Name | cst.Attribute | cst.Call | cst.Subscript)
    alone = "\n" not in text and (whole or isinstance(parent, cst.Assign | cst.Return))
    kept = alone or isinstance(parent, cst.Arg)
    return Splice(document.start(call), document.end(call), text if kept else f"({text})")
