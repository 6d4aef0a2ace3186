"""The whole report in a line or two."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from headwater.records import Finding, Profile
from headwater.records.numbers import number
from headwater.report.words import count, factor, printable

if TYPE_CHECKING:
    from headwater.report.report import Report


@dataclass(frozen=True)
class Verdict:
    """What a reader must know first.

    Attributes:
        tone: how bad it is: ``"good"``, ``"risk"`` or ``"bad"``.
        headline: what is wrong, in a few words.
        gradient: what becomes of the gradient between the last layer and the first; may be empty.
    """

    tone: Literal["good", "risk", "bad"]
    headline: str
    gradient: str


def verdict(report: Report) -> Verdict:
    """Sums a report up."""
    severities = {finding.severity for finding in report.findings}
    gradient = _gradient(report.profile)
    if report.healthy:
        notes = f", with {count(len(report.findings), 'note')}" if report.findings else ""
        return Verdict("good", f"Healthy{notes}", gradient)
    named = ", ".join(f"{_in_words(finding.name)} ({finding.code})" for finding in _named(report))
    if "error" in severities:
        return Verdict("bad", f"Kept from learning: {printable(named)}", gradient)
    return Verdict("risk", f"At risk: {printable(named)}", gradient)


def roots(findings: tuple[Finding, ...]) -> list[tuple[Finding, list[Finding]]]:
    """Each root cause with its consequences, in order. What names a root that is not there stands alone."""
    codes = {finding.code for finding in findings if finding.under is None}
    under: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.under is not None:
            under.setdefault(finding.under, []).append(finding)
    heads = [finding for finding in findings if finding.under not in codes]
    # The first of two roots with one code takes the consequences; a head with a lost root has none.
    return [(head, under.pop(head.code, []) if head.under is None else []) for head in heads]


def _named(report: Report) -> list[Finding]:
    """The leading fault, or the two of its severity that lead; of a mere risk, the error that follows from it."""
    heads = [finding for finding, _ in roots(report.findings) if finding.severity != "info"]
    errors = [finding for finding in report.findings if finding.severity == "error"]
    worst = [finding for finding in heads if finding.severity == "error"] or errors or heads
    return (worst or list(report.findings))[:2]


def _in_words(name: str) -> str:
    """``vanishing gradient``, but ``non-finite``."""
    return re.sub(r"(?<!\bnon)-", " ", name)


def _gradient(profile: Profile) -> str:
    points = profile.points
    if profile.underflow_at:
        where = f"The gradient is lost in rounding from {printable(profile.underflow_at)} on"
        return f"{where}." if profile.gain is None else f"{where}: {factor(profile.gain)} per layer."
    if profile.attenuation is None:
        return ""
    if not math.isfinite(profile.attenuation):
        return "The gradient is not finite."
    if profile.attenuation == 0:
        return f"No gradient arrives at {printable(points[0].name)}."
    said = f"The first layer receives {number(profile.attenuation)} times the gradient of the last"
    if profile.per_layer is None:
        return f"{said}."
    return f"{said}: {factor(profile.per_layer)} per layer."
