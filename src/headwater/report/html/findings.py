"""The findings on the page."""

from __future__ import annotations

from headwater.records import REMEDIES, Finding
from headwater.report import words
from headwater.report.account import other_evidence
from headwater.report.html.account import account
from headwater.report.html.svg import prose, safe
from headwater.report.verdict import roots


def findings_section(findings: tuple[Finding, ...]) -> str:
    """Returns a card for each root cause, with what follows from it inside."""
    cards = "\n".join(_card(finding, consequences) for finding, consequences in roots(findings))
    if not cards:
        return '<section class="findings"><h2>Findings</h2><p class="quiet">None.</p></section>'
    return f'<section class="findings"><h2>Findings</h2>\n{cards}</section>'


def _card(finding: Finding, consequences: list[Finding]) -> str:
    explained = account(finding.explanation) if finding.explanation is not None else ""
    return (
        f'<article class="finding {safe(finding.severity)}">{_head(finding, "h3")}'
        f'<p class="message">{prose(finding.message)}</p><p class="cause">{prose(finding.cause)}</p>'
        f"{explained}{_evidence(finding)}{_advice(finding)}{_under(consequences)}"
        f'<p class="explain"><code>headwater explain {safe(finding.code)}</code> shows the page behind it.</p>'
        "</article>"
    )


def _head(finding: Finding, heading: str) -> str:
    return (
        f'<{heading}><span class="severity">{safe(finding.severity)}</span> '
        f'<span class="code">{safe(finding.code)}</span> {safe(finding.name)}</{heading}>{_where(finding)}'
    )


def _where(finding: Finding) -> str:
    module = words.module(finding.where)
    places = [*words.places(finding.where), *([("in", module)] if module else [])]
    said = [f"{before} <code>{safe(part)}</code>" for before, part in places]
    return f'<p class="where">{", ".join(said)}</p>' if said else ""


def _evidence(finding: Finding) -> str:
    pairs = "".join(
        f"<div><dt>{safe(name)}</dt><dd>{safe(words.evidence(value))}</dd></div>"
        for name, value in other_evidence(finding).items()
    )
    return f'<dl class="evidence">{pairs}</dl>' if pairs else ""


def _advice(finding: Finding) -> str:
    items = "".join(
        f"<li>{safe(REMEDIES.get(code, 'see its page'))} <code>{safe(code)}</code></li>" for code in finding.remedies
    )
    return f'<h4>What to do, best first</h4><ol class="advice">{items}</ol>' if items else ""


def _under(consequences: list[Finding]) -> str:
    items = "".join(
        f'<li class="{safe(each.severity)}">{_head(each, "h5")}<p class="message">{prose(each.message)}</p></li>'
        for each in consequences
    )
    return f'<h4>It explains</h4><ul class="under">{items}</ul>' if items else ""
