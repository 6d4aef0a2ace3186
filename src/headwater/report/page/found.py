"""Verdict and findings, as the page draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headwater.records import REMEDIES, Explanation, Finding, Where
from headwater.report import words
from headwater.report.account import account_rows, depth_words, line_words, other_evidence
from headwater.report.verdict import roots, verdict
from headwater.report.words import printable

if TYPE_CHECKING:
    from headwater.report.report import Report


def verdict_of(report: Report) -> dict[str, Any]:
    """What a reader must know first."""
    said, leading = verdict(report), report.leading
    return {
        "tone": said.tone,
        "headline": said.headline,
        "message": printable(leading.message) if leading and not report.healthy else said.gradient,
        "gradient": said.gradient,
        "leading": leading.code if leading and not report.healthy else None,
    }


def findings_of(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """The root causes, each with what follows from it."""
    return [_finding(head) | {"under": [_finding(each) for each in under]} for head, under in roots(findings)]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "message": printable(finding.message),
        "cause": printable(finding.cause),
        "places": words.places(finding.where),
        "at": _at(finding.where),
        "module": words.module(finding.where),
        "names": finding.where.names,
        "evidence": [(name, words.evidence(value)) for name, value in other_evidence(finding).items()],
        "remedies": [(code, REMEDIES.get(code, "see its page")) for code in finding.remedies],
        "account": _account(finding.explanation) if finding.explanation is not None else None,
        "under": [],
    }


def _at(where: Where) -> tuple[str, int] | None:
    """The line to look at: where it was built, else where it is called."""
    if where.built is not None:
        return words.source(where.built.file, None), where.built.line
    return (words.source(where.file, None), where.line) if where.file is not None and where.line else None


def _account(explanation: Explanation) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for row in account_rows(explanation):
        what, place = line_words(row)
        rows.append(
            {
                "name": row.name,
                "measured": row.measured,
                "predicted": row.predicted,
                "share": row.share,
                "what": what,
                "place": place,
            }
        )
    return {
        "layers": explanation.layers,
        "theory": explanation.predicted is not None,
        "rows": rows,
        "depth": depth_words(explanation),
        "half_depth": explanation.half_depth,
    }
