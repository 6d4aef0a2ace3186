"""Rules of other tools that read a learning rate off the curve of a range test, as their documentation states them.

fastai 2 (`Learner.lr_find`): valley, slide, minimum, steep. PyTorch Lightning 2 (`Tuner.lr_find`): the steepest fall.
All of them look at losses smoothed with a factor of 0.98, up to where they are four times the least, and leave out some
steps at both ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from benchmarks.detection.problem import Problem, fit

STEPS, LOWEST, HIGHEST = 100, 1e-6, 10.0
Curve = tuple[list[float], list[float]]
"""Rates and smoothed losses."""


def curve(problem: Problem) -> Curve:
    """Trains at growing rates; the rate of a step is set before it."""
    rates = [LOWEST * (HIGHEST / LOWEST) ** (i / (STEPS - 1)) for i in range(STEPS)]
    optimizer = problem.make_optimizer()
    losses: list[float] = []

    def set_rate() -> None:
        for group in optimizer.param_groups:
            group["lr"] = rates[min(len(losses), STEPS - 1)]

    def grow(_: int, loss: float) -> None:
        losses.append(loss)
        set_rate()

    set_rate()
    fit(replace(problem, optimizer=optimizer), STEPS, grow)
    smooth = _smoothed(losses)
    return rates[: len(smooth)], smooth


def _smoothed(losses: Sequence[float]) -> list[float]:
    found: list[float] = []
    total = 0.0
    for index, loss in enumerate(losses):
        total = 0.98 * total + 0.02 * loss
        found.append(total / (1 - 0.98 ** (index + 1)))
        if not math.isfinite(loss):
            return found[:-1]
        if found[-1] > 4 * min(found):
            break
    return found


def valley(rates: list[float], losses: list[float]) -> float:
    """Half way along the longest falling subsequence of the losses."""
    length = [1] * len(losses)
    for i, loss in enumerate(losses):
        length[i] = 1 + max((length[j] for j in range(i) if losses[j] > loss), default=0)
    end = int(np.argmax(length))
    third = max(length) / 3
    return rates[max(0, end - max(length)) + int(third) + int(third / 2)]


def slide(rates: list[float], losses: list[float]) -> float:
    """Coming from the right, the left end of the first window of 15 steps whose ends are equally steep."""
    slope = np.gradient(losses)
    left = len(losses) - 16
    while left > 0 and abs(slope[left + 15] - slope[left]) > 0.005:
        left -= 1
    return rates[min(left + 1, len(losses) - 16)]


def minimum(rates: list[float], losses: list[float]) -> float:
    """A tenth of the rate of the least loss."""
    return rates[int(np.argmin(losses))] / 10


def steep(rates: list[float], losses: list[float]) -> float:
    """Where the loss falls most from one step to the next."""
    return rates[int(np.argmin([after - before for before, after in pairwise(losses)]))]


def lightning(rates: list[float], losses: list[float]) -> float:
    """Where the central difference of the losses is least."""
    return rates[int(np.argmin(np.gradient(losses)))]


_FASTAI, _LIGHTNING = slice(STEPS // 10, -5), slice(10, -1)
RULES: dict[str, tuple[Callable[[list[float], list[float]], float], slice]] = {
    "fastai: valley": (valley, _FASTAI),
    "fastai: slide": (slide, _FASTAI),
    "fastai: minimum": (minimum, _FASTAI),
    "fastai: steep": (steep, _FASTAI),
    "Lightning": (lightning, _LIGHTNING),
}


def suggestions(found: Curve) -> dict[str, float]:
    """The rate that each rule reads off the curve."""
    rates, losses = found
    return {name: rule(rates[part], losses[part]) for name, (rule, part) in RULES.items()}
