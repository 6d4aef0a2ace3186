"""A report as SARIF 2.1.0, which code hosts and editors show beside the source.

OASIS 2020, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headwater
from headwater.records import Finding
from headwater.rules import RULES

if TYPE_CHECKING:
    from headwater.report.report import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def render(*reports: Report, root: Path | None = None) -> str:
    """Returns the findings as SARIF.

    Args:
        reports: their findings.
        root: folder that paths are given relative to; ``None``: the current one.
    """
    root = (root or Path.cwd()).resolve()
    findings = [finding for report in reports for finding in report.findings]
    codes = sorted({finding.code for finding in findings})
    driver = {
        "name": "headwater",
        "version": headwater.__version__,
        "rules": [_rule(code) for code in codes],
    }
    results = [_result(finding, codes.index(finding.code), root) for finding in findings]
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def place(finding: Finding) -> tuple[str, int] | None:
    """Where a reader should look: the line that runs it, else the line that built it."""
    where = finding.where
    if where.file is not None and where.line is not None:
        return where.file, where.line
    if where.built is not None:
        return where.built.file, where.built.line
    return None


def relative(file: str, root: Path) -> str:
    """The path below the root with forward slashes, or the whole path when it lies elsewhere."""
    path = Path(file)
    full = path if path.is_absolute() else root / path
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else full.as_posix()


def _rule(code: str) -> dict[str, Any]:
    rule = next(each for each in RULES if each.code == code)
    page = rule.page.strip()
    return {
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": page.splitlines()[0]},
        "help": {"text": page, "markdown": page},
    }


def _result(finding: Finding, index: int, root: Path) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message} {finding.cause}".strip()},
        "properties": {"evidence": {name: value for name, value in finding.evidence.items() if _can_be_written(value)}},
    }
    location: dict[str, Any] = {}
    found = place(finding)
    if found is not None:
        file = relative(found[0], root)
        uri = {"uri": file} | ({} if Path(file).is_absolute() else {"uriBaseId": "%SRCROOT%"})
        location["physicalLocation"] = {"artifactLocation": uri, "region": {"startLine": found[1]}}
    if finding.where.module:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.where.module, "kind": "module"}]
    if location:
        result["locations"] = [location]
    return result


def _can_be_written(value: float | int | str) -> bool:
    """JSON has no word for NaN and infinity."""
    return isinstance(value, str) or math.isfinite(value)
