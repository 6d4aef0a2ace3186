"""The page's picture of the trainings: the loss of each candidate over the steps, with its spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median
from typing import Literal

from headwater.records import FixRecord, TrialResult
from headwater.records.numbers import number
from headwater.report.axis import Axis, axis_over, linear_axis_over
from headwater.report.fix.words import CONTROL, ORIGINAL, longest, name
from headwater.report.html.svg import Frame, Plot, across, drawing, element, grid, safe, up
from headwater.report.words import count

Kind = Literal["other", "control", "original", "recommended"]

_POINTS = 80
_LEAST_DECADES = 0.5
_MOST = 10.0
"""Times the usual first loss: what diverges says no more by going further up."""


@dataclass(frozen=True)
class Curve:
    """One candidate's training loss: the step in the middle of each stretch, and its mean, the least and the largest.

    The mean is that of the longest trainings; the other seeds widen the band as far as they went.
    """

    kind: Kind
    name: str
    points: tuple[tuple[float, float, float, float], ...]


def curves(record: FixRecord) -> tuple[Curve, ...]:
    """Returns the curves of all that was trained, in the order in which they are drawn over each other."""
    groups: list[tuple[Kind, str, Sequence[TrialResult]]] = [
        ("control", CONTROL, record.control),
        ("original", ORIGINAL, record.original),
    ]
    for each in record.candidates:
        groups.append(("recommended" if each is record.best else "other", name(each), each.trials))
    order: tuple[Kind, ...] = ("other", "control", "original", "recommended")
    found = [Curve(kind, said, _points(trials)) for kind, said, trials in groups]
    return tuple(sorted((each for each in found if each.points), key=lambda each: order.index(each.kind)))


def draw_curves(shown: Sequence[Curve], frame: Frame) -> str:
    """Returns the picture; nothing when nothing was trained."""
    if not shown:
        return ""
    frame = replace(frame, bottom=frame.bottom - 18, height=frame.height - 18)
    last = max(point[0] for each in shown for point in each.points)
    plot = Plot(frame, 0.0, last, _axis(shown))
    known = next(
        (each for kind in ("recommended", "original", "other") for each in shown if each.kind == kind), shown[0]
    )
    return drawing(
        plot,
        "The training loss over the steps",
        f"{count(len(shown), 'curve')}; that of {known.name} goes from {number(known.points[0][1], 3)} to "
        f"{number(known.points[-1][1], 3)}.",
        grid(plot, "training loss", ("", ""), along="step"),
        *(_band(plot, each) for each in shown if each.kind != "other"),
        *(_line(plot, each) for each in shown),
    )


def _points(trials: Sequence[TrialResult]) -> tuple[tuple[float, float, float, float], ...]:
    """Means over stretches of steps, so that the noise of single batches does not hide the course."""
    steps = max((len(trial.losses) for trial in trials), default=0)
    cuts = [round(i * steps / min(_POINTS, steps)) for i in range(min(_POINTS, steps) + 1)] if steps else []
    final = longest(trials)
    points: list[tuple[float, float, float, float]] = []
    for start, end in pairwise(cuts):
        means, line = _means(trials, start, end), _means(final, start, end)
        if line:
            points.append((0.5 * (start + end), fmean(line), min(means), max(means)))
    return tuple(points)


def _means(trials: Sequence[TrialResult], start: int, end: int) -> list[float]:
    """Mean loss over a stretch of each training that went through it."""
    whole = [trial.losses[start:end] for trial in trials if len(trial.losses) >= end]
    return [fmean(losses) for losses in whole if all(map(math.isfinite, losses))]


def _axis(shown: Sequence[Curve]) -> Axis:
    """In decades, unless some loss is not positive; what diverges is cut off."""
    first = median(each.points[0][1] for each in shown)
    most = _MOST * first if first > 0 else math.inf
    values = [min(value, most) for each in shown for point in each.points for value in _seen(each, point)]
    if min(values) > 0:
        return axis_over(values, least=_LEAST_DECADES)
    return linear_axis_over(values)


def _seen(curve: Curve, point: tuple[float, float, float, float]) -> tuple[float, ...]:
    return point[1:2] if curve.kind == "other" else point[1:]


def _line(plot: Plot, curve: Curve) -> str:
    points = _joined(plot, [(step, mean) for step, mean, _, _ in curve.points])
    return element(
        "g", element("title", safe(curve.name)), element("polyline", class_=f"curve {curve.kind}", points=points)
    )


def _band(plot: Plot, curve: Curve) -> str:
    ends = [(step, low) for step, _, low, _ in curve.points] + [(step, high) for step, _, _, high in curve.points[::-1]]
    return element("polygon", class_=f"band {curve.kind}", points=_joined(plot, ends))


def _joined(plot: Plot, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{across(plot, step):.1f},{up(plot, loss):.1f}" for step, loss in points)
