"""The arguments of a call, with some left out and some set."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import pairwise

import libcst as cst

from headwater.errors import PatchError
from headwater.records import ReplaceCall
from headwater.source.writing.document import Document
from headwater.source.writing.names import named

_SUBJECT = ("params", "input")
"""What an optimizer and a function of PyTorch work on; it is kept whatever else falls away."""


def arguments_written(document: Document, call: cst.Call, edit: ReplaceCall) -> str:
    """Returns what stands between the parentheses after an edit.

    An argument without its keyword gets it where the order may be another: in another function, or with some left out.

    Raises:
        PatchError: arguments are unpacked (``*args``, ``**settings``), so that their names are not known.
    """
    if edit.keep is None and not edit.arguments:
        return _inside(document, call)
    if any(arg.star for arg in call.args):
        raise PatchError(f"the arguments of {edit.callee} are unpacked from elsewhere in {document.path.name}")
    left = dict(edit.arguments)
    ordered = edit.keep is None and edit.to.rpartition(".")[2] == edit.callee
    kept: list[tuple[int, str]] = []
    for index, (arg, name) in enumerate(zip(call.args, _names(document, call), strict=True)):
        bare = arg.keyword is None and (ordered or not name or name in _SUBJECT)
        if name in left:
            kept.append((index, left.pop(name) if bare else f"{name}={left.pop(name)}"))
        elif not name or edit.keep is None or name in (*edit.keep, *_SUBJECT):
            text = document.source(arg)
            kept.append((index, text if bare or arg.keyword else f"{name}={text}"))
    return _joined(document, call, kept, [f"{name}={value}" for name, value in left.items()])


def _names(document: Document, call: cst.Call) -> list[str]:
    """The keyword of each argument; of a positional one, as the signature of the function tells, else empty."""
    function = named(document.full_name(call.func))
    try:
        parameters = list(inspect.signature(function).parameters.values()) if function is not None else []
    except ValueError:  # written in C
        parameters = []
    known = [each.name if each.kind is each.POSITIONAL_OR_KEYWORD else "" for each in parameters]
    known += [""] * len(call.args)
    return [arg.keyword.value if arg.keyword else name for arg, name in zip(call.args, known, strict=False)]


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
