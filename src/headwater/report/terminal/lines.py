"""The user's own files in text, with a bar beside each line: how much of the gradient that line costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from headwater.records.numbers import factor
from headwater.report import words
from headwater.report.lines import Cost, FileCosts, LineCosts, files_of
from headwater.report.terminal.glyphs import Glyphs, glyphs, text

if TYPE_CHECKING:
    from headwater.report.report import Report

_WIDEST = 120
_BAR = 12
_CONTEXT = 2
"""Lines that are shown around one that has something to say."""
_ROOM = 30
"""Columns that the words behind a line may take."""
_STYLE = {"activation": "yellow", "weights": "blue", "normalisation": "green", "other": "magenta"}


def render_lines(reports: Sequence[Report], texts: Mapping[str, str], console: Console | None = None) -> None:
    """Prints the files of each report; colour carries nothing that the words do not say."""
    console = console or Console()
    width, signs = min(console.width, _WIDEST), glyphs(console)
    for report in reports:
        name = words.subject(report.measurement) if len(reports) > 1 else ""
        lines = [Text(), *_head(name, signs)]
        files = files_of(report.measurement, texts)
        most = max((_length(line) for file in files for line in file.lines.values()), default=0.0)
        for file in files:
            lines += _file(file, most, width, signs)
        if not files:
            lines.append(text("  No line of source is known.", "dim", signs))
        console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)


def _head(name: str, signs: Glyphs) -> list[Text]:
    said = "What each line costs: the logarithm of what it leaves of the gradient, and its share of the whole"
    return [text(f"{name}: {said}" if name else said, "dim", signs)]


def _file(file: FileCosts, most: float, width: int, signs: Glyphs) -> list[Text]:
    """The lines that have something to say, and those around them; dots stand for the others."""
    lines = [Text(), text(words.source(file.file, None), "bold", signs)]
    if not any(file.text):
        lines.append(text("  its text is not at hand", "dim", signs))
    shown = sorted({near for at in file.lines for near in _around(at, file)})
    before = 0
    for at in shown:
        if at > before + 1 and before:
            lines.append(text(f"{'':{_BAR + 13}}{signs.ellipsis}", "dim", signs))
        lines.append(_line(file, at, most, width, signs))
        before = at
    return lines


def _around(at: int, file: FileCosts) -> range:
    if not any(file.text):
        return range(at, at + 1)
    return range(max(1, at - _CONTEXT), min(len(file.text), at + _CONTEXT) + 1)


def _line(file: FileCosts, at: int, most: float, width: int, signs: Glyphs) -> Text:
    found = file.lines.get(at, LineCosts())
    line = Text("  ").append_text(_bar(found.costs, most, signs))
    line.pad_right(_BAR + 2 - cell_len(line.plain))
    line.append_text(text(f"{_share(found):>7}", "bold" if found.costs else "dim", signs))
    line.append_text(text(f"{at:>6}  ", "dim", signs))
    source = file.text[at - 1].expandtabs(4) if at <= len(file.text) else ""
    room = width - cell_len(line.plain)
    said = _said(found)
    line.append_text(text(words.shortened(said, _ROOM) if not source else _cut(source, room, signs), "", signs))
    if source and said and room - len(source) > _ROOM // 2:
        line.append_text(text(f"  {_cut(said, room - len(source) - 2, signs)}", "dim", signs))
    return line


def _bar(costs: Sequence[Cost], most: float, signs: Glyphs) -> Text:
    """Side by side, one for each kind of operation; those in branches, or that work against the rest, are lighter."""
    bar = Text()
    for cost in costs:
        length = abs(cost.decades) / most * _BAR if most and math.isfinite(cost.decades) else float(_BAR)
        cells = min(_BAR - cell_len(bar.plain), max(1, round(length)))
        fill = signs.branch if cost.branch or cost.share < 0 else signs.trunk
        bar.append(fill * cells, style=_STYLE.get(cost.part, ""))
    return bar


def _length(line: LineCosts) -> float:
    return sum(abs(cost.decades) for cost in line.costs if math.isfinite(cost.decades))


def _share(line: LineCosts) -> str:
    own = [cost.share for cost in line.costs if not cost.branch]
    if own:
        return f"{100 * sum(own):.0f} %"
    return "branch" if line.costs else "runs" if line.runs else ""


def _said(line: LineCosts) -> str:
    """What the costliest operation there leaves, in all layers that it stands for."""
    if not line.costs:
        return words.count(line.runs, "layer") if line.runs else ""
    cost = line.costs[0]
    times = f" in each of {cost.amount}" if cost.amount > 1 else ""
    return f"{cost.what} leaves {factor(cost.factor)}{times}"


def _cut(said: str, room: int, signs: Glyphs) -> str:
    return said if len(said) <= room else said[: max(0, room - len(signs.ellipsis))] + signs.ellipsis
