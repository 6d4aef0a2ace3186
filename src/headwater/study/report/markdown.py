"""Results as a document in Markdown, with its figures as SVG files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headwater.report.words import printable
from headwater.study.experiment import Experiment, Figure, Statement, Table
from headwater.study.report import tables
from headwater.study.report.charts import left_out, svg
from headwater.study.report.words import MARKS, made, omitted
from headwater.study.results import Results, statements
from headwater.study.words import word


def document(experiment: Experiment[Any], found: Results, folder: Path) -> Path:
    """Writes ``NAME.md`` and ``NAME-FIGURE.svg`` for each figure into `folder`, and returns the document's path."""
    parts = [f"# {_safe(experiment.title)}", _safe(experiment.question), _safe(experiment.setting)]
    parts.append(f"Made by `{found.command}`: {_safe(made(found))}")
    for failure in found.made.failures:
        point = ", ".join(f"{key} {word(value)}" for key, value in failure.point.items())
        parts.append(f"Not measured: {_safe(point)}: {_safe(failure.error)}")
    parts.append(_statements(statements(experiment, found)))
    for figure in experiment.figures:
        parts += [f"## {_safe(figure.title)}", *_figure(experiment.name, figure, found.table, folder)]
    path = folder / f"{experiment.name}.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _statements(said: Sequence[Statement]) -> str:
    lines: list[str] = []
    for each in said:
        source = f" ({_safe(each.source)})" if each.source else ""
        lines.append(f"- {MARKS[each.verdict]} **{_safe(each.claim)}** {each.verdict.capitalize()}{source}.")
        lines.append(f"    {_safe(each.found)}")
    return "\n".join(lines)


def _figure(experiment: str, figure: Figure, table: Table, folder: Path) -> list[str]:
    if not len(table.where(**figure.where)):
        return ["Nothing was measured for this figure."]
    missing = left_out(figure, table)
    note = f" {omitted(missing)}" if missing else ""
    said = [f"{_safe(figure.caption)}", f"*{_safe(figure.definition)}{note}*"]
    if figure.kind == "table":
        return [_table(tables.header(figure), tables.cells(figure, table)), *said]
    path = folder / f"{experiment}-{figure.name}.svg"
    path.write_text(svg(figure, table, themed=False) + "\n", encoding="utf-8")
    return [f"![{_safe(figure.title)}]({path.name})", *said]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_safe(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


_MARKUP = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>"})


def _safe(text: str) -> str:
    """One line that Markdown takes as words."""
    return printable(text).translate(_MARKUP)
