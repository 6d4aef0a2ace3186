"""What the model is called where its optimizer is built."""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst
import libcst.matchers as m

from headwater.source.writing.calls import assigned
from headwater.source.writing.document import Document, is_dotted

_PARAMETERS = ("parameters", "named_parameters")
_OWN = r"\b{}(\.(parameters|named_parameters|zero_grad|modules|children)\(|\()"
"""What is done with a module and hardly with anything else: it is called, or asked for what only modules have."""


def model_of(document: Document, call: cst.Call) -> str:
    """Returns how to write the model whose parameters a call is given; empty where that cannot be told.

    Where they are those of a part of it, ``net.head.parameters()``, or of several, the model is what they are parts of.
    """
    owners = _owners(document, call.args)
    if not owners:
        for name in (arg.value for arg in call.args if isinstance(arg.value, cst.Name)):
            owners += _owners(document, assigned(document, name))
    if not owners or not all(map(is_dotted, owners)):
        return ""
    parts = [document.source(owner).split(".") for owner in owners]
    shared = _shared(parts)
    if not shared:
        return ""
    for count in range(1, len(shared)):
        if _is_module(document, call, ".".join(shared[:count])):
            return ".".join(shared[:count])
    return ".".join(shared)


def _owners(document: Document, nodes: Sequence[cst.CSTNode]) -> list[cst.BaseExpression]:
    """What ``.parameters()`` is asked of in some expressions."""
    asked = m.Call(func=m.Attribute(attr=m.OneOf(*map(m.Name, _PARAMETERS))))
    found = [call for node in nodes for call in m.findall(node, asked)]
    return [call.func.value for call in found if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)]


def _shared(parts: Sequence[list[str]]) -> list[str]:
    """The names with which all of several dotted ones begin."""
    shared: list[str] = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return shared


def _is_module(document: Document, at: cst.CSTNode, name: str) -> bool:
    """Whether the source shows a name to be that of a network."""
    if name != "self":
        return re.search(_OWN.format(re.escape(name)), document.text) is not None
    owner = document.within(at, cst.ClassDef)
    bases = [document.source(base) for base in owner.bases] if owner is not None else []
    return any(base.endswith("Module") for base in bases)
