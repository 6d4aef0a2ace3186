"""The search as JSON, back again, and the JSON Schema that describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from headwater.errors import InputError
from headwater.records import FixRecord
from headwater.report.coding import decode, encode, schema

SCHEMA = "headwater-fix/1"


@dataclass(frozen=True)
class Document:
    """What Headwater tried on a training, and what came of it."""

    schema: Literal["headwater-fix/1"]
    record: FixRecord


def render(record: FixRecord) -> str:
    """Returns the search as JSON. A number that is not finite becomes ``null``: JSON has no other word for it."""
    return encode(Document(SCHEMA, record))


def parse(text: str) -> FixRecord:
    """Reads what `render` wrote. A ``null`` where only a number can stand becomes NaN.

    Raises:
        InputError: the text is no search for a fix, or one of another version.
    """
    try:
        return decode(text, Document).record
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"Expected a search as FixResult.to_json() writes it ({SCHEMA}): {error}") from error


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of the document, made from the records themselves."""
    return schema(Document, "Headwater fix")
