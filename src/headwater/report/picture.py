"""The profile and the gains as a picture for a paper or a talk: PNG, SVG or PDF by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headwater.errors import MissingDependencyError
from headwater.records import Measurement
from headwater.report.axis import LogAxis, axis_over, marked, ticks
from headwater.report.bars import bars, extremes
from headwater.report.page.flow import Segment, predicted
from headwater.report.paths import PICTURES, writable
from headwater.report.verdict import verdict
from headwater.report.view import PARTS, Place, place_name, places
from headwater.report.words import printable, shortened, subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.report.report import Report

_DPI = 200
_MOST_BARS = 200
_MOST_MARKERS = 120
_INK, _SOFT, _LINE, _BAD = "#17202a", "#566370", "#dde2e7", "#b3261e"
# Okabe and Ito's palette, which colour-blind people can tell apart.
_COLOURS = {"activation": "#e69f00", "weights": "#0072b2", "normalisation": "#009e73", "other": "#cc79a7"}
_TRUNK, _BRANCH = "#0072b2", "#d55e00"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(report: Report, path: Path | None = None) -> Path | Figure:
    """Draws the report; writes it to `path`, whose suffix chooses the format, or returns the figure.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        InputError: the path has another suffix, its folder does not exist, or nothing can be written there.
    """
    if path is not None:
        writable(path, PICTURES)
    figure = _figure(report)
    if path is None:
        return figure
    save(figure, path)
    return path


def save(figure: Figure, path: Path) -> None:
    """Writes a figure whose text stays text, which an editor can change and a search can find."""
    import matplotlib

    with cast(Any, matplotlib).rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "headwater"}):
        figure.savefig(path, dpi=_DPI, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)


def _figure(report: Report) -> Figure:
    try:
        # Not pyplot: it keeps a global list of figures and chooses a window system.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError('Plots need matplotlib: pip install "headwater[plot]"') from error
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _profile(above, report.measurement)
    _gains(below, report.measurement)
    title = f"{subject(report.measurement)}: {verdict(report).headline}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, color=_INK, parse_math=False)
    return figure


def _profile(axes: Axes, measurement: Measurement) -> None:
    shown = [place for place in places(measurement) if place.signal is not None]
    axis = axis_over([place.signal for place in shown], least=3.0)
    _dress(axes, axis, "gradient norm")
    trunk = [place for place in shown if place.trunk]
    if trunk:
        heights = [_height(axis, place.signal or 0.0, gap=True) for place in trunk]
        if math.isfinite(heights[-1]):
            axes.axhline(heights[-1], color=_SOFT, linewidth=0.8, linestyle=(0, (4, 4)), label="nothing lost")
        axes.plot([place.depth for place in trunk], heights, color=_TRUNK, linewidth=1.6)
    _predicted(axes, axis, predicted(measurement))
    _scatter(axes, axis, [p for p in trunk if p.layer is not None], "layer on the trunk", "o", _TRUNK, _TRUNK)
    _scatter(axes, axis, [p for p in trunk if p.layer is None], "where branches meet", "o", "white", _TRUNK)
    _scatter(axes, axis, [p for p in shown if not p.trunk], "layer in a branch", "D", "white", _BRANCH)
    for place in shown if len(shown) <= _MOST_MARKERS else ():
        _mark(axes, axis, place.depth, place.signal or 0.0)
    if shown:
        axes.set_xlim(min(p.depth for p in shown) - 0.7, max(p.depth for p in shown) + 0.7)
        _legend(axes)
        _ends(axes, trunk or shown)
        _flow(axes)


def _predicted(axes: Axes, axis: LogAxis, segments: Sequence[Segment]) -> None:
    """What theory makes of the last layer's gradient, over the measurement so that both are seen."""
    for i, segment in enumerate(segments):
        heights = [_height(axis, value, gap=True) for _, value in segment]
        (line,) = axes.plot([depth for depth, _ in segment], heights, color=_INK, linewidth=1.0)
        line.set(linestyle=(0, (2, 2)), zorder=4, label="_nolegend_" if i else "predicted")


def _flow(axes: Axes) -> None:
    """Says which way the gradient flows, between the names of the ends."""
    said = axes.text(0.5, -0.03, "\N{LEFTWARDS ARROW} backward", transform=axes.transAxes, ha="center", va="top")
    said.set(fontsize=8, color=_SOFT)


def _mark(axes: Axes, axis: LogAxis, depth: float, value: float) -> None:
    """Says 0, NaN or infinity beside what has no place on the axis."""
    if marked(value):
        offset = (0, 5) if value == 0 else (0, -14)
        at = (depth, _height(axis, value))
        said = axes.annotate(marked(value), at, offset, textcoords="offset points", ha="center", fontsize=9)
        said.set(color=_BAD, bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"})


def _legend(axes: Axes) -> None:
    style = {"frameon": False, "fontsize": 8, "labelcolor": _SOFT, "handletextpad": 0.5, "borderaxespad": 0.2}
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=6, columnspacing=1.2, handlelength=1.4, **style)


def _scatter(axes: Axes, axis: LogAxis, some: Sequence[Place], label: str, marker: str, face: str, edge: str) -> None:
    if not some:
        return
    kept = some[:: math.ceil(len(some) / _MOST_MARKERS)]
    heights = [_height(axis, place.signal or 0.0) for place in kept]
    depths = [place.depth for place in kept]
    drawn = axes.scatter(depths, heights, s=14, c=face, marker=marker, edgecolors=edge, label=label)
    drawn.set(zorder=3, clip_on=False)


def _gains(axes: Axes, measurement: Measurement) -> None:
    drawn = bars(measurement.layers, _MOST_BARS)
    zeros = [0.0 for bar in drawn if bar.gain == 0]
    axis = axis_over([*extremes(drawn), *(bar.gain for bar in drawn), *zeros], least=1.0, around=1.0)
    _dress(axes, axis, "gain")
    for part in PARTS:
        pieces = [(bar, s) for bar in drawn for s in bar.segments if s.part == part]
        if not pieces:  # an empty bar would have a wrong colour in the legend
            continue
        starts = [max(axis.bottom, min(axis.high, s.start)) for _, s in pieces]
        ends = [max(axis.bottom, min(axis.high, s.end)) for _, s in pieces]
        axes.bar(
            [0.5 * (bar.left + bar.right) for bar, _ in pieces],
            [end - start for start, end in zip(starts, ends, strict=True)],
            width=[bar.right - bar.left for bar, _ in pieces],
            bottom=starts,
            color=_COLOURS[part],
            label=part,
        )
    known = [bar for bar in drawn if not math.isnan(bar.gain)]
    heights = [_height(axis, bar.gain) for bar in known]
    axes.hlines(heights, [b.left for b in known], [b.right for b in known], color=_INK, linewidth=1.4, label="gain")
    expected = [(bar, gain) for bar in drawn if len(bar.layers) == 1 and (gain := bar.layers[0].predicted_gain)]
    if expected:
        heights = [_height(axis, gain) for _, gain in expected]
        ends = [bar.left for bar, _ in expected], [bar.right for bar, _ in expected]
        axes.hlines(heights, *ends, color=_INK, linewidth=1.0, linestyle=(0, (1, 1)), label="predicted")
    for bar in drawn if len(drawn) <= _MOST_MARKERS else ():
        _mark(axes, axis, 0.5 * (bar.left + bar.right), bar.gain)
    axes.axhline(0.0, color=_SOFT, linewidth=0.8)
    axes.set_xlabel("depth, in layers from the input", fontsize=9, color=_SOFT)
    if drawn:
        _legend(axes)


def _dress(axes: Axes, axis: LogAxis, label: str) -> None:
    """The axes are linear in decades: zero and infinity can then stand at their ends."""
    from matplotlib.ticker import MaxNLocator

    marks = ticks(axis, 6)
    axes.set_yticks([math.log10(value) for value, _ in marks], [_power(written) for _, written in marks])
    axes.set_ylim(axis.bottom - 0.02 * (axis.high - axis.bottom), axis.high)
    axes.set_ylabel(label, fontsize=9, color=_SOFT)
    axes.tick_params(labelsize=8, colors=_SOFT, length=0)
    axes.grid(axis="y", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=_LINE)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))


def _power(written: str) -> str:
    """``1e-30`` as 10⁻³⁰."""
    mantissa, _, exponent = written.partition("e")
    return "10" + exponent.translate(_RAISED) if mantissa == "1" and exponent else written


def _height(axis: LogAxis, value: float, *, gap: bool = False) -> float:
    if value > 0 and math.isfinite(value):
        return max(axis.bottom, min(axis.high, math.log10(value)))
    return axis.bottom if value == 0 else math.nan if gap else axis.high


def _ends(axes: Axes, line: Sequence[Place]) -> None:
    """Names of the first and the last place, under the axis."""
    for place, x, side in ((line[0], 0.0, "left"), (line[-1], 1.0, "right")):
        named = "input" if side == "left" else "output"
        axes.text(
            x,
            -0.03,
            f"{named}: {shortened(printable(place_name(place)), 34)}",
            transform=axes.transAxes,
            ha=side,
            va="top",
            fontsize=8,
            color=_SOFT,
            parse_math=False,
        )
