"""All results of a folder as one HTML page that opens offline and asks for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from headwater.records.numbers import count
from headwater.report.words import printable
from headwater.study.experiment import Experiment, Figure, Statement, Table
from headwater.study.report import tables
from headwater.study.report.charts import left_out, svg
from headwater.study.report.words import MARKS, made, omitted, tally
from headwater.study.results import Results, statements
from headwater.study.runner import Failure
from headwater.study.words import word

_MOST_FAILURES = 20


def page(studies: Sequence[tuple[Experiment[Any], Results]]) -> str:
    """Returns the page of experiments with their results."""
    template = Template(files("headwater.study.report").joinpath("study.html").read_text(encoding="utf-8"))
    said = [statements(experiment, found) for experiment, found in studies]
    return template.substitute(
        contents="\n".join(_entry(each, own) for (each, _), own in zip(studies, said, strict=True)),
        sections="\n".join(_section(*study, own) for study, own in zip(studies, said, strict=True)),
    )


def _entry(experiment: Experiment[Any], said: Sequence[Statement]) -> str:
    return f'<li><a href="#{_safe(experiment.name)}">{_safe(experiment.title)}</a> <small>{tally(said)}</small></li>'


def _section(experiment: Experiment[Any], found: Results, said: Sequence[Statement]) -> str:
    name = _safe(experiment.name)
    drawn = "\n".join(_figure(experiment.name, figure, found.table) for figure in experiment.figures)
    return (
        f'<section id="{name}"><h2>{_safe(experiment.title)}</h2><p class="question">{_safe(experiment.question)}</p>'
        f"<p>{_safe(experiment.setting)}</p>"
        f'<p class="made"><code>{_safe(found.command)}</code> {_safe(made(found))} All numbers: '
        f"<code>{name}.parquet</code>.</p>"
        f'{_failures(found.made.failures)}<ul class="said">{"".join(map(_statement, said))}</ul>{drawn}</section>'
    )


def _statement(said: Statement) -> str:
    source = f'<p class="source">{_safe(said.source)}</p>' if said.source else ""
    tone = said.verdict.replace(" ", "-")
    return (
        f'<li class="{tone}"><p class="verdict"><span>{MARKS[said.verdict]}</span> {_safe(said.verdict)}</p>'
        f'<div><p class="claim">{_safe(said.claim)}</p><p>{_safe(said.found)}</p>{source}</div></li>'
    )


def _figure(experiment: str, figure: Figure, table: Table) -> str:
    if not len(table.where(**figure.where)):
        drawn = '<p class="none">Nothing was measured for this figure.</p>'
    elif figure.kind == "table":
        drawn = _table(figure, table)
    else:
        drawn = f'<div class="wide">{svg(figure, table, themed=True, prefix=f"{experiment}-{figure.name}-")}</div>'
    missing = left_out(figure, table)
    note = f" {omitted(missing)}" if missing else ""
    return (
        f'<figure id="{_safe(experiment)}-{_safe(figure.name)}"><h3>{_safe(figure.title)}</h3>{drawn}'
        f"<figcaption><p>{_safe(figure.caption)}</p>"
        f'<p class="definition">{_safe(figure.definition)}{note}</p></figcaption></figure>'
    )


def _table(figure: Figure, table: Table) -> str:
    head = "".join(f'<th scope="col">{_safe(label)}</th>' for label in tables.header(figure))
    rows = "".join(
        "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>" for row in tables.cells(figure, table)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _failures(failures: Sequence[Failure]) -> str:
    if not failures:
        return ""
    shown = "".join(
        f"<li>{_safe(', '.join(f'{key} {word(value)}' for key, value in each.point.items()))}: "
        f"<code>{_safe(each.error)}</code></li>"
        for each in failures[:_MOST_FAILURES]
    )
    others = len(failures) - _MOST_FAILURES
    more = f"<li>and {count(others, 'other')}</li>" if others > 0 else ""
    return (
        f'<div class="failed"><p>{count(len(failures), "point")} could not be measured; what follows is without them.'
        f"</p><ul>{shown}{more}</ul></div>"
    )


def _safe(text: str) -> str:
    return escape(printable(text))
