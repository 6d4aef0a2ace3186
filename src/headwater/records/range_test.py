"""What a learning-rate range test found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RateTrial:
    """A short training at one rate.

    Attributes:
        rate: of all its steps.
        loss: mean of the last third of them; infinite when it was lost.
    """

    rate: float
    loss: float


@dataclass(frozen=True)
class RangeTest:
    """A short training whose rate grows from step to step, and short trainings at single rates below its least loss.

    Attributes:
        rates: the rate of each step.
        losses: the loss on each step's batch, before the step; the last one may be the one that diverged.
        smoothed: the same without most of the noise of the batches.
        suggested: the rate to train at; ``None`` where the loss never fell.
        trials: the trainings at single rates, by rate; none where the loss never fell.
        rate: the user's own, when an optimizer was given.
        limit: rate from which the loss at the start is too sharp for the optimizer; ``None`` where that is not known.
        optimizer: class name of the optimizer.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggested: float | None
    trials: tuple[RateTrial, ...] = ()
    rate: float | None = None
    limit: float | None = None
    optimizer: str = "SGD"
