"""The report as JSON, back again, and the JSON Schema that describes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from msgspec import inspect

from headwater.errors import InputError
from headwater.records import Finding, Measurement

if TYPE_CHECKING:
    from headwater.report.report import Report

SCHEMA = "headwater-report/1"


@dataclass(frozen=True)
class Document:
    """A Headwater report: findings with the root cause first, and the measurement that they rest on."""

    schema: Literal["headwater-report/1"]
    healthy: bool
    findings: tuple[Finding, ...]
    measurement: Measurement


def render(report: Report) -> str:
    """Returns the report as JSON. A number that is not finite becomes ``null``: JSON has no other word for it."""
    document = Document(SCHEMA, report.healthy, report.findings, report.measurement)
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=_builtin), indent=2).decode()


def parse(text: str) -> tuple[Measurement, tuple[Finding, ...]]:
    """Reads what `render` wrote. A ``null`` where only a number can stand becomes NaN.

    Raises:
        InputError: the text is no report, or one of another version.
    """
    try:
        tree: Any = msgspec.json.decode(text)
        document = msgspec.convert(_with_nan(tree, inspect.type_info(Document)), Document)
    except msgspec.MsgspecError as error:
        raise InputError(f"Expected a report as Report.to_json() writes it ({SCHEMA}): {error}") from error
    return document.measurement, document.findings


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of the report, made from the records themselves."""
    schema = cast(dict[str, Any], _adapted(msgspec.json.schema(Document)))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Headwater report"} | schema


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
