"""The profile as a picture in text: a bar for each layer, from the loss down to the input, as the gradient flows."""

from __future__ import annotations

import math

from rich.cells import cell_len
from rich.text import Text

from headwater.records import Measurement
from headwater.records.numbers import number
from headwater.report.axis import LogAxis, position
from headwater.report.terminal.glyphs import Glyphs, text
from headwater.report.terminal.rows import Row, rows
from headwater.report.view import Place, distance, places
from headwater.report.words import count, factor, shortened

_NAME = (12, 36)
_BAR = (8, 44)
_NUMBERS = (9, 8)
"""Columns of the gradient and of the gain."""
_PART = 21
_PART_FROM = 64
"""Columns from which there is room for the decisive factor."""
_LEAST_DECADES = 3.0
"""An axis over less would dramatise noise."""
_NOTHING = 0.02
"""Decades by which a factor must differ from one (5 %) to be named."""


def profile_lines(measurement: Measurement, most: int, width: int, signs: Glyphs) -> list[Text]:
    """Returns the picture, at most `width` columns wide; nothing for a network without layers."""
    everything = places(measurement)
    shown = rows(everything, most)
    if not shown:
        return []
    names = [text(_name(row), "" if row.trunk else "dim", signs) for row in shown]
    with_part = width >= _PART_FROM and any(_part(row) for row in shown)
    room = width - sum(_NUMBERS) - (_PART if with_part else 0) - 6
    name_width = min(max(cell_len(name.plain) for name in names), _NAME[1], max(_NAME[0], room - _BAR[0]))
    name_width = max(name_width, len("layer"))
    bar_width = max(_BAR[0], min(_BAR[1], room - name_width))
    axis = axis_of(shown)
    lines = [_header(name_width, bar_width, with_part)]
    for row, name in zip(shown, names, strict=True):
        line = _left(name, name_width, signs).append_text(bar(row, axis, bar_width, signs))
        line.pad_right(4 + name_width + bar_width - cell_len(line.plain))
        line.append_text(signal(row.signal)).append(f"{factor(row.gain):>{_NUMBERS[1]}}")
        line.append(f"  {_part(row)}" if with_part and _part(row) else "", style="dim")
        lines.append(line)
    return lines + _left_out(everything, shown)


def axis_of(shown: tuple[Row, ...]) -> LogAxis:
    """The largest gradient fills its bar."""
    logs = [math.log10(row.signal) for row in shown if row.signal and 0 < row.signal < math.inf]
    high = max(logs, default=0.0)
    low = min([*logs, high - _LEAST_DECADES])
    return LogAxis(low, high, low)


def _header(name_width: int, bar_width: int, with_part: bool) -> Text:
    numbers = f"{'':>{_NUMBERS[0]}}{'gain':>{_NUMBERS[1]}}"
    titles = f"  {'layer':<{name_width}}  {'gradient, log scale':<{bar_width}}{numbers}"
    return Text(titles + ("  mostly by" if with_part else ""), style="dim")


def _left(name: Text, width: int, signs: Glyphs) -> Text:
    fitting = Text(shortened(name.plain, width, signs.ellipsis), style=name.style)
    fitting.pad_right(width - cell_len(fitting.plain))
    return Text("  ").append_text(fitting).append("  ")


def _left_out(everything: tuple[Place, ...], shown: tuple[Row, ...]) -> list[Text]:
    """Says that layers in branches are not in the picture, when there was no room for them."""
    branches = sum(not place.trunk for place in everything)
    if not branches or any(not row.trunk for row in shown):
        return []
    return [Text(f"  and {count(branches, 'layer')} in branches beside it", style="dim")]


def _name(row: Row) -> str:
    return row.name if row.amount == 1 else f"{row.name} ({row.amount})"


def signal(value: float | None) -> Text:
    """A gradient in its column; what is lost is marked."""
    lost = value is not None and (value == 0 or not math.isfinite(value))
    return Text(f"{number(value):>{_NUMBERS[0]}}", style="bold red" if lost else "")


def _part(row: Row) -> str:
    if row.part is None or distance(row.part[1]) < _NOTHING:
        return ""
    return f"{row.part[0]} {factor(row.part[1])}"


def bar(row: Row, axis: LogAxis, width: int, signs: Glyphs) -> Text:
    """A bar on the logarithmic axis; the smallest gradient still leaves a trace, an exact zero leaves none."""
    if row.signal is None or row.signal == 0:
        return Text("")
    steps = len(signs.ends) + 1
    filled = max(1, round(position(axis, row.signal) * width * steps))
    full, part = divmod(filled, steps)
    fill = signs.trunk if row.trunk else signs.branch
    end = signs.ends[part - 1] if part and row.trunk else fill if part and not full else ""
    style = ("cyan" if row.trunk else "blue") if math.isfinite(row.signal) else "bold red"
    return Text(fill * full + end, style=style)
