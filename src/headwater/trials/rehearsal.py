"""A fresh twin of a training, run at rates that a remedy chooses before the training begins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from headwater.measure import Course, set_rate, tiny_numbers_as_zero, training_step, untouched
from headwater.measure.optimizers import rate_of
from headwater.trials.building import Recipe, built

SEED = 0
"""Of every rehearsal, so that all trials of a candidate are told the same."""


def rehearsed(recipe: Recipe, remedies: Sequence[str], rates: Sequence[float], batches: Iterator[Any]) -> list[float]:
    """Returns the loss before each step, up to the first that is not finite.

    Args:
        recipe: of the training.
        remedies: that were applied so far.
        rates: of each step, for the group with the highest one; groups keep the ratio of their rates.
        batches: to train on.
    """
    losses: list[float] = []
    with untouched(nn.Identity(), SEED), tiny_numbers_as_zero():
        made = built(recipe, remedies, seed=SEED, steps=len(rates))
        model, optimizer = made.training.model, made.training.optimizer
        own = [rate_of(group) or 0.0 for group in optimizer.param_groups]
        highest = max(own)
        course = Course(lambda: (model, optimizer), made.objective, (), len(rates))
        for rate in rates:
            for group, one in zip(optimizer.param_groups, own, strict=True):
                set_rate(group, rate * (one / highest if highest else 1.0))
            losses.append(training_step(course, model, optimizer, next(batches)))
            if not math.isfinite(losses[-1]):
                break
    return losses
