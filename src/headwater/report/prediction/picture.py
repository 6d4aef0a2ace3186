"""A prediction as a picture: the gradient over the depth, and where the initialisation lies in the phase diagram."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import MissingDependencyError
from headwater.records import PhaseRecord, PredictionRecord
from headwater.report.axis import axis_over, ticks
from headwater.report.paths import PICTURES, writable
from headwater.report.prediction import words
from headwater.report.prediction.phase import INK, LINE, SOFT, draw_phases
from headwater.report.prediction.shares import shares_of_gradient
from headwater.report.words import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 200
_TRUNK = "#0072b2"


def draw(record: PredictionRecord, phases: Callable[[], PhaseRecord], path: Path | None = None) -> Path | Figure:
    """Draws the prediction; writes it to `path`, whose suffix chooses the format, or returns the figure.

    Args:
        record: the prediction.
        phases: computes the phase diagram; called once it is known that it can be drawn.
        path: where to write.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        InputError: the path has another suffix, its folder does not exist, or nothing can be written there.
    """
    if path is not None:
        writable(path, PICTURES)
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise MissingDependencyError('Plots need matplotlib: pip install "headwater[plot]"') from error
    figure = Figure(figsize=(10.0, 4.4), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.12))
    _depth(left, record)
    draw_phases(right, phases(), record)
    title = printable(words.verdict(record).headline)
    figure.suptitle(title, x=0.012, ha="left", fontsize=12, color=INK, parse_math=False)
    if path is None:
        return figure
    figure.savefig(path, dpi=_DPI, facecolor="white")
    return path


def _depth(axes: Axes, record: PredictionRecord) -> None:
    """The gradient's norm at each layer, with the band in which networks of this width lie."""
    known = [(layer, share) for layer, share in shares_of_gradient(record) if 0.0 < share < math.inf]
    deviations = [2.0 * record.noise * math.sqrt((record.depth - layer) / (record.depth - 1)) for layer, _ in known]
    layers, decades = [layer for layer, _ in known], [math.log10(share) for _, share in known]
    spread = [deviation / math.log(10.0) for deviation in deviations]
    low = [value - width for value, width in zip(decades, spread, strict=True)]
    high = [value + width for value, width in zip(decades, spread, strict=True)]
    axis = axis_over([10.0 ** max(min(v, 300.0), -300.0) for v in (*low, *high)], least=2.0, around=1.0)
    axes.axhline(0.0, color=SOFT, linewidth=0.8, linestyle=(0, (4, 4)))
    band = f"two deviations, width {record.width}"
    axes.fill_between(layers, low, high, color=_TRUNK, alpha=0.16, linewidth=0, label=band)
    axes.plot(layers, decades, color=_TRUNK, linewidth=1.8, label="mean field")
    marks = ticks(axis, 6)
    axes.set_yticks([math.log10(value) for value, _ in marks], [written for _, written in marks])
    axes.set_ylim(axis.bottom, axis.high)
    axes.set_xlim(1, record.depth)
    axes.set_xticks([1, *axes.get_xticks()[1:-1], record.depth])
    axes.set_xlabel("layer, from the input", fontsize=9, color=SOFT)
    axes.set_title("gradient norm, as a share of the last layer's", fontsize=9.5, color=INK, loc="left")
    axes.tick_params(labelsize=8, colors=SOFT, length=0)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=LINE)
    axes.legend(loc="best", frameon=False, fontsize=8, labelcolor=SOFT)
