"""The learning-rate range test: one short training whose rate grows until the loss leaves.

Smith 2017, "Cyclical learning rates for training neural networks" (WACV, arXiv 1506.01186), section 3.3: good rates lie
below the one from which on the loss grows. The rate grows by a constant factor a step, as has become common, and the
losses are smoothed by an average that forgets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Optimizer

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
from headwater.measure.objective import LossFunction, Step
from headwater.measure.optimizers import rate_of
from headwater.records import RangeTest

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
FORGETS = 0.9
"""Share of the past in the smoothed loss: it remembers some ten steps, seven tenths of a decade of rates."""
LEFT = 4.0
"""The test ends where the loss is so many times the least smoothed one."""
MARGIN, MARGIN_MOMENTUM, MARGIN_ADAPTIVE = 0.5, 0.1, 0.05
"""The suggested rate over the one at the least smoothed loss. Momentum and the averages of adaptive optimizers answer
to a rate that is too large only some ten steps later; chosen on eleven problems with one seed
(`python -m benchmarks.learning_rate`)."""
FELL = 0.02
"""Share of the first loss that must be gone at the least one, or no rate taught the network anything."""


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
    """Trains a copy of the model at rates from `lowest` to `highest` and suggests one.

    The model, its gradients, the optimizer and the random numbers stay as they were.

    Args:
        model: the network, on any device.
        batches: as for `headwater.diagnose`; with fewer than steps they are used again.
        loss_fn: as for `headwater.diagnose`.
        step: as for `headwater.diagnose`.
        optimizer: an optimizer over the model's parameters, or a factory; ``None``: gradient descent.
        lowest: the first rate.
        highest: the last rate, when the loss does not leave before.
        steps: how many rates are tried.
        seed: of all random numbers.
        progress: called with the steps done and their number.

    Raises:
        InputError: the range makes no sense, or something else cannot be used.
    """
    if not 0 < lowest < highest < math.inf:
        raise InputError(f"Expected rates 0 < lowest < highest, got lowest {lowest!r} and highest {highest!r}.")
    model, objective = checked(model, loss_fn, step, steps), Objective(loss_fn, step)
    with untouched(model, seed, batches):
        some, _ = take(batches, steps)
        course = Course(lambda: training_copy(model, optimizer), objective, some, steps, seed)
        rates = [lowest * (highest / lowest) ** (i / max(1, steps - 1)) for i in range(steps)]
        losses, optimizer_used, own = _train(course, rates, progress)
        felt = sharpness_at_start(course)
    smooth = smoothed(losses)
    return RangeTest(
        rates=tuple(rates[: len(losses)]),
        losses=tuple(losses),
        smoothed=tuple(smooth),
        suggested=suggested(rates, smooth, _margin(optimizer_used)),
        rate=own if optimizer is not None else None,
        limit=own / felt.place if felt is not None and own and felt.place > 0 else None,
        optimizer=type(optimizer_used).__name__,
    )


def smoothed(losses: list[float]) -> list[float]:
    """Returns the mean of each loss and those before it, each weighted by `FORGETS` to the power of its age."""
    found: list[float] = []
    total = weights = 0.0
    for loss in losses:
        total, weights = FORGETS * total + loss, FORGETS * weights + 1.0
        found.append(total / weights)
    return found


def suggested(rates: list[float], smooth: list[float], margin: float) -> float | None:
    """Returns `margin` times the rate at the least smoothed loss; ``None`` where the loss never fell."""
    finite = [value if math.isfinite(value) else math.inf for value in smooth]
    least = min(range(len(finite)), key=finite.__getitem__)
    if not finite[0] - finite[least] > FELL * abs(finite[0]):
        return None
    return margin * rates[least]


def _train(
    course: Course, rates: list[float], progress: Callable[[int, int], None] | None
) -> tuple[list[float], Optimizer, float | None]:
    """The losses up to where they leave, the optimizer, and the user's largest rate.

    Groups keep the ratio of their rates.
    """
    model, optimizer = course.twins()
    groups = [group for group in optimizer.param_groups if rate_of(group) is not None]
    own = [float(group["lr"]) for group in groups]
    largest = max(own, default=0.0)
    seed_all(course.seed)
    losses: list[float] = []
    for index, rate in enumerate(rates):
        for group, one in zip(groups, own, strict=True):
            set_rate(group, rate * (one / largest if largest > 0 else 1.0))
        losses.append(training_step(course, model, optimizer, course.batch(index)))
        if progress:
            progress(index + 1, len(rates))
        least = min(smoothed(losses))
        if not math.isfinite(losses[-1]) or smoothed(losses)[-1] > least + (LEFT - 1.0) * abs(least):
            break
    return losses, optimizer, largest or None


def _margin(optimizer: Optimizer) -> float:
    if not isinstance(optimizer, SGD):
        return MARGIN_ADAPTIVE
    return MARGIN_MOMENTUM if any(group["momentum"] for group in optimizer.param_groups) else MARGIN
