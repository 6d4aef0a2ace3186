"""The phase diagram: trainable depth as colour, the critical line, and where the known initialisations lie."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headwater.records import CriticalPoint, PhaseRecord, PredictionRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patheffects import AbstractPathEffect

INK, SOFT, LINE = "#17202a", "#566370", "#dde2e7"
_SHALLOWEST, _DEEPEST = 3.0, 300.0
"""Layers at the ends of the colours: where nothing trains, and where depth is no concern any more."""
_TICKS = (3, 10, 30, 100, 300)
_NAMED = ((1.0 / 3.0, "PyTorch default"), (1.0, "Xavier, LeCun, orthogonal"), (2.0, "He"))


def draw_phases(axes: Axes, phases: PhaseRecord, record: PredictionRecord | None = None) -> None:
    """Draws the diagram; with a prediction, its initialisation is marked."""
    from matplotlib.colors import LogNorm

    depth = np.clip(np.array(phases.trainable_depth), _SHALLOWEST, _DEEPEST)
    right = phases.bias_variances[-1]
    top = phases.weight_variances[-1] + phases.weight_variances[0]
    image = axes.imshow(
        depth,
        origin="lower",
        aspect="auto",
        extent=(0.0, right, 0.0, top),
        cmap="magma",
        norm=LogNorm(_SHALLOWEST, _DEEPEST),
        interpolation="bilinear",
        rasterized=True,
    )
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, ticks=_TICKS)
    bar.ax.set_yticklabels([f"{tick}" for tick in _TICKS[:-1]] + [f"{_TICKS[-1]}+"])
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=8, colors=SOFT, length=0)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.set_label("trainable depth, in layers", fontsize=8.5, color=SOFT)
    _edge(axes, phases.edge)
    _sides(axes, phases)
    _initialisations(axes, right, top, record)
    axes.set_xlim(-0.02 * right, right)
    axes.set_ylim(0.0, top)
    axes.set_xlabel("bias variance  $\\sigma_b^2$", fontsize=9, color=SOFT)
    axes.set_ylabel("weight variance  $\\sigma_w^2$", fontsize=9, color=SOFT)
    axes.set_title(f"phase diagram of {phases.activation}", fontsize=9.5, color=INK, loc="left", parse_math=False)
    axes.tick_params(labelsize=8, colors=SOFT, length=0)
    axes.spines[:].set_visible(False)


def _sides(axes: Axes, phases: PhaseRecord) -> None:
    """Names the phases at the corners where they lie."""
    if phases.gain[0][-1] < 1.0:
        _say(axes, "ordered: the gradient vanishes", (0.98, 0.04))
    if phases.gain[-1][-1] > 1.0:
        _say(axes, "chaotic: the gradient explodes", (0.98, 0.81))


def _say(axes: Axes, what: str, at: tuple[float, float]) -> None:
    written = axes.annotate(what, at, xycoords="axes fraction", ha="right", fontsize=8.5, color="white")
    written.set(style="italic", path_effects=_outline(INK, 1.6))


def _edge(axes: Axes, edge: Sequence[CriticalPoint]) -> None:
    """The critical line, broken where the variance drifts away from it; for ReLU it is a single point."""
    runs = [list(run) for _, run in itertools.groupby(edge, key=lambda point: point.stable)]
    for run, following in itertools.zip_longest(runs, runs[1:], fillvalue=list[CriticalPoint]()):
        points = [*run, *following[:1]]  # without a gap where one kind of line goes over into the other
        drawn = axes.plot(
            [point.bias_variance for point in points],
            [point.weight_variance for point in points],
            color=INK,
            linewidth=1.5,
            linestyle="-" if run[0].stable else (0, (3, 1.6)),
            label="edge of chaos" if run[0].stable else "edge of chaos, unstable",
        )
        drawn[0].set_path_effects(_outline("white", 3.4))
    if len({(point.bias_variance, point.weight_variance) for point in edge}) > 1:
        style = {"facecolor": "white", "framealpha": 0.88, "edgecolor": "none", "labelcolor": INK}
        axes.legend(loc="upper right", fontsize=8, handlelength=2.6, **style)


def _initialisations(axes: Axes, right: float, top: float, record: PredictionRecord | None) -> None:
    for variance, name in _NAMED:
        if variance < top:
            axes.plot(0.0, variance, "o", color="white", markersize=5, markeredgecolor=INK, clip_on=False, zorder=4)
            written = axes.annotate(name, (0.0, variance), (11, -3), textcoords="offset points", fontsize=8)
            written.set(color="white", path_effects=_outline(INK, 1.6))
    if record is not None and record.weight_variance < top and record.bias_variance < right:
        at = (record.bias_variance, record.weight_variance)
        axes.plot(*at, "*", color="#56b4e9", markersize=15, markeredgecolor="white", clip_on=False, zorder=5)


def _outline(colour: str, width: float) -> list[AbstractPathEffect]:
    """What is drawn over colours from black to pale yellow has to be seen on all of them."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground=colour)]
