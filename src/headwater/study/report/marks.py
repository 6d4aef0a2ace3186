"""What is drawn inside of a picture's axes: lines, points, bars, and the cells of a heat map."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from headwater.records.numbers import number
from headwater.study.experiment import Column, Figure, Row, Value, number_in
from headwater.study.words import ordered, word

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, LINE = "#17202a", "#566370", "#dde2e7"
# Okabe and Ito's palette, which colour-blind people can tell apart, without its black and its yellow, each of which
# one of the two backgrounds swallows; the markers tell apart what the colours do not.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d46", "#8a8f98")
_MARKERS = "os^DvPXd"
_MOST_MARKERS = 60
_SEQUENTIAL, _DIVERGING = "viridis", "RdBu"
_BRIGHT = 0.45
"""Luminance of a cell from which its number is black; below, white."""


def declared(column: Column | None) -> Column:
    """Returns a column that the kind of the figure needs.

    Raises:
        ValueError: the figure does not declare it.
    """
    if column is None:
        raise ValueError("A figure of this kind declares x and y, and a heat map its value too.")
    return column


def drawable(row: Row, column: Column) -> bool:
    """Whether a row has a number that the axis has a place for."""
    value = number_in(row, column.name)
    return math.isfinite(value) and not (column.log and value <= 0.0)


def _lines(axes: Axes, figure: Figure, rows: Sequence[Row], names: Sequence[Value]) -> None:
    x, y = declared(figure.x), declared(figure.y)
    for place, name in enumerate(names):
        style: dict[str, Any] = {"color": _COLOURS[place % len(_COLOURS)], "linewidth": 1.5 * (figure.kind == "lines")}
        groups = _groups(_own(rows, figure, name), x, y)
        size = 3.5 if len(groups) <= _MOST_MARKERS else 0
        marker = {"marker": _MARKERS[place % len(_MARKERS)], "markersize": size}
        axes.plot(list(groups), list(map(statistics.median, groups.values())), label=word(name), **marker, **style)
        if any(len(values) > 1 for values in groups.values()):
            ends = list(map(min, groups.values())), list(map(max, groups.values()))
            axes.fill_between(list(groups), *ends, color=style["color"], alpha=0.18, linewidth=0)
        if figure.expected is not None:
            said = _groups(_own(rows, figure, name), x, Column(figure.expected, "", y.log))
            dashed: dict[str, Any] = {"color": style["color"], "linewidth": 1.2, "linestyle": (0, (2, 2))}
            axes.plot(list(said), list(map(statistics.median, said.values())), **dashed)
    _levels(axes, figure)


def _bars(axes: Axes, figure: Figure, rows: Sequence[Row], names: Sequence[Value]) -> None:
    x, y = declared(figure.x), declared(figure.y)
    across = ordered([row.get(x.name) for row in rows], x)
    width = 0.8 / max(len(names), 1)
    for place, name in enumerate(names):
        groups = _groups(_own(rows, figure, name), x, y)
        at = [across.index(key) + (place - 0.5 * (len(names) - 1)) * width for key in groups]
        middle = list(map(statistics.median, groups.values()))
        axes.bar(at, middle, 0.92 * width, color=_COLOURS[place % len(_COLOURS)], label=word(name))
        below = [m - min(values) for m, values in zip(middle, groups.values(), strict=True)]
        above = [max(values) - m for m, values in zip(middle, groups.values(), strict=True)]
        if any(below) or any(above):
            axes.errorbar(at, middle, (below, above), fmt="none", ecolor=INK, elinewidth=0.9)
    axes.set_xticks(range(len(across)), [word(each) for each in across])
    axes.grid(False, axis="x")
    _levels(axes, figure)


def _heatmap(axes: Axes, figure: Figure, rows: Sequence[Row], names: Sequence[Value]) -> None:
    x, y, value = declared(figure.x), declared(figure.y), declared(figure.value)
    across = ordered([row.get(x.name) for row in rows], x)
    down = ordered([row.get(y.name) for row in rows], y)
    cells = _cells(rows, x, y, value)
    theory = _cells(rows, x, y, Column(figure.expected, "")) if figure.expected else {}
    heights = [[_height(cells.get((a, d)), value) for a in across] for d in down]
    low, high = _ends([height for line in heights for height in line if math.isfinite(height)], figure, value)
    colours = _SEQUENTIAL if figure.neutral is None else _DIVERGING
    edges = [[place - 0.5 for place in range(count + 1)] for count in (len(across), len(down))]
    image = cast(Any, axes).pcolormesh(*edges, heights, cmap=colours, vmin=low, vmax=high)  # cells, not a bitmap
    axes.invert_yaxis()
    axes.set_xticks(range(len(across)), [word(each) for each in across])
    axes.set_yticks(range(len(down)), [word(each) for each in down])
    axes.grid(False)
    for (a, d), found in cells.items():
        place = across.index(a), down.index(d)
        text = number(found, value.digits) + (f"\n({number(theory[a, d], value.digits)})" if (a, d) in theory else "")
        axes.text(*place, text, ha="center", va="center", fontsize=8, color=_on(image, heights[place[1]][place[0]]))


KINDS: Mapping[str, Callable[[Axes, Figure, Sequence[Row], Sequence[Value]], None]] = {
    "lines": _lines,
    "points": _lines,
    "heatmap": _heatmap,
    "bars": _bars,
}
"""What draws a kind of figure into axes: the figure, the rows of the panel, and the values of the series."""


def _own(rows: Sequence[Row], figure: Figure, name: Value) -> Sequence[Row]:
    return rows if figure.series is None else [row for row in rows if row.get(figure.series.name) == name]


def _groups(rows: Sequence[Row], x: Column, y: Column) -> dict[Any, list[float]]:
    """The numbers at each place of the axis, from left to right."""
    groups: dict[Value, list[float]] = {}
    for row in rows:
        if row.get(x.name) is not None and drawable(row, y):
            groups.setdefault(row[x.name], []).append(number_in(row, y.name))
    return {key: groups[key] for key in ordered(groups, x)}


def _cells(rows: Iterable[Row], x: Column, y: Column, value: Column) -> dict[tuple[Value, Value], float]:
    cells: dict[tuple[Value, Value], list[float]] = {}
    for row in rows:
        if row.get(value.name) is not None:
            cells.setdefault((row.get(x.name), row.get(y.name)), []).append(number_in(row, value.name))
    return {key: math.nan if any(map(math.isnan, v)) else statistics.median(v) for key, v in cells.items()}


def _height(value: float | None, column: Column) -> float:
    """Where a value lies on the scale of colours; NaN, which has no colour, where it has no place."""
    if value is None or not math.isfinite(value) or (column.log and value <= 0.0):
        return math.nan
    return math.log10(value) if column.log else value


def _ends(known: Sequence[float], figure: Figure, value: Column) -> tuple[float, float]:
    """Ends of the scale of colours; with a neutral value they lie equally far from it."""
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if value.limits is not None:
        low, high = (_height(end, value) for end in value.limits)
    if figure.neutral is None:
        return low, high
    centre = _height(figure.neutral, value)
    reach = max(abs(low - centre), abs(high - centre)) or 1.0
    return centre - reach, centre + reach


def _on(image: Any, height: float) -> str:
    """Black or white, whichever can be read on the colour of a cell; ink where it has none."""
    if not math.isfinite(height):
        return INK
    red, green, blue, _ = image.to_rgba(height)
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > _BRIGHT else "#ffffff"


def _levels(axes: Axes, figure: Figure) -> None:
    for level, label in figure.levels:
        axes.axhline(level, color=SOFT, linewidth=0.8, linestyle=(0, (4, 4)), zorder=1)
        at: Any = (1.0, level)
        said = axes.annotate(label, at, (0, 2), ("axes fraction", "data"), textcoords="offset points")
        said.set(ha="right", va="bottom", fontsize=8, color=SOFT)
