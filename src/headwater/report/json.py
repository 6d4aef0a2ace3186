"""The report as JSON, back again, and the JSON Schema that describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from headwater.errors import InputError
from headwater.records import Finding, Measurement
from headwater.report.coding import decode, encode, schema

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
    return encode(Document(SCHEMA, report.healthy, report.findings, report.measurement))


def parse(text: str) -> tuple[Measurement, tuple[Finding, ...]]:
    """Reads what `render` wrote. A ``null`` where only a number can stand becomes NaN.

    Raises:
        InputError: the text is no report, or one of another version.
    """
    try:
        document = decode(text, Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"Expected a report as Report.to_json() writes it ({SCHEMA}): {error}") from error
    return document.measurement, document.findings


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of the report, made from the records themselves."""
    return schema(Document, "Headwater report")
