"""The learning-rate range test as a picture: the loss over the rate, with the rates that matter marked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import MissingDependencyError
from headwater.records import RangeTest
from headwater.records.numbers import number
from headwater.report.paths import PICTURES, writable
from headwater.report.picture import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _SOFT, _LINE = "#17202a", "#566370", "#dde2e7"
# Okabe and Ito's palette, which colour-blind people can tell apart.
_LOSS, _SUGGESTED, _OWN, _LIMIT = "#0072b2", "#009e73", "#e69f00", "#d55e00"


def render(found: RangeTest, path: Path | None = None) -> Path | Figure:
    """Draws the test; writes it to `path`, whose suffix chooses the format, or returns the figure.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        InputError: nothing can be written at the path.
    """
    if path is not None:
        writable(path, PICTURES)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError('Plots need matplotlib: pip install "headwater[plot]"') from error
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    _curve(axes, found)
    _marks(axes, found)
    _dress(axes)
    figure.suptitle(f"Range test, {found.optimizer}: {summary(found)}", x=0.01, ha="left", fontsize=10.5, color=_INK)
    if path is None:
        return figure
    save(figure, path)
    return path


def summary(found: RangeTest) -> str:
    """The result in a line."""
    if found.suggested is None:
        return "the loss fell at no rate; look for another fault first"
    yours = f", yours is {number(found.rate)}" if found.rate is not None else ""
    return f"suggested rate {number(found.suggested)}{yours}"


def _curve(axes: Axes, found: RangeTest) -> None:
    trials = [trial for trial in found.trials if math.isfinite(trial.loss)]
    shown = [value for value in (*found.smoothed, *found.losses, *(t.loss for t in trials)) if math.isfinite(value)]
    axes.plot(found.rates, found.losses, color=_LOSS, alpha=0.25, linewidth=0.9, label="loss of each batch")
    axes.plot(found.rates, found.smoothed, color=_LOSS, linewidth=1.8, label="smoothed, the rate growing")
    if trials:
        label = "after a training at one rate"
        axes.plot([t.rate for t in trials], [t.loss for t in trials], "o", color=_INK, markersize=4.5, label=label)
    axes.set_xscale("log")
    if shown:
        low, first = min(shown), found.smoothed[0]
        height = max(abs(first - low), 1e-3 * abs(first), 1e-12)
        axes.set_ylim(low - 0.15 * height, low + 1.9 * height)  # where the loss leaves, it leaves the picture


def _marks(axes: Axes, found: RangeTest) -> None:
    marks = (
        (found.suggested, "suggested", _SUGGESTED, "-"),
        (found.rate, "yours", _OWN, "--"),
        (found.limit, "stability limit at the start", _LIMIT, ":"),
    )
    for rate, name, colour, style in marks:
        if rate is not None:
            axes.axvline(rate, color=colour, linestyle=style, linewidth=1.6, label=f"{name}: {number(rate)}")


def _dress(axes: Axes) -> None:
    axes.set_xlabel("learning rate", fontsize=9, color=_SOFT)
    axes.set_ylabel("loss", fontsize=9, color=_SOFT)
    axes.tick_params(labelsize=8, colors=_SOFT, length=0, which="both")
    axes.grid(axis="both", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=_LINE)
    legend = axes.legend(fontsize=8, labelcolor=_SOFT, loc="best", facecolor="white", framealpha=0.9, edgecolor="white")
    legend.set_zorder(5)
