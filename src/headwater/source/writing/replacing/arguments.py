"""The arguments of a call, with some left out and some set."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import libcst as cst
from torch import nn

from headwater.errors import PatchError
from headwater.records import ReplaceCall
from headwater.source.writing.document import Document
from headwater.source.writing.names import named, starred
from headwater.source.writing.replacing.groups import refuse_own_options

_SUBJECT = ("params", "input", "input_size", "hidden_size")
"""What an optimizer, a function or a recurrent layer of PyTorch works on: it comes first in each of them, and is kept
whatever else falls away."""
_DOCUMENTED: dict[Any, str] = {
    nn.RNN: "input_size hidden_size num_layers nonlinearity bias batch_first dropout bidirectional"
}
"""The order of arguments that a signature, ``(*args, **kwargs)``, does not tell."""


def arguments_written(document: Document, call: cst.Call, edit: ReplaceCall) -> str:
    """Returns what stands between the parentheses after an edit.

    An argument without its keyword gets it where the order may be another: in another function, or with some left out.

    Raises:
        PatchError: arguments are unpacked (``*args``, ``**settings``), or the names of positional ones cannot be told;
            or groups of parameters have options of their own.
    """
    if edit.keep is None and not edit.arguments:
        return _inside(document, call)
    if any(arg.star for arg in call.args):
        raise PatchError(f"the arguments of {edit.callee} are unpacked from elsewhere in {document.path.name}")
    refuse_own_options(document, call, edit)
    names = _names(document, call, edit)
    if not all(names[1:]):
        raise PatchError(f"the names of the arguments of {edit.callee} in {document.path.name} are not known")
    left = {name: value for name, value in edit.missing.items() if name not in names} | edit.arguments
    ordered = edit.keep is None and edit.to.rpartition(".")[2] == edit.callee
    kept: list[tuple[int, str]] = []
    for index, (arg, name) in enumerate(zip(call.args, names, strict=True)):
        bare = arg.keyword is None and (ordered or not name or name in _SUBJECT)
        if name in left:
            kept.append((index, left.pop(name) if bare else f"{name}={left.pop(name)}"))
        elif not name or edit.keep is None or name in (*edit.keep, *_SUBJECT):
            text = document.source(arg)
            kept.append((index, text if bare or arg.keyword else f"{name}={text}"))
    return _joined(document, call, kept, [f"{name}={value}" for name, value in left.items()])


def _names(document: Document, call: cst.Call, edit: ReplaceCall) -> list[str]:
    """The keyword of each argument; of a positional one, as the function has it, else empty."""
    known = [*_order(_function(document, call, edit)), *[""] * len(call.args)]
    return [arg.keyword.value if arg.keyword else name for arg, name in zip(call.args, known, strict=False)]


def _order(function: Any) -> list[str]:
    """The names of the positional arguments of a function, empty for those that have none."""
    if function in _DOCUMENTED:
        return _DOCUMENTED[function].split()
    try:
        parameters = list(inspect.signature(function).parameters.values()) if function is not None else []
    except ValueError:  # written in C
        parameters = []
    return [each.name if each.kind is each.POSITIONAL_OR_KEYWORD else "" for each in parameters]


def _function(document: Document, call: cst.Call, edit: ReplaceCall) -> Any:
    """What is called; by a bare name that no import names, one of those that ``import *`` brings."""
    full = document.full_name(call.func)
    names = [full] if full else [f"{module}.{edit.callee}" for module in sorted(starred(document))]
    return next((found for found in map(named, names) if found is not None), None)


def _inside(document: Document, call: cst.Call) -> str:
    text = document.text[document.end(call.func) : document.end(call)]
    return text[text.index("(") + 1 : -1]


def _joined(document: Document, call: cst.Call, kept: Sequence[tuple[int, str]], added: Sequence[str]) -> str:
    """The arguments, with what stood between them, before the first and behind the last."""
    text, args = _inside(document, call), call.args
    if not args:
        return ", ".join(added)
    base = document.end(call) - 1 - len(text)
    head, tail = text[: document.start(args[0]) - base], text[document.end(args[-1]) - base :]
    gaps = [document.text[document.end(one) : document.start(other)] for one, other in pairwise(args)]
    plain = gaps[0] if gaps and "#" not in gaps[0] else ", "
    written = [(gaps[index - 1] if index else "", piece) for index, piece in kept]
    written += [(plain, piece) for piece in added]
    return head + "".join(gap + piece if i else piece for i, (gap, piece) in enumerate(written)) + tail
