"""What would another learning rate have done? Short trainings from one start, on the same batches, in pairs.

The arms differ in nothing but the rate: each begins at the user's weights and optimizer state, sees the same batches in
the same order, and draws the same random numbers. One stands still, so that a level of the loss that is due to the
batch is never taken for progress.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.errors import HeadwaterError
from headwater.measure.fit import with_other_targets
from headwater.measure.guard import seed_all
from headwater.measure.objective import Objective
from headwater.measure.optimizers import optimise, rate_of
from headwater.records import RateArm

COMPARED = 1 / 3
"""Share of an arm's steps, the last ones, that it is judged by."""
_EXAMINED, _GLANCED = 4, 2
"""Batches, the last ones, on which it is seen what was learned in the end; and the first ones for a quick look."""

Twins = Callable[[], tuple[nn.Module, Optimizer]]
"""Makes a fresh copy of the model with the optimizer that drives it."""


@dataclass(frozen=True)
class Course:
    """What the arms share.

    Attributes:
        twins: makes the start anew.
        objective: turns a batch into a loss.
        batches: used in turn.
        steps: of each arm.
        seed: of all random numbers of an arm.
        tell: called after each step.
    """

    twins: Twins
    objective: Objective
    batches: Sequence[Any]
    steps: int
    seed: int = 0
    tell: Callable[[], None] = lambda: None

    def batch(self, step: int) -> Any:
        """The batch of a step."""
        return self.batches[step % len(self.batches)]


def stand_still(course: Course) -> RateArm:
    """Returns the losses of the start on the batches that the arms are compared on."""
    model, _ = course.twins()
    seed_all(course.seed)
    losses = [_loss(course, model, course.batch(step)) for step in _compared(course.steps)]
    learned, other = _learned(course, model, course.steps, losses)
    if other is not None:
        other = min(other, _of_constant_answers(course, model))
    return RateArm(0.0, tuple(losses), steps=course.steps, learned=learned, other=other)


def knows(course: Course) -> float:
    """Returns what the start has learned, by the first batches; 0 where that cannot be told."""
    batches = [course.batch(step) for step in range(_GLANCED)]
    if any(with_other_targets(batch) is None for batch in batches):
        return 0.0
    model, _ = course.twins()
    return _share(course, model, batches, ())[0] or 0.0


def run(course: Course, factor: float, start: RateArm, *, decaying: bool = False, longer: int = 1) -> RateArm:
    """Trains at `factor` times the rate.

    Args:
        course: what all arms share.
        factor: of the user's rate.
        start: the arm that stands still.
        decaying: whether the rate falls from there along a line to zero.
        longer: multiple of the course's steps.
    """
    model, optimizer = course.twins()
    rates = [rate_of(group) or 0.0 for group in optimizer.param_groups]
    steps = course.steps * longer
    seed_all(course.seed)
    losses: list[float] = []
    for step in range(steps):
        share = factor * (1.0 - step / steps if decaying else 1.0)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            set_rate(group, share * rate)
        losses.append(training_step(course, model, optimizer, course.batch(step)))
        course.tell()
        if not math.isfinite(losses[-1]):
            lost = (losses[-1],) * len(_compared(steps))
            return RateArm(factor, lost, tuple(losses[: len(lost)]), decaying, step + 1)
    late, early = losses[_compared(steps).start :], losses[: len(_compared(steps))]
    learned, other = _learned(course, model, steps, start.losses)
    return RateArm(factor, tuple(late), tuple(early), decaying, steps, learned, other)


def _compared(steps: int) -> range:
    return range(steps - max(1, round(COMPARED * steps)), steps)


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Sets the rate of a group that has one; it can be a tensor that a compiled optimizer reads."""
    if rate_of(group) is None:
        return
    is_tensor = isinstance(group["lr"], torch.Tensor)
    group["lr"] = torch.full_like(group["lr"], rate) if is_tensor else rate


def training_step(course: Course, model: nn.Module, optimizer: Optimizer, batch: Any) -> float:
    """Takes one step and returns the loss before it; NaN when the model refuses to run on the weights."""
    optimizer.zero_grad(set_to_none=True)
    try:
        loss = course.objective(model, batch).loss
        value = float(loss.detach())
        if math.isfinite(value):
            loss.backward()
            optimise(optimizer, lambda: course.objective(model, batch).loss)
    except HeadwaterError:
        return math.nan
    return value


def _loss(course: Course, model: nn.Module, batch: Any) -> float:
    try:
        return float(course.objective(model, batch).loss.detach())
    except HeadwaterError:
        return math.nan


def _of_constant_answers(course: Course, model: nn.Module) -> float:
    """Loss of the mean output for every sample; infinite where outputs and targets are not known one by one.

    A network that is sure of its answers loses more by wrong ones than by knowing nothing.
    """
    return fmean(_of_constant_answer(course, model, course.batch(step)) for step in _examined(course.steps))


def _of_constant_answer(course: Course, model: nn.Module, batch: Any) -> float:
    loss_fn = course.objective.loss_fn
    try:
        found = course.objective(model, batch)
        if loss_fn is None or not isinstance(found.outputs, torch.Tensor):
            return math.inf
        outputs = found.outputs.detach()
        loss = float(loss_fn(outputs.mean(0, keepdim=True).expand_as(outputs), found.targets).detach())
    except Exception:  # a loss function of the user's that wants more than a constant answer
        return math.inf
    return loss if math.isfinite(loss) else math.inf


def _examined(steps: int) -> range:
    return range(max(0, steps - _EXAMINED), steps)


def _learned(course: Course, model: nn.Module, steps: int, start: Sequence[float]) -> tuple[float | None, float | None]:
    return _share(course, model, [course.batch(step) for step in _examined(steps)], start)


def _share(
    course: Course, model: nn.Module, batches: Sequence[Any], start: Sequence[float]
) -> tuple[float | None, float | None]:
    """Share of the loss with other targets, or where there is none of the start's, that is gone; and that loss."""
    others = [with_other_targets(batch) for batch in batches]
    unknown = any(other is None for other in others)
    level = fmean(start if unknown else [_loss(course, model, other) for other in others])
    own = fmean(_loss(course, model, batch) for batch in batches)
    share = (level - own) / abs(level) if level else math.nan
    return (share, level) if math.isfinite(share) else (None, None)
