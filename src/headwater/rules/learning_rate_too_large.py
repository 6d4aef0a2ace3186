"""HW402 learning-rate-too-large: at this rate the network learns nothing, or far less than at a smaller one.

A step follows the gradient as if the loss were straight. Where the loss curves, a step that is too long comes out
higher on the other side. A network whose rate is too large blows up at once, or is thrown to a place where it gives
every sample the same answer (dead units, saturated units), and stays there.

## What it means

The gradient can be perfectly healthy: the fault is the length of the step. An early jump of the loss is no proof. A
network often falls back from it to a flatter place and learns (the "catapult" of Lewkowycz et al. 2020), and a
training whose sharpness hovers about the threshold while the loss falls is at the "edge of stability", which is where
good trainings are (Cohen et al. 2021). Neither is reported.

A structural fault looks alike from outside: a 30-layer ReLU network with PyTorch's default initialisation stays at
2.302 at every rate. What tells them apart is a counterfactual.

## How it is measured

Only where the probation looks odd (a batch's loss did not fall, or blew up; rho is small; each step changes a
twentieth of the weights), short trainings are run from the user's own weights on the same batches with the same random
numbers: at the rate, a tenth and, if that is lost as well, a hundredth of it. If the user's
rate is no better than chance and a smaller one is, or has come twice as far, the user's gets four times as long. Where
the user's rate ends in infinity, it is enough that a smaller one learns.

    chance    = least loss of any of them with the targets moved on by one sample, or with one mean answer to every
                sample where that is less
    learned   = 1 - loss / loss with the targets moved on, of one and the same network
    rho       = (L(w) - L(w + dw)) / -<g, dw>                      on one batch, in the last step
    place     = lambda_max(P^-1 H) / threshold                     at the start

The threshold is 2 / rate for gradient descent, (2 + 2 b) / rate with momentum, 38 / rate for Adam as it comes.

*Effect*: after the longer training the loss at the user's rate is no lower than chance, and either nothing was learned
or the loss does not fall; a smaller rate came below chance in a quarter of the time. *Cause*: place above one, or rho
small, or a loss that blew up. An error needs both; the effect alone is a warning. So is a cause with the lesser effect
that the rate does teach the network, and a tenth of it brought it further in a quarter of the steps.

## Thresholds

| what | value | source |
| --- | --- | --- |
| below chance | 10 % | networks that got stuck ended within 4 % of chance |
| further | 10 % of chance | healthy networks on large or curved steps: their own rate is ahead, or behind by 7 % |
| learned | 0.1 | the same; those that come back from a jump stand above 0.2 |
| falls | 2 standard errors | between the first and the last third of the longer training |
| rho | 0.7 | gradient descent on digits: 0.90 at a rate of 1, 0.68 at 3, where it diverges |
| place | 1 | Cohen et al. 2021 and 2022 |

## What to do

Divide the rate by ten; the range test (`headwater check TARGET --range-test FILE.png`) shows where the loss still
falls. If only the beginning is too steep, warm the rate up over the first hundred steps.

## What not to do

Do not read the sharpness alone: at the edge of stability it stands at the threshold by itself. Do not clip the gradient
first: it bounds the step and hides a rate that stays too large. And do not lower the rate of a network with a
structural fault: it will learn nothing more slowly.

## References

- Cohen, Kaur, Li, Kolter, Talwalkar 2021, "Gradient descent on neural networks typically occurs at the edge of
  stability", ICLR, arXiv 2103.00065
- Cohen et al. 2022, "Adaptive gradient methods at the edge of stability", arXiv 2207.14484
- Lewkowycz, Bahri, Dyer, Sohl-Dickstein, Gur-Ari 2020, "The large learning rate phase of deep learning: the catapult
  mechanism", arXiv 2003.02218
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from headwater.records import CURVED, KNOWS, Finding, Measurement, RateArm, RateRecord, StepRecord, Where, clearly_falls
from headwater.records.numbers import factor, number
from headwater.rules.common import blows_up, is_finite, loss_at, percent
from headwater.rules.rule import Rule

CODE, NAME = "HW402", "learning-rate-too-large"

TIMES_THE_STEPS = 2
"""How many times the steps of the smaller rate the user's must have had."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for a rate that learns nothing, or little, where a smaller one learns."""
    record = measurement.rate
    own = record.arm(1.0) if record else None
    if record is None or own is None:
        return None
    better = [arm for arm in record.arms if 0 < arm.factor < 1 and record.teaches(arm, own)]
    if not better or (own.learned is not None and own.steps < TIMES_THE_STEPS * better[0].steps):
        return None
    smaller, causes = better[0], _causes(measurement, record)
    lost = _knows_nothing(record, own)
    behind = record.below_chance(smaller) - record.below_chance(own)
    if not lost and not (causes and behind > KNOWS):
        return None
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if lost and causes else "warning",
        where=Where(),
        message=f"At the rate {number(record.rate)} the loss is {_seen(record, own, lost)}; at "
        f"{number(smaller.factor * record.rate)} it is {number(smaller.level)} after {smaller.steps}.",
        cause=f"The step is longer than the loss bears: {'; '.join(causes)}."
        if causes
        else "Nothing but the rate differs between the two, although the loss is hardly curved where they start.",
        evidence=_evidence(record, own, smaller),
        remedies=("lower-rate",),
    )


def _knows_nothing(record: RateRecord, arm: RateArm) -> bool:
    """Whether the loss is no lower than chance, and neither hides an answer that depends on the sample nor falls."""
    if arm.learned is None:
        return True
    if record.below_chance(arm) >= KNOWS:
        return False
    return arm.learned < KNOWS or not clearly_falls(arm.early, arm.losses)


def _seen(record: RateRecord, own: RateArm, lost: bool) -> str:
    if not math.isfinite(own.level):
        return f"no longer finite after {own.steps} steps"
    seen = f"no better than knowing nothing ({number(record.chance)})" if lost else "and it falls slowly"
    return f"{number(own.level)} after {own.steps} steps, {seen}"


def _causes(measurement: Measurement, record: RateRecord) -> tuple[str, ...]:
    found: list[str] = []
    if record.place is not None and record.place > 1:
        found.append(f"its sharpness is {factor(record.place)} times what the optimizer bears at this rate")
    blown = blows_up(measurement.steps)
    if blown is not None:
        found.append(_peak(measurement.steps) if is_finite(blown) else loss_at(blown))
    if record.rho is not None and record.rho < CURVED:
        promised = f"lowers the loss by {percent(record.rho)} of what its gradient promises"
        found.append("a step " + ("raises the loss" if record.rho < 0 else promised))
    return tuple(found)


def _peak(steps: Sequence[StepRecord]) -> str:
    """A loss that jumped may have come back since: its height is said to be a peak."""
    highest = max(step.loss for step in steps if is_finite(step))
    return f"within the first {len(steps)} steps the loss peaks at {number(highest)}, from {number(steps[0].loss)}"


def _evidence(record: RateRecord, own: RateArm, smaller: RateArm) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {
        "rate": record.rate,
        "loss": own.level,
        "loss of knowing nothing": record.chance,
        "smaller rate": smaller.factor * record.rate,
        "loss there": smaller.level,
    }
    numbers = {"rho": record.rho, "sharpness": record.sharpness, "threshold": record.threshold, "place": record.place}
    return found | {name: value for name, value in numbers.items() if value is not None}


RULE = Rule(CODE, NAME, check, __doc__ or "")
