"""Weights that are loaded ahead of the optimizer: code that draws new ones must stand before that."""

from __future__ import annotations

import libcst as cst

from headwater.errors import PatchError
from headwater.source.writing.calls import last_part
from headwater.source.writing.document import Document, is_dotted
from headwater.source.writing.inserting.loads import METHODS, calls_one_of, is_doubtful, loading_names, says_load
from headwater.source.writing.inserting.sites import Site
from headwater.source.writing.inserting.writes import writes

_SCOPES = (cst.FunctionDef, cst.Lambda, cst.ClassDef)
_OF_DICTS = frozenset(["get", "items", "keys", "values", "pop", "update", "copy"])
"""Methods by which settings are read."""


def loading(document: Document, site: Site) -> cst.CSTNode | None:
    """Returns the first statement between model and site that loads weights; ``None`` where there is none.

    Args:
        document: the file.
        site: of the optimizer, or of the return of what makes the model.

    Raises:
        PatchError: code for the model cannot stand ahead of what loads: the model is made there or later, it is in
            another block or another function, or what is done with the model there is not known.
    """
    name = site.names["model"]
    made = _bindings(document, site.statement, name)
    made_here = site.bound is not None and site.bound.name == name  # return Net()
    end = document.end(site.statement) if made_here else document.start(site.statement)
    if not made_here:
        _refuse_earlier(document, site.statement, name, ())
    found = _loads(document, site.statement, name, range(min(made, default=0), end))
    if not found:
        return None
    first = _beside(document, found[0], site.statement)
    told = _is_load(document, found[0], loading_names(document))  # else it may as well draw the weights
    if first is None or not told or made_here or any(document.start(first) <= place for place in made):
        raise _refusal(document, found[0])
    return first


def constructor(document: Document, site: Site) -> cst.FunctionDef | None:
    """Returns the ``__init__`` behind which code for a model stands whose optimizer Lightning asks for.

    It restores a checkpoint (``fit(ckpt_path=...)``) ahead of ``configure_optimizers``. ``None`` for other optimizers.

    Raises:
        PatchError: the class has no ``__init__`` that leaves the whole model behind, or one that may load weights.
    """
    function = document.within(site.statement, cst.FunctionDef)
    owner = document.within(function, cst.ClassDef) if function is not None else None
    if function is None or owner is None or function.name.value != "configure_optimizers":
        return None
    methods = [each for each in document.of(cst.FunctionDef) if document.within(each, *_SCOPES) is owner]
    inits = [each for each in methods if each.name.value == "__init__"]
    later = [each for each in methods if each.name.value in ("setup", "configure_model")]
    returned = [each for each in document.of(cst.Return) if document.within(each, *_SCOPES) in inits]
    if len(inits) != 1 or later or returned or _own_name(inits[0]) != site.names["model"].partition(".")[0]:
        raise PatchError(
            f"{owner.name.value} in {document.path.name} builds its optimizer when weights may have been restored, "
            "which code there would overwrite, and has no __init__ that ends with the whole model"
        )
    found = _loads(document, inits[0].body.body[0], _own_name(inits[0]), range(len(document.text)))
    if found:
        raise _refusal(document, found[0])
    if owner.name.value in loading_names(document):  # its base does
        raise _refusal(document, owner)
    _refuse_handed(document, owner, inits[0])
    return inits[0]


def _refuse_handed(document: Document, owner: cst.ClassDef, init: cst.FunctionDef) -> None:
    """Raises where a constructor keeps a network that may have been loaded before: by itself, or by who hands it over.

    Raises:
        PatchError: it may have been, or nobody in the file is seen to build it.
    """
    given = {each.name.value for each in (*init.params.params, *init.params.kwonly_params)}
    for node, kept, value in _kept(document, init):
        if not _is_run(document, owner, kept):
            continue
        name = document.source(value)
        _refuse_here(document, node, name, ())
        if name.partition(".")[0] not in given or _bindings(document, node, name):
            continue
        calls = [call for call in document.of(cst.Call) if last_part(call.func) == owner.name.value]
        if not calls or not all(_hands_what_is_built(init, call, name.partition(".")[0]) for call in calls):
            raise _refusal(document, node)


def _hands_what_is_built(init: cst.FunctionDef, call: cst.Call, name: str) -> bool:
    """Whether a call passes what another one gives, what has a name and was looked for, or a plain value."""
    given = _given(init, call, name, is_method=True)
    if given is None:
        return not any(arg.star for arg in call.args)
    return isinstance(given, cst.Call | cst.Name | cst.Attribute | cst.BaseNumber | cst.BaseString)


def _kept(document: Document, init: cst.FunctionDef) -> list[tuple[cst.CSTNode, str, cst.BaseExpression]]:
    """Where a constructor keeps something under a name of its object: the statement, that name, and what it is."""
    found: list[tuple[cst.CSTNode, str, cst.BaseExpression]] = []
    for each in [*document.of(cst.Assign), *document.of(cst.AnnAssign)]:
        targets = [one.target for one in each.targets] if isinstance(each, cst.Assign) else [each.target]
        value = each.value
        while (
            isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value in METHODS
        ):
            value = value.func.value  # net.to(device)
        if value is not None and is_dotted(value) and document.within(each, *_SCOPES) is init:
            own = [one for one in map(document.source, targets) if one.startswith(f"{_own_name(init)}.")]
            found += [(each, one, value) for one in own]
    return found


def _is_run(document: Document, owner: cst.ClassDef, kept: str) -> bool:
    """Whether a class runs what it keeps, or a part of it, as one does with a network: a setting is only read."""
    for call in document.of(cst.Call):
        written = document.source(call.func)
        part = written.startswith((f"{kept}.", f"{kept}[")) and last_part(call.func) not in _OF_DICTS
        if (written == kept or part) and owner in document.parents(call):
            return True
    return False


def _own_name(method: cst.FunctionDef) -> str:
    """What a method calls its object."""
    return method.params.params[0].name.value if method.params.params else ""


def _refusal(document: Document, node: cst.CSTNode) -> PatchError:
    line = document.line(document.start(node))
    return PatchError(f"{document.path.name}:{line} may load weights, which code behind it would overwrite")


def _loads(document: Document, at: cst.CSTNode, model: str, places: range) -> list[cst.CSTNode]:
    """What may load weights in the function of a node, or call what does, in the order of the source."""
    names, here = loading_names(document), document.within(at, *_SCOPES)
    calls = [call for call in document.of(cst.Call) if document.start(call) in places]
    calls = [call for call in calls if document.within(call, *_SCOPES) is here]
    found = [call for call in calls if _is_load(document, call, names) or is_doubtful(document, call, model)]
    said = [parent for call in found if _is_load(document, call, names) for parent in document.parents(call)]
    written = [each for each in writes(document, here, model) if document.start(each) in places and each not in said]
    return sorted([*found, *written], key=document.start)


def _is_load(document: Document, node: cst.CSTNode, names: set[str]) -> bool:
    return isinstance(node, cst.Call) and (says_load(document, node) or calls_one_of(node, names))


def _refuse_earlier(document: Document, at: cst.CSTNode, model: str, seen: tuple[cst.FunctionDef, ...]) -> None:
    """Raises where a model may have been loaded under another name, by a caller, or in another method.

    Raises:
        PatchError: it may have been.
    """
    here = document.within(at, *_SCOPES)
    for node, other in _aliases(document, here, model):
        if document.start(node) < document.start(at):
            _refuse_here(document, node, other, seen)
    if not isinstance(here, cst.FunctionDef) or here in seen or _bindings(document, at, model):
        return
    owner = document.within(here, *_SCOPES)
    root, dot, part = model.partition(".")
    if isinstance(owner, cst.ClassDef) and _own_name(here) == root:
        _refuse_methods(document, owner, model, (*seen, here))
        return
    made = here.name.value == "__init__" and isinstance(owner, cst.ClassDef)
    called = owner.name.value if made and isinstance(owner, cst.ClassDef) else here.name.value
    for call in document.of(cst.Call):
        if last_part(call.func) == called and here not in document.parents(call):
            given = _given(here, call, root, is_method=isinstance(owner, cst.ClassDef))
            if isinstance(given, str) or (given is not None and is_dotted(given)):
                name = given if isinstance(given, str) else document.source(given)
                _refuse_here(document, call, name + dot + part, (*seen, here))
            elif given is not None:
                _refuse_within(document, given)


def _refuse_here(document: Document, at: cst.CSTNode, model: str, seen: tuple[cst.FunctionDef, ...]) -> None:
    """Raises where a model may have been loaded ahead of a node, in its function or before."""
    ahead = range(min(_bindings(document, at, model), default=0), document.start(at))
    found = _loads(document, at, model, ahead)
    if found:
        raise _refusal(document, found[0])
    _refuse_earlier(document, at, model, seen)


def _refuse_methods(document: Document, owner: cst.ClassDef, model: str, seen: tuple[cst.FunctionDef, ...]) -> None:
    """Raises where another method loads weights, or is given the model by who may have done so."""
    names = loading_names(document)
    methods = [each for each in document.of(cst.FunctionDef) if document.within(each, *_SCOPES) is owner]
    for method in methods:
        if method in seen:
            continue
        calls = [call for call in document.of(cst.Call) if method in document.parents(call)]
        found = [*(call for call in calls if _is_load(document, call, names)), *writes(document, method, model)]
        if found:
            raise _refusal(document, found[0])
        for node, other in _aliases(document, method, model):
            _refuse_here(document, node, other, seen)


def _refuse_within(document: Document, given: cst.BaseExpression) -> None:
    """Raises where an expression loads weights: ``train(Net.from_pretrained(path))``."""
    names, inside = loading_names(document), range(document.start(given), document.end(given))
    found = [call for call in document.of(cst.Call) if document.start(call) in inside]
    found = [call for call in found if _is_load(document, call, names)]
    if found:
        raise _refusal(document, found[0])


def _aliases(document: Document, scope: cst.CSTNode | None, model: str) -> list[tuple[cst.CSTNode, str]]:
    """Where a function gives the model a further name, ``self.net = net``, and what it was called before."""
    found = [each for each in document.of(cst.Assign) if document.within(each, *_SCOPES) is scope]
    found = [each for each in found if is_dotted(each.value) and document.source(each.value) != model]
    return [
        (each, document.source(each.value))
        for each in found
        if any(document.source(target.target) == model for target in each.targets)
    ]


def _given(function: cst.FunctionDef, call: cst.Call, name: str, *, is_method: bool) -> cst.BaseExpression | str | None:
    """What a call passes as the argument `name`; the name itself, where it is none but a variable of the file."""
    places = [each.name.value for each in function.params.params]
    if name not in places and name not in (each.name.value for each in function.params.kwonly_params):
        return name
    keyword = next((arg.value for arg in call.args if arg.keyword is not None and arg.keyword.value == name), None)
    if keyword is not None or name not in places:
        return keyword
    position = places.index(name) - is_method
    plain = [arg.value for arg in call.args if arg.keyword is None and not arg.star]
    return plain[position] if 0 <= position < len(plain) else None


def _bindings(document: Document, at: cst.CSTNode, name: str) -> list[int]:
    """Where the function of a node gives the model its name."""
    places: list[int] = []
    for node in [*document.of(cst.Assign), *document.of(cst.AnnAssign), *document.of(cst.NamedExpr)]:
        targets = [each.target for each in node.targets] if isinstance(node, cst.Assign) else [node.target]
        parts = [part for target in targets for part in _parts(target)]
        if name in map(document.source, parts) and not _moves(document, node.value, name):
            places.append(document.start(node))
    scope = document.within(at, *_SCOPES)
    begin, end = (document.start(scope), document.end(scope)) if scope is not None else (0, len(document.text))
    return [place for place in places if begin <= place < min(end, document.start(at))]


def _parts(target: cst.BaseExpression) -> list[cst.BaseExpression]:
    return [each.value for each in target.elements] if isinstance(target, cst.Tuple | cst.List) else [target]


def _moves(document: Document, value: cst.BaseExpression | None, name: str) -> bool:
    """Whether a value is the model itself: ``net.to(device)``."""
    func = value.func if isinstance(value, cst.Call) else None
    return isinstance(func, cst.Attribute) and document.source(func.value) == name and func.attr.value in METHODS


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
