"""The groups of parameters that an optimizer is built with: an option in a group's dictionary wins over the call's."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
import libcst.matchers as m

from headwater.errors import PatchError
from headwater.records import ReplaceCall
from headwater.source.writing.calls import assigned, last_part
from headwater.source.writing.document import Document

_PARAMS = "params"
_PASSING = frozenset("parameters named_parameters filter list tuple iter chain from_iterable".split())
"""What hands on parameters, or groups of them, as it gets them."""
_DEEP = 4
"""Names and expressions in one another that are followed."""


def refuse_own_options(document: Document, call: cst.Call, edit: ReplaceCall) -> None:
    """Raises where a group has an option of its own that the edit sets or leaves out, or where that cannot be told.

    Raises:
        PatchError: the edited call would build other groups than those that were tried.
    """
    given = next((arg.value for arg in call.args if arg.keyword is None or arg.keyword.value == _PARAMS), None)
    if edit.groups == 0 or given is None:
        return
    plain = isinstance(given, cst.Call) and last_part(given.func) == "parameters"
    written = _written(document, given)
    if edit.groups > 1 and not plain and not written:
        raise PatchError(f"the groups of the {edit.callee} in {document.path.name} are made elsewhere")
    if written is None or (edit.groups > 1 and len(written) != edit.groups):  # others may be added later
        written = _dictionaries([document.tree])
    for own in written:
        if own is None or own & set(edit.arguments) or (edit.keep is not None and own - {_PARAMS, *edit.keep}):
            raise PatchError(f"a group of the {edit.callee} in {document.path.name} has options of its own")


def _written(document: Document, given: cst.BaseExpression, deep: int = 0) -> list[set[str] | None] | None:
    """The keys of each dictionary that an expression makes or a name stands for; ``None``: it is made elsewhere."""
    if isinstance(given, cst.Name):
        statements = assigned(document, given) if deep < _DEEP else []
        bound = [each for each in statements if isinstance(each, cst.Assign | cst.AnnAssign)]
        found = [_written(document, each.value, deep + 1) for each in bound if each.value is not None]
        return _joined([*found, _dictionaries([each for each in statements if each not in bound])]) if found else None
    if isinstance(given, cst.Call) and not _keys(given):
        if last_part(given.func) not in _PASSING:
            return None
        handed = given.args[last_part(given.func) == "filter" :]  # behind its function
        return _joined([_written(document, arg.value, deep + 1) for arg in handed])
    if isinstance(given, cst.ListComp | cst.GeneratorExp):
        return _dictionaries([given.elt]) or _written(document, given.for_in.iter, deep + 1)
    if isinstance(given, cst.List | cst.Tuple):
        return _joined([_written(document, each.value, deep + 1) for each in given.elements])
    return _dictionaries([given])


def _joined(parts: Sequence[list[set[str] | None] | None]) -> list[set[str] | None] | None:
    return None if None in parts else [keys for part in parts for keys in part or ()]


def _dictionaries(nodes: Sequence[cst.CSTNode]) -> list[set[str] | None]:
    """The keys of all dictionaries in some code that have parameters."""
    found = [_keys(each) for node in nodes for each in m.findall(node, m.Dict() | m.Call())]
    return [keys for keys in found if keys is None or _PARAMS in keys]


def _keys(node: cst.CSTNode) -> set[str] | None:
    """The keys of a dictionary with parameters; ``None`` where they are not all known, empty for what is none."""
    if isinstance(node, cst.Dict):
        keys = [each.key if isinstance(each, cst.DictElement) else None for each in node.elements]
        known = {str(key.evaluated_value) for key in keys if isinstance(key, cst.SimpleString)}
        whole = all(isinstance(key, cst.SimpleString) for key in keys)
    elif isinstance(node, cst.Call) and last_part(node.func) == "dict":
        known = {arg.keyword.value for arg in node.args if arg.keyword}
        whole = all(arg.keyword for arg in node.args)
    else:
        return set()
    return (known if whole else None) if _PARAMS in known else set()
