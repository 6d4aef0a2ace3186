"""A declared figure as a picture: SVG by matplotlib, for a page in light and dark, or for a document."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from headwater.errors import MissingDependencyError
from headwater.records.numbers import number
from headwater.study.experiment import Figure, Row, Table, Value, selected
from headwater.study.report.marks import INK, KINDS, LINE, SOFT, declared, drawable
from headwater.study.words import ordered, word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

_THEMED = {INK: "currentColor", SOFT: "var(--soft)", LINE: "var(--line)"}
_WIDTH, _HEIGHT = 7.4, 3.7
_ACROSS, _PANEL = 3, (3.1, 2.6)
_COUNTS, _FEW_DECADES = 0.5, 3e3
_PLAIN = (1e-3, 1e3)
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CELLS = 0.52
"""Height of a row of a heat map, in inches."""


def ready() -> None:
    """Asks for what figures need, before the work that would be lost.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingDependencyError('Figures need matplotlib: pip install "headwater[plot]"')


def svg(figure: Figure, table: Table, *, themed: bool, prefix: str = "") -> str:
    """Draws a figure as one ``<svg>`` element.

    Args:
        figure: what is drawn; not of kind ``"table"``.
        table: all rows of the experiment.
        themed: ink and lines take the colours of the page (``currentColor``, ``--soft``, ``--line``), for an element
            that stands in it; else the background is white.
        prefix: of the ids in it, which are unique in a page then.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    ready()
    import matplotlib

    # Text stays text, and what looks like a formula in a name stays what it is; the ids do not depend on chance.
    style = {"svg.fonttype": "none", "svg.hashsalt": figure.name, "font.size": 9, "text.parse_math": False}
    out = io.StringIO()
    with cast(Any, matplotlib).rc_context(style):
        drawing = _drawing(figure, list(selected(table.rows, figure.where)))
        blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawing.savefig(out, format="svg", facecolor="none" if themed else "white", metadata=blank)
    return _embedded(out.getvalue(), themed, prefix)


def left_out(figure: Figure, table: Table) -> int:
    """Counts the values that have no place on an axis: no number, or on a logarithmic axis zero."""
    shown = figure.value or figure.y
    if shown is None:
        return 0
    return sum(shown.name in row and not drawable(row, shown) for row in selected(table.rows, figure.where))


def _embedded(text: str, themed: bool, prefix: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}", text)
    for colour, theme in _THEMED.items() if themed else ():
        text = text.replace(colour, theme)
    return text


def _drawing(figure: Figure, rows: Sequence[Row]) -> Drawing:
    from matplotlib.figure import Figure as Drawing  # not pyplot: it keeps a global list of figures

    panels = ordered([row.get(figure.panels.name) for row in rows], figure.panels) if figure.panels else [None]
    panels = panels or [None]
    across = 2 if len(panels) in (2, 4) else min(len(panels), _ACROSS)
    down = math.ceil(len(panels) / across)
    drawing = Drawing(figsize=_size(figure, rows, across, down), layout="constrained")
    grid = drawing.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    axes = cast("list[Axes]", grid.ravel().tolist())
    names = ordered([row.get(figure.series.name) for row in rows], figure.series) if figure.series else [None]
    for place, panel in zip(axes, panels, strict=False):
        inside = rows if figure.panels is None else [row for row in rows if row.get(figure.panels.name) == panel]
        _dress(place, figure)
        KINDS[figure.kind](place, figure, inside, names)
        if figure.panels is not None:
            place.set_title(word(panel), fontsize=9, color=INK, loc="left")
    _hide(axes, len(panels), across)
    _name_axes(drawing, axes[: len(panels)], figure)
    _legend(drawing, axes[0], names)
    return drawing


def _size(figure: Figure, rows: Sequence[Row], across: int, down: int) -> tuple[float, float]:
    if figure.kind == "heatmap":
        lines = len({row.get(declared(figure.y).name) for row in rows})
        return _WIDTH if across == 1 else _PANEL[0] * across, (_CELLS * lines + 0.5) * down + 0.5
    return (_WIDTH, _HEIGHT) if across == down == 1 else (_PANEL[0] * _ACROSS, _PANEL[1] * down + 0.5)


def _hide(axes: Sequence[Axes], shown: int, across: int) -> None:
    """Panels that are empty; those above them then carry the labels of the axis."""
    for place, empty in enumerate(axes[shown:], shown):
        empty.set_visible(False)
        axes[place - across].tick_params(labelbottom=True)


def _dress(axes: Axes, figure: Figure) -> None:
    axes.set_facecolor("none")
    axes.tick_params(labelsize=8, colors=SOFT, length=0, which="both")
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    if figure.kind == "heatmap":
        return
    for column, side in ((figure.x, "x"), (figure.y, "y")):
        if column is not None and column.log:
            axes.set(**{f"{side}scale": "log"})
        if column is not None and column.limits is not None:
            axes.set(**{f"{side}lim": column.limits})


def _name_axes(drawing: Drawing, axes: Sequence[Axes], figure: Figure) -> None:
    x, y = declared(figure.x), declared(figure.y)
    style: dict[str, Any] = {"fontsize": 9, "color": SOFT}
    if len(axes) == 1:
        axes[0].set_xlabel(x.label, **style)
        axes[0].set_ylabel(y.label, **style)
    else:
        drawing.supxlabel(x.label, **style)
        drawing.supylabel(y.label, **style)
    for column, side in ((x, "x"), (y, "y")):
        if column.log and figure.kind != "heatmap":
            _plain_ticks(axes, side)


def _plain_ticks(axes: Sequence[Axes], side: str) -> None:
    """Depths such as 1, 2, 5 read better than powers of ten where they span few of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for place in axes:
        axis: Any = getattr(place, f"{side}axis")
        low, high = sorted(axis.get_view_interval())
        if low >= _COUNTS and high / low < _FEW_DECADES:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(_power))
        axis.set_minor_formatter(NullFormatter())


def _power(value: float, _place: int | None) -> str:
    """``1e-30`` as 10⁻³⁰; without matplotlib's formulas, which a hostile name could use too."""
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    if mantissa != "1" or _PLAIN[0] <= value <= _PLAIN[1]:
        return number(value)
    return "10" + str(int(exponent)).translate(_RAISED)


def _legend(drawing: Drawing, axes: Axes, names: Sequence[Value]) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if names != [None] and handles:
        style: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": INK, "handlelength": 1.6}
        drawing.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 6), columnspacing=1.4, **style)
