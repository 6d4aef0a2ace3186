"""Weights that are loaded ahead of the optimizer: code that draws new ones must stand before that."""

from __future__ import annotations

import libcst as cst

from headwater.errors import PatchError
from headwater.source.writing.calls import last_part
from headwater.source.writing.document import Document
from headwater.source.writing.inserting.sites import Site

_MOVES = frozenset("to cuda cpu float double half bfloat16 train eval requires_grad_".split())
"""Methods of a module that return the module itself."""
_SCOPES = (cst.FunctionDef, cst.Lambda, cst.ClassDef)


def loading(document: Document, site: Site) -> cst.CSTNode | None:
    """Returns the first statement between model and site that may load weights; ``None`` where there is none.

    Args:
        document: the file.
        site: of the optimizer, or of the return of what makes the model.

    Raises:
        PatchError: there is one, and code for the model cannot stand ahead of it: the model is made there or later, or
            the statement is in another block.
    """
    made = _bindings(document, site)
    made_here = site.bound is not None and site.bound.name == site.names["model"]  # return Net()
    end = document.end(site.statement) if made_here else document.start(site.statement)
    ahead = range(min(made, default=0), end)
    loads = [call for call in _loads(document, site.statement) if document.start(call) in ahead]
    if not loads:
        return None
    first, *further = (_beside(document, call, site.statement) for call in loads)
    if first is None or None in further or made_here or any(document.start(first) <= place for place in made):
        line = document.line(document.start(loads[0]))
        raise PatchError(f"{document.path.name}:{line} may load weights, which code behind it would overwrite")
    return first


def _bindings(document: Document, site: Site) -> list[int]:
    """Where the function of the site gives the model its name."""
    name = site.names["model"]
    places: list[int] = []
    for node in [*document.of(cst.Assign), *document.of(cst.AnnAssign), *document.of(cst.NamedExpr)]:
        targets = [each.target for each in node.targets] if isinstance(node, cst.Assign) else [node.target]
        parts = [part for target in targets for part in _parts(target)]
        if name in map(document.source, parts) and not _moves(document, node.value, name):
            places.append(document.start(node))
    here = document.start(site.statement)
    scope = document.within(site.statement, *_SCOPES)
    begin, end = (document.start(scope), document.end(scope)) if scope is not None else (0, len(document.text))
    return [place for place in places if begin <= place < min(end, here)]


def _parts(target: cst.BaseExpression) -> list[cst.BaseExpression]:
    return [each.value for each in target.elements] if isinstance(target, cst.Tuple | cst.List) else [target]


def _moves(document: Document, value: cst.BaseExpression | None, name: str) -> bool:
    """Whether a value is the model itself: ``net.to(device)``."""
    func = value.func if isinstance(value, cst.Call) else None
    return isinstance(func, cst.Attribute) and document.source(func.value) == name and func.attr.value in _MOVES


def _loads(document: Document, statement: cst.CSTNode) -> list[cst.Call]:
    """Calls in the function of a statement that load weights, or call what does."""
    calls = document.of(cst.Call)
    direct = [call for call in calls if _is_load(document, call)]
    around = [document.within(call, cst.FunctionDef) for call in direct]
    names = {function.name.value for function in around if function is not None}
    here = document.within(statement, *_SCOPES)
    found = [call for call in calls if call in direct or last_part(call.func) in names]
    return [call for call in found if document.within(call, *_SCOPES) is here]


def _is_load(document: Document, call: cst.Call) -> bool:
    return last_part(call.func) == "load_state_dict" or document.full_name(call.func) == "torch.load"


def _beside(document: Document, node: cst.CSTNode, statement: cst.BaseSmallStatement) -> cst.CSTNode | None:
    """The statement around a node that stands in the same block as another one."""
    block = _block(document, statement)
    for each in (node, *document.parents(node)):
        if isinstance(each, cst.BaseSmallStatement | cst.BaseCompoundStatement) and _block(document, each) is block:
            return each
    return None


def _block(document: Document, statement: cst.CSTNode) -> cst.CSTNode:
    parents = (each for each in document.parents(statement) if not isinstance(each, cst.SimpleStatementLine))
    return next(parents)
