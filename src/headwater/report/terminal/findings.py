"""A finding on a terminal: what, where, why, the numbers, what to do, and what follows from it."""

from __future__ import annotations

from rich.text import Text

from headwater.records import REMEDIES, Finding
from headwater.report import words
from headwater.report.account import other_evidence
from headwater.report.terminal.explanation import explanation_lines
from headwater.report.terminal.glyphs import Glyphs, paragraph, text

_SEVERITY = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_LABEL = 10


def finding_lines(finding: Finding, consequences: list[Finding], width: int, signs: Glyphs) -> list[Text]:
    """Returns a root cause with its consequences under it."""
    lines = [_title(finding, signs), *_where(finding, "  ", signs)]
    lines += paragraph(text(finding.message, "", signs), width, indent="  ")
    lines.append(Text())
    lines += _labelled("cause", [text(finding.cause, "", signs)], width, signs)
    if finding.explanation is not None:
        lines += explanation_lines(finding.explanation, _label("account", signs), width, signs)
    lines += _labelled(
        "evidence", [text(line, "", signs) for line in _evidence(finding, width - 2 - _LABEL)], width, signs
    )
    lines += _labelled("advice", [_advice(code, signs) for code in finding.remedies], width, signs, hang=2)
    for index, consequence in enumerate(consequences):
        lines += [Text(), text("  It explains:", "dim", signs)] if index == 0 else []
        lines += [Text("    ").append_text(_title(consequence, signs)), *_where(consequence, "      ", signs)]
        lines += paragraph(text(consequence.message, "", signs), width, indent="      ")
    return lines


def _title(finding: Finding, signs: Glyphs) -> Text:
    severity = text(finding.severity, _SEVERITY[finding.severity], signs)
    return Text.assemble(severity, " ", text(f"{finding.code} {finding.name}", "bold", signs))


def _where(finding: Finding, indent: str, signs: Glyphs) -> list[Text]:
    """Lines that are never broken: one, or one for each place in the source where a library's follows the user's."""
    module = words.module(finding.where)
    said = [
        Text(f"{before} ").append_text(text(part, "cyan", signs))
        for before, part in [*words.places(finding.where), *([("in", module)] if module else [])]
    ]
    inside = finding.where.built_inside or finding.where.called_inside
    lines = said[-1:] + said[:-1] if inside else [Text(", ").join(said)] if said else []
    return [Text.assemble(indent, line) for line in lines]


def _advice(code: str, signs: Glyphs) -> Text:
    said = text(REMEDIES.get(code, "see its page"), "", signs)
    return Text.assemble(f"{signs.dash} ", said, text(f" ({code})", "dim", signs))


def _evidence(finding: Finding, width: int) -> list[str]:
    """The numbers by name, broken into lines between them: a number is not torn from its name."""
    lines: list[str] = []
    for name, value in other_evidence(finding).items():
        pair = f"{words.printable(name)} {words.evidence(value)}"
        if lines and len(lines[-1]) + len(pair) + 3 <= width:
            lines[-1] += f", {pair}"
        else:
            lines.append(pair)
    return lines


def _labelled(label: str, items: list[Text], width: int, signs: Glyphs, hang: int = 0) -> list[Text]:
    """Items beside a label, each with its further lines hanging under it."""
    lines: list[Text] = []
    for index, item in enumerate(items):
        first = _label(label if index == 0 else "", signs)
        lines += paragraph(item, width, indent=first, further=" " * (2 + _LABEL + hang))
    return lines


def _label(label: str, signs: Glyphs) -> Text:
    return text(f"  {label:<{_LABEL}}", "dim", signs)
