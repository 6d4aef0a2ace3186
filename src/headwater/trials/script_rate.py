"""The learning rate of a script, against other ones: short trials of it in place of a diagnosis' arms.

A diagnosis of objects begins anew from the start as often as it likes (`headwater.measure.learning_rate`); a script's
objects are its own. But it can be run again. What is not seen there stays open: the curvature, and a falling rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean, median

from headwater.records import LOSS_RISES, TINY_UPDATE, RateArm, RateRecord, clearly_falls
from headwater.script_trial.job import Original

STEPS = 24
"""Steps of an arm, as in a diagnosis."""
OF_PROOF = 4 * STEPS
"""Of the training that must bear out that nothing is learned."""
PARTS = 3
"""An arm is judged by its last third, beside its first."""

Losses = Callable[[float, int], Sequence[float]]
"""Losses of a trial at a multiple of the rate, over so many steps; it ends with the first that is not finite."""


def look_at_rate(original: Original, losses: Losses) -> RateRecord:
    """Returns the rate, with arms where something looks odd.

    Args:
        original: the script as it is.
        losses: runs an arm.
    """
    rate = max(original.measurement.optimizer.rates, default=0.0)
    updates = [each.update_ratio for each in original.measurement.layers if each.update_ratio is not None]
    record = RateRecord(rate, update=median(updates) if updates else None)
    tiny = record.update is not None and record.update < TINY_UPDATE
    if rate == 0 or len(original.losses) < STEPS or not (tiny or _is_stuck(original)):
        return record
    start = _arm(0.0, losses(0.0, STEPS))
    if tiny:
        arms = tuple(_arm(factor, losses(factor, STEPS), start) for factor in (1.0, 10.0))
    else:
        own = _arm(1.0, original.losses[:OF_PROOF], start)
        arms = (own, *(_arm(factor, losses(factor, STEPS), start) for factor in (0.1, 0.01)))
    return replace(record, arms=(start, *arms))


def _is_stuck(original: Original) -> bool:
    """Whether the loss left its course, or its last third lies no lower than its first."""
    losses, third = original.losses, len(original.losses) // PARTS
    if not math.isfinite(losses[-1]) or max(losses) > LOSS_RISES * losses[0] > 0:
        return True
    return not clearly_falls(losses[:third], losses[-third:])


def _arm(factor: float, losses: Sequence[float], start: RateArm | None = None) -> RateArm:
    """What an arm has learned is the share of the start's loss that is gone: a script's targets cannot be moved on."""
    third = max(1, len(losses) // PARTS)
    early, late = tuple(losses[:third]), tuple(losses[-third:])
    if not math.isfinite(losses[-1]):
        return RateArm(factor, late, early, steps=len(losses))
    level = fmean(late if start is None else start.losses)
    learned = 1.0 - fmean(late) / level if level > 0 else None
    return RateArm(factor, late, early if start else (), steps=len(losses), learned=learned, other=level)
