"""The learning rate of a script, against other ones: short trials of it in place of a diagnosis' arms.

A diagnosis of objects begins anew from the start as often as it likes (`headwater.measure.learning_rate`); a script's
objects are its own. But it can be run again, at another rate from some step on. The curvature is not seen there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean, median

from headwater.records import KNOWS, LOSS_RISES, TINY_UPDATE, RateArm, RateRecord, clearly_falls, under_way
from headwater.script_trial.job import Original

STEPS = 24
"""Steps of an arm, as in a diagnosis."""
OF_PROOF = 4 * STEPS
"""Of the training that must bear out that nothing is learned."""
OF_LEVEL = 3 * STEPS
"""Of the arms of a network that has learned, at most: as in a diagnosis. They are half of the script's at most."""
PARTS = 3
"""An arm is judged by its last third, beside its first."""

Losses = Callable[[Sequence[float]], Sequence[float]]
"""Losses of a trial with a multiple of the rate in each step; it ends with the first that is not finite."""


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
    if rate == 0 or len(original.losses) < STEPS:
        return record
    if not (tiny or _is_stuck(original)):
        return _with_level(record, original.losses, losses)
    start = _arm(0.0, losses([0.0] * STEPS))
    if tiny:
        arms = tuple(_arm(factor, losses([factor] * STEPS), start.level) for factor in (1.0, 10.0))
    else:
        own = _arm(1.0, original.losses[:OF_PROOF], start.level)
        arms = (own, *(_arm(factor, losses([factor] * STEPS), start.level) for factor in (0.1, 0.01)))
    return replace(record, arms=(start, *arms))


def _is_stuck(original: Original) -> bool:
    """Whether the loss left its course, or its last third lies no lower than its first."""
    losses, third = original.losses, len(original.losses) // PARTS
    if not math.isfinite(losses[-1]) or max(losses) > LOSS_RISES * losses[0] > 0:
        return True
    return not clearly_falls(losses[:third], losses[-third:])


def _with_level(record: RateRecord, own: Sequence[float], losses: Losses) -> RateRecord:
    """Adds what a rate that falls over the last steps makes of a network that has learned and now stands still.

    Trials of one script see the same batches in the same steps, so that its own last steps are the constant arm.
    """
    last = min(OF_LEVEL, len(own) // 2)
    before, constant = [1.0] * (len(own) - last), _arm(1.0, own[-last:])
    if last < STEPS or under_way(constant):
        return record
    chance = _arm(0.0, losses([0.0] * STEPS)).level
    if not constant.level < (1 - KNOWS) * chance:
        return record
    falling = losses([*before, *(1.0 - step / last for step in range(last))])
    if len(falling) < len(own) or not math.isfinite(falling[-1]):
        return record
    arms = (_arm(1.0, own[-last:], chance), _arm(1.0, falling[-last:], chance, decaying=True))
    gain = replace(record, arms=arms).gain_of_falling
    if gain is None or not (gain.worth and gain.clear):
        return replace(record, arms=arms)
    still = losses([*before, *[0.0] * last])
    return replace(record, arms=(_arm(0.0, still[-last:], chance), *arms)) if len(still) == len(own) else record


def _arm(factor: float, losses: Sequence[float], level: float | None = None, *, decaying: bool = False) -> RateArm:
    """What an arm has learned is the share of a level that is gone: a script's targets cannot be moved on.

    Args:
        factor: of the rate.
        losses: of each step.
        level: of knowing nothing; ``None``: that of the arm itself.
        decaying: whether its rate falls to zero.
    """
    third = max(1, len(losses) // PARTS)
    early, late = tuple(losses[:third]) if factor else (), tuple(losses[-third:])
    if not math.isfinite(losses[-1]):
        return RateArm(factor, late, tuple(losses[:third]), decaying, len(losses))
    level = fmean(late) if level is None else level
    learned = 1.0 - fmean(late) / level if level > 0 else None
    return RateArm(factor, late, early, decaying, len(losses), learned, level)
