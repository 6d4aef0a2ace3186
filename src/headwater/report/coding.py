"""Plain records as JSON, back again, and the JSON Schema that describes them."""

from __future__ import annotations

import math
from inspect import cleandoc
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from headwater.records.unicode import as_json

D = TypeVar("D")


def encode(document: object) -> str:
    """Returns a document of records as JSON. A number that is not finite becomes ``null``: JSON has no word for it."""
    return msgspec.json.format(as_json(document, _builtin), indent=2).decode()


def decode(text: str, kind: type[D]) -> D:
    """Reads what `encode` wrote. A ``null`` where only a number can stand becomes NaN.

    Raises:
        msgspec.MsgspecError: the text is no such document.
    """
    tree: Any = msgspec.json.decode(text)
    return msgspec.convert(_with_nan(tree, inspect.type_info(kind)), kind)


def schema(kind: type, title: str) -> dict[str, Any]:
    """Returns the JSON Schema of a document, made from the records themselves."""
    made = cast(dict[str, Any], _adapted(msgspec.json.schema(kind)))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | made


def _builtin(value: object) -> str | int | float:
    """A subclass of a plain type, such as numpy's numbers or torch's version, as what it is."""
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"Expected plain data in a report, got {type(value).__name__}.")


def _with_nan(value: Any, kind: inspect.Type) -> Any:
    """Puts NaN for each ``null`` at a place that holds a number and no ``None``."""
    if value is None:
        return math.nan if _takes_float(kind) and not _takes_none(kind) else None
    if isinstance(kind, inspect.UnionType):
        inner = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return _with_nan(value, inner[0]) if len(inner) == 1 else value
    if isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        return [_with_nan(each, kind.item_type) for each in cast(list[Any], value)]
    if isinstance(kind, inspect.DictType) and isinstance(value, dict):
        return {key: _with_nan(each, kind.value_type) for key, each in cast(dict[str, Any], value).items()}
    if isinstance(kind, inspect.DataclassType) and isinstance(value, dict):
        kinds = {field.encode_name: field.type for field in kind.fields}
        known = cast(dict[str, Any], value).items()
        return {key: _with_nan(each, kinds[key]) if key in kinds else each for key, each in known}
    return value


def _takes_float(kind: inspect.Type) -> bool:
    return any(isinstance(each, inspect.FloatType) for each in _members(kind))


def _takes_none(kind: inspect.Type) -> bool:
    return any(isinstance(each, inspect.NoneType) for each in _members(kind))


def _members(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _adapted(schema: Any) -> Any:
    """Lets ``null`` stand for every number, which may be infinite, and sets descriptions flush left."""
    if isinstance(schema, list):
        return [_adapted(each) for each in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    mapped = {key: _adapted(each) for key, each in cast(dict[str, Any], schema).items()}
    if isinstance(mapped.get("description"), str):
        mapped["description"] = cleandoc(mapped["description"])  # Python 3.13 does so itself
    if mapped.get("type") == "number":
        mapped["type"] = ["number", "null"]
    return mapped
