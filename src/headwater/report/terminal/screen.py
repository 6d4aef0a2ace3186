"""The report on a terminal: the verdict, the profile as a picture in text, the findings.

Everything is also said in words and numbers: without colour, on 80 columns, or in a file nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from headwater.records import Measurement
from headwater.report import words
from headwater.report.steps import pointed_at
from headwater.report.terminal.findings import finding_lines
from headwater.report.terminal.glyphs import Glyphs, glyphs, paragraph, text
from headwater.report.terminal.profile import profile_lines
from headwater.report.terminal.through_time import through_time_lines
from headwater.report.verdict import Verdict, roots, verdict

if TYPE_CHECKING:
    from headwater.report.report import Report

_WIDEST = 100
"""Columns: longer lines are hard to read."""
_MOST_ROWS = 24
_MOST_ROWS_HEALTHY = 8
"""Good news is short."""

_TONE = {"good": "bold green", "risk": "bold yellow", "bad": "bold red"}


def render(report: Report, console: Console | None = None) -> None:
    """Prints the report."""
    render_each([report], console)


def render_each(reports: Sequence[Report], console: Console | None = None) -> None:
    """Prints one report after the other; each of several names its optimizer in its first line."""
    console = console or Console()
    lines: list[Text] = []
    for report in reports:
        name = words.subject(report.measurement) if len(reports) > 1 else ""
        lines += [*([Text()] if lines else []), *_lines(report, name, min(console.width, _WIDEST), glyphs(console))]
    # Lines are broken already, but for places in the source: these must stay whole to be copied and clicked.
    console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)


def _lines(report: Report, name: str, width: int, signs: Glyphs) -> list[Text]:
    most = _MOST_ROWS_HEALTHY if report.healthy else _MOST_ROWS
    blocks = [
        _verdict(verdict(report), name, report.measurement, width, signs),
        profile_lines(report.measurement, most, width, signs),
        through_time_lines(report.measurement, pointed_at(report.findings), width, signs),
        *(finding_lines(head, under, width, signs) for head, under in roots(report.findings)),
    ]
    if report.leading is not None:
        command = f"headwater explain {report.leading.code}"
        blocks.append([Text.assemble(text(command, "bold", signs), " shows the page behind it.")])
    lines: list[Text] = []
    for block in blocks:
        lines += [Text(), *block] if lines and block else block
    return lines


def _verdict(said: Verdict, name: str, measurement: Measurement, width: int, signs: Glyphs) -> list[Text]:
    sign = {"good": signs.good, "risk": signs.risk, "bad": signs.bad}[said.tone]
    headline = f"{name}: {said.headline}" if name else said.headline
    lines = paragraph(text(f"{sign} {headline}", _TONE[said.tone], signs), width)
    steps = words.measured_at(measurement)
    facts = [_facts(measurement, signs), words.learning_rate(measurement.rate), f"measured at {steps}" if steps else ""]
    told = ((said.gradient, ""), *((fact, "dim") for fact in facts))
    for line, style in told:
        lines += paragraph(text(line, style, signs), width, indent="  ") if line else []
    return lines


def _facts(measurement: Measurement, signs: Glyphs) -> str:
    facts = [
        f"{words.subject(measurement)}: {words.count(len(measurement.layers), 'layer')}",
        words.count(measurement.parameters_total, "parameter"),
        f"batch of {measurement.batch_size:,}",
        words.optimizer(measurement.optimizer),
        measurement.device,
    ]
    return f" {signs.dash} ".join(facts)
