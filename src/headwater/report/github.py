"""A report as workflow commands, which GitHub shows as annotations on the lines of a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headwater.records import Finding
from headwater.report.sarif import place, relative

if TYPE_CHECKING:
    from headwater.report.report import Report

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(*reports: Report, root: Path | None = None) -> str:
    """Returns one line for each finding.

    Args:
        reports: their findings.
        root: folder that paths are given relative to; ``None``: the current one.
    """
    root = (root or Path.cwd()).resolve()
    return "".join(_line(finding, root) + "\n" for report in reports for finding in report.findings)


def _line(finding: Finding, root: Path) -> str:
    found = place(finding)
    fields = {"title": f"{finding.code} {finding.name}"}
    if found is not None:
        fields = {"file": relative(found[0], root), "line": str(found[1]), **fields}
    named = ",".join(f"{name}={_field(value)}" for name, value in fields.items())
    return f"::{_COMMANDS[finding.severity]} {named}::{_text(finding.message)}"


def _text(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _field(value: str) -> str:
    return _text(value).replace(":", "%3A").replace(",", "%2C")
