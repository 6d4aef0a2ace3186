"""The verdict and the findings as plain text of a page: for readers without scripts, for printers and for search."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from headwater.report.words import count, printable


def safe(said: object) -> str:
    """Words of the user's as inert text of a page."""
    return escape(printable(str(said)), quote=True)


def reading(overview: Mapping[str, Any]) -> str:
    """Returns what must be readable whatever the browser does."""
    reports = overview["reports"]
    parts = [_report(report, named=len(reports) > 1) for report in reports]
    if len(reports) > 1 and reports[0]["watched"]:
        parts.insert(0, f"<p>{count(len(reports), 'optimizer')} were watched, the worst comes first.</p>")
    if overview["fix"] is not None:
        parts.append(_fix(overview["fix"]))
        parts += [_findings(overview["fix_findings"])] if not reports else []
    if not parts:
        parts.append("<h1>Nothing was measured yet</h1>")
    return "\n".join(parts)


def _report(report: Mapping[str, Any], named: bool) -> str:
    said = report["verdict"]
    title = f"<p>{safe(report['title'])}</p>" if named else ""
    return (
        f'{title}<section class="verdict {safe(said["tone"])}"><div><h1>{_prose(said["headline"])}</h1>'
        f'<p class="message">{_prose(said["message"])}</p></div></section>{_pairs(report["facts"], "facts")}'
        f"{_findings(report['findings'])}"
    )


def _fix(fix: Mapping[str, Any]) -> str:
    said = fix["outcome"]
    diff = "".join(f'<span class="{safe(kind)}">{code(line)}\n</span>' for kind, line in fix["diff"])
    snippet = "\n".join(code(line) for line in fix["snippet"])
    return (
        f'<section class="verdict {safe(said["tone"])}"><div><h1>{_prose(said["headline"])}</h1>'
        f'<p class="message">{_prose(said["message"])}</p></div></section>'
        + (f'<pre class="diff">{diff}</pre>' if diff else "")
        + (f'<pre class="diff">{snippet}</pre>' if snippet else "")
    )


def _findings(findings: list[Mapping[str, Any]]) -> str:
    cards = "\n".join(_card(finding) for finding in findings)
    return f'<section class="findings"><h2>Findings</h2>{cards or "<p>None.</p>"}</section>'


def _card(finding: Mapping[str, Any]) -> str:
    places = ", ".join(f"{safe(before)} <code>{safe(place)}</code>" for before, place in finding["places"])
    inside = f"in <code>{safe(finding['module'])}</code>" if finding["module"] else ""
    where = ", ".join(part for part in (places, inside) if part)
    advice = "".join(f"<li>{safe(says)} <code>{safe(key)}</code></li>" for key, says in finding["remedies"])
    under = "".join(f"<li>{_head(each)}<p>{_prose(each['message'])}</p></li>" for each in finding["under"])
    return (
        f'<article class="finding {safe(finding["severity"])}"><h3>{_head(finding)}</h3>'
        + (f'<p class="where">{where}</p>' if where else "")
        + f'<p class="message">{_prose(finding["message"])}</p><p class="cause">{_prose(finding["cause"])}</p>'
        + (_pairs(finding["evidence"], "evidence") if finding["evidence"] else "")
        + (f'<h4>What to do, best first</h4><ol class="advice">{advice}</ol>' if advice else "")
        + (f'<h4>It explains</h4><ul class="under">{under}</ul>' if under else "")
        + "</article>"
    )


def _head(finding: Mapping[str, Any]) -> str:
    severity = safe(finding["severity"])
    return f'<span class="severity">{severity}</span> {safe(finding["code"])} {safe(finding["name"])}'


def _pairs(items: list[tuple[str, str]], kind: str) -> str:
    pairs = "".join(f"<div><dt>{safe(name)}</dt><dd>{safe(value)}</dd></div>" for name, value in items)
    return f'<dl class="{kind}">{pairs}</dl>'


def code(line: str) -> str:
    """A line of source as inert text; its tabs stay."""
    return "\t".join(map(safe, line.split("\t")))


def _prose(text: str) -> str:
    """A sentence whose numbers stay with their per cent signs at the end of a line."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", safe(text))
