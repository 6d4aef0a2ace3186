"""The trainings: the loss of each candidate over the steps, with its spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Literal

from headwater.records import FixRecord, TrialResult
from headwater.report.fix.words import CONTROL, ORIGINAL, longest, name

Kind = Literal["other", "control", "original", "recommended"]

_POINTS = 80


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
