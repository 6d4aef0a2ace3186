"""The learning-rate range test: a training whose rate grows until the loss leaves, then trainings at rates below it.

Smith 2017, "Cyclical learning rates for training neural networks" (WACV, arXiv 1506.01186), section 3.3: good rates lie
below the one from which on the loss grows. The rate grows by a constant factor a step, as has become common, and the
losses are smoothed by an average that forgets.

Where below cannot be read off that curve: a loss that falls while the rate grows owes its fall to all smaller rates as
well, and momentum and adaptive optimizers answer to a rate that is too large only some ten steps later. Rules for
reading it (fastai's valley, slide, minimum and steep, Lightning's steepest fall) are close to the best rate on few of
the problems of `python -m benchmarks.learning_rate`. So the curve only says where to begin. From there the rate is
searched for along a line, by short trainings from the same start on the same batches: first down, then, when the first
was the best, up (bracketing a minimum: Press et al. 2007, "Numerical recipes", section 10.1).

A short training prefers rates that are somewhat small for a long one on noisy batches, and one without its warm-up or
decay others than one with them (Wu et al. 2018, "Understanding short-horizon bias in stochastic meta-optimization",
ICLR, arXiv 1803.02021): the suggestion is a constant rate to begin with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from statistics import fmean
from typing import Any

from torch import nn
from torch.optim import Optimizer

from headwater.diagnose import checked, training_copy
from headwater.errors import InputError
from headwater.measure import (
    Course,
    Objective,
    seed_all,
    set_rate,
    sharpness_at_start,
    take,
    training_step,
    untouched,
)
from headwater.measure.learning_rate.arms import COMPARED
from headwater.measure.objective import LossFunction, Step
from headwater.measure.optimizers import rate_of
from headwater.records import RangeTest, RateTrial

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
FORGETS = 0.9
"""Share of the past in the smoothed loss: it remembers some ten steps, seven tenths of a decade of rates."""
LEFT = 4.0
"""The test ends where the loss is so many times the least smoothed one."""
NOTCH = 10 ** (1 / 3)
"""Factor between the rates that are trained at: on most problems a window of that width around the best is as good."""
PATIENCE, MOST_NOTCHES = 2, 10
"""The search down ends after so many rates that are no better than the best, and after so many in all: three decades.
The loss of a short training is not quite smooth over the rate, so one that is no better proves nothing."""
FELL = 0.02
"""Share of the loss of the untrained network that must be gone, or the rate taught it nothing."""


def range_test(
    model: nn.Module,
    batches: Any,
    loss_fn: LossFunction | None = None,
    *,
    step: Step | None = None,
    optimizer: Optimizer | Callable[[Any], Optimizer] | None = None,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RangeTest:
    """Trains a copy of the model at rates from `lowest` to `highest`, then at single ones, and suggests the best.

    That takes some six or seven times `steps` steps. The model, its gradients, the optimizer and the random numbers
    stay as they were.

    Args:
        model: the network, on any device.
        batches: as for `headwater.diagnose`; with fewer than steps they are used again.
        loss_fn: as for `headwater.diagnose`.
        step: as for `headwater.diagnose`.
        optimizer: an optimizer over the model's parameters, or a factory; ``None``: gradient descent.
        lowest: the first rate.
        highest: the last rate, when the loss does not leave before.
        steps: of the training whose rate grows, and of each at one rate.
        seed: of all random numbers.
        progress: called with the steps done and their number, at most.

    Raises:
        InputError: the range makes no sense, or something else cannot be used.
    """
    if not 0 < lowest < highest < math.inf:
        raise InputError(f"Expected rates 0 < lowest < highest, got lowest {lowest!r} and highest {highest!r}.")
    model, objective = checked(model, loss_fn, step, steps), Objective(loss_fn, step)
    with untouched(model, seed, batches):
        some, _ = take(batches, steps)
        tell = _counter(progress, steps * (2 + MOST_NOTCHES))
        course = Course(lambda: training_copy(model, optimizer), objective, some, steps, seed, tell)
        found = _searched(course, lowest, highest)
        felt = sharpness_at_start(course)
        used = course.twins()[1]
    own = _largest(used)
    return replace(
        found,
        rate=own if optimizer is not None else None,
        limit=own / felt.place if felt is not None and own and felt.place > 0 else None,
        optimizer=type(used).__name__,
    )


def _searched(course: Course, lowest: float, highest: float) -> RangeTest:
    steps = course.steps
    rates = [lowest * (highest / lowest) ** (i / max(1, steps - 1)) for i in range(steps)]
    untrained = _losses(course, [0.0] * steps)
    losses = _losses(course, rates, until_left=True)
    smooth, still = smoothed(losses), _late(untrained)
    step = peak(smooth, smoothed(untrained))
    trials: tuple[RateTrial, ...] = ()
    if step is not None:
        trials = bracket(rates[step], (lowest, highest), lambda rate: _level(course, rate), still)
    return RangeTest(tuple(rates[: len(losses)]), tuple(losses), tuple(smooth), suggested(trials, still), trials)


def smoothed(losses: list[float]) -> list[float]:
    """Returns the mean of each loss and those before it, each weighted by `FORGETS` to the power of its age."""
    found: list[float] = []
    total = weights = 0.0
    for loss in losses:
        total, weights = FORGETS * total + loss, FORGETS * weights + 1.0
        found.append(total / weights)
    return found


def peak(smooth: list[float], untrained: list[float]) -> int | None:
    """Returns the step whose smoothed loss is furthest below the untrained network's on the same batches.

    The batches' own differences cancel. ``None`` where it is never clearly below.
    """
    pairs = [(one - other, _below(one, other)) for one, other in zip(smooth, untrained, strict=False)]
    if not any(below for _, below in pairs):
        return None
    return min((gap, step) for step, (gap, _) in enumerate(pairs) if math.isfinite(gap))[1]


def bracket(
    begin: float, bounds: tuple[float, float], level: Callable[[float], float], untrained: float
) -> tuple[RateTrial, ...]:
    """Searches for the rate of least loss along a line.

    Args:
        begin: the first rate.
        bounds: the lowest and the highest rate to try.
        level: the loss after a training at a rate.
        untrained: the loss before; rates that bring nothing do not end the search.

    Returns:
        The trials, by rate.
    """
    trials: list[RateTrial] = []
    best = math.inf
    since = 0
    for notch in range(MOST_NOTCHES):
        rate = begin / NOTCH**notch
        if notch and (rate < bounds[0] or since >= PATIENCE):
            break
        trials.append(RateTrial(rate, level(rate)))
        since = 0 if trials[-1].loss < best else since + _below(best, untrained)
        best = min(best, trials[-1].loss)
    trials.reverse()
    while trials[-1].loss == best < math.inf and trials[-1].rate * NOTCH <= bounds[1]:
        rate = trials[-1].rate * NOTCH
        trials.append(RateTrial(rate, level(rate)))
        best = min(best, trials[-1].loss)
    return tuple(trials)


def suggested(trials: tuple[RateTrial, ...], untrained: float) -> float | None:
    """Returns the rate of the trial with the least loss; ``None`` where none fell."""
    if not trials:
        return None
    best = min(trials, key=lambda trial: trial.loss)
    return best.rate if _below(best.loss, untrained) else None


def _below(loss: float, untrained: float) -> bool:
    return untrained - loss > FELL * abs(untrained)


def _level(course: Course, rate: float) -> float:
    losses = _losses(course, [rate] * course.steps)
    return _late(losses) if len(losses) == course.steps else math.inf


def _late(losses: list[float]) -> float:
    """Mean of the last third; infinite where it is not finite."""
    mean = fmean(losses[-max(1, round(COMPARED * len(losses))) :])
    return mean if math.isfinite(mean) else math.inf


def _losses(course: Course, rates: list[float], *, until_left: bool = False) -> list[float]:
    """The losses of a training, up to where they are not finite, or leave.

    Groups keep the ratio of their rates.
    """
    model, optimizer = course.twins()
    groups = [group for group in optimizer.param_groups if rate_of(group) is not None]
    own, largest = [float(group["lr"]) for group in groups], _largest(optimizer)
    seed_all(course.seed)
    losses: list[float] = []
    for index, rate in enumerate(rates):
        for group, one in zip(groups, own, strict=True):
            set_rate(group, rate * (one / largest if largest else 1.0))
        losses.append(training_step(course, model, optimizer, course.batch(index)))
        course.tell()
        if not math.isfinite(losses[-1]) or (until_left and _left(smoothed(losses))):
            break
    return losses


def _left(smooth: list[float]) -> bool:
    least = min(smooth)
    return smooth[-1] > least + (LEFT - 1.0) * abs(least)


def _largest(optimizer: Optimizer) -> float | None:
    return max((rate_of(group) or 0.0 for group in optimizer.param_groups), default=0.0) or None


def _counter(progress: Callable[[int, int], None] | None, most: int) -> Callable[[], None]:
    done = count(1)
    return lambda: progress(next(done), most) if progress else None
