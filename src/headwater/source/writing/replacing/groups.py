"""The groups of parameters that an optimizer is built with: an option in a group's dictionary wins over the call's."""

from __future__ import annotations

import libcst as cst

from headwater.errors import PatchError
from headwater.records import ReplaceCall
from headwater.source.writing.calls import last_part
from headwater.source.writing.document import Document

_PARAMS = "params"


def refuse_own_options(document: Document, call: cst.Call, edit: ReplaceCall) -> None:
    """Raises where a group has an option of its own that the edit sets or leaves out, or where that cannot be told.

    Raises:
        PatchError: the edited call would build other groups than those that were tried.
    """
    given = next((arg.value for arg in call.args if arg.keyword is None or arg.keyword.value == _PARAMS), None)
    plain = isinstance(given, cst.Call) and last_part(given.func) == "parameters"
    if edit.groups < 2 and (edit.groups == 0 or plain):
        return
    written = _written(given, edit.groups)
    if edit.groups > 1 and not plain and not written:  # beside a plain one, others were added later
        raise PatchError(f"the groups of the {edit.callee} in {document.path.name} are made elsewhere")
    for own in written or _dictionaries(document):
        if own is None or own & set(edit.arguments) or (edit.keep is not None and own - {_PARAMS, *edit.keep}):
            raise PatchError(f"a group of the {edit.callee} in {document.path.name} has options of its own")


def _written(given: cst.BaseExpression | None, groups: int) -> list[set[str] | None]:
    """The keys of each dictionary of a list of as many groups; empty where it is none."""
    values: list[cst.BaseExpression] = []
    if isinstance(given, cst.ListComp | cst.GeneratorExp):
        values = [given.elt]
    elif isinstance(given, cst.List | cst.Tuple) and len(given.elements) == groups:
        values = [each.value for each in given.elements]
    found = [_keys(value) for value in values]
    return found if set() not in found else []


def _dictionaries(document: Document) -> list[set[str] | None]:
    """The keys of all dictionaries of a file that have parameters: a name may stand for any of them."""
    found = [_keys(node) for node in [*document.of(cst.Dict), *document.of(cst.Call)]]
    return [keys for keys in found if keys is None or _PARAMS in keys]


def _keys(node: cst.BaseExpression) -> set[str] | None:
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
