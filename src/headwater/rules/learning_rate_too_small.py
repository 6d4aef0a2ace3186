"""HW401 learning-rate-too-small: the loss falls in a straight line and hardly at all; ten times the rate is as safe.

The step is the rate times the gradient. At a rate far below what the loss bears, each step does exactly what its
gradient promises, and that is next to nothing.

## What it means

Thousands of steps are spent where hundreds would do. Nothing is broken, so nothing complains: the loss falls, smoothly,
too little to be seen. A gradient that vanishes on its way to the first layers also gives tiny updates; there the remedy
is another, and that finding stands above this one.

## How it is measured

Only where the median layer changes by less than 1e-4 of its weights in a step, two short trainings are run from the
user's own weights on the same batches: at the rate and at ten times the rate. All of this must hold:

    rho = (L(w) - L(w + dw)) / -<g, dw>  in [0.99, 1.01]     the loss is straight along the step
    pace = share of the loss that the user's rate takes away in 100 steps, below 2 %
    the loss at ten times the rate is finite and falls at least three times as fast, on every batch compared
    the network has not learned its task yet

A pace below 0.2 % in 100 steps is an error: the network does not learn in any time that one would wait. Else a warning.

A rate of 0 is an error of its own.

Silent where a schedule of torch is attached to the optimizer and has lowered the rate, or has yet to raise it: what is
small now is small on purpose.

## Thresholds

| what | value | source |
| --- | --- | --- |
| update | 1e-4 | a tenth of the usual 1e-3 (Karpathy, CS231n, "somewhere around 1e-3") |
| rho | 0.99 to 1.01 | gradient descent on digits: 0.90 at a rate of 1, 0.99 and more at 0.01 |
| pace | 2 % in 100 steps; 0.2 % | chosen: 5,000 steps then take off two thirds of the loss, or a tenth |
| faster | 3 times | a loss that is straight falls ten times as fast; a third of it leaves room for noise |
| learned | 0.5 | beyond that a small rate is what one wants at the end of a training |

## What to do

Multiply the rate by ten, and again, until the loss no longer falls faster. The range test (`headwater check TARGET
--range-test FILE.png`) does so in one run and suggests a rate.

## What not to do

Do not train longer, and do not make the network larger. Do not raise the rate of a network whose gradient vanishes:
its last layers diverge before its first ones move. Fine-tuning a network that already does its task needs small rates.

## References

- Karpathy, "CS231n: Convolutional neural networks for visual recognition", course notes, Stanford
- Smith 2017, "Cyclical learning rates for training neural networks", WACV, arXiv 1506.01186
"""

from __future__ import annotations

import math
from statistics import fmean

from headwater.records import TINY_UPDATE, Finding, Measurement, RateArm, RateRecord, Severity, Where
from headwater.records.numbers import number
from headwater.rules.common import blows_up, percent
from headwater.rules.rule import Rule
from headwater.rules.thresholds import ROUNDED

CODE, NAME = "HW401", "learning-rate-too-small"

STRAIGHT = (0.99, 1.01)
"""rho where the loss does not curve along the step."""
SLOW, HALTED = 0.02, 0.002
"""Share of the loss taken away in 100 steps."""
FASTER = 3.0
"""How much faster the loss must fall at ten times the rate."""
CLEARLY = 10.0
"""Times the rounding of a number above which its change is taken as it is: a loss in float32 is off by 0.6 times it in
the median and by 2.3 times at most (40 networks, against float64), and several batches are averaged."""
DONE = 0.5
"""Share of the loss that a network which does its task owes to what it learned."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for a loss that falls slowly in a straight line, and ten times as fast at ten times the rate."""
    record = measurement.rate
    if record is None or record.scheduled is not None or blows_up(measurement.steps) is not None:
        return None
    if record.rate == 0:
        return _standing()
    if record.update is None or record.update >= TINY_UPDATE:
        return None
    if record.rho is not None and not STRAIGHT[0] <= record.rho <= STRAIGHT[1]:
        return None
    start, own, faster = record.arm(0.0), record.arm(1.0), record.arm(10.0)
    if start is None or own is None or faster is None or (start.learned or 0.0) > DONE:
        return None
    slow, fast = pace(start, own), pace(start, faster)
    if not slow < SLOW or not fast > FASTER * max(slow, 0.0) or not _everywhere_below(faster, own):
        return None
    return _finding(record, slow, fast)


def _standing() -> Finding:
    return Finding(
        code=CODE,
        name=NAME,
        severity="error",
        where=Where(),
        message="The learning rate is 0, and no schedule is there to raise it: no step changes a weight.",
        cause="Every parameter group of the optimizer has the rate 0.",
        evidence={"rate": 0.0},
        remedies=("raise-rate",),
    )


def pace(start: RateArm, arm: RateArm) -> float:
    """Share of the loss that an arm takes away in 100 steps, by the middle of the steps that it is judged by."""
    level, judged = fmean(start.losses), len(arm.losses)
    share = (level - fmean(arm.losses)) / abs(level) if level else math.nan
    return 100.0 * share / (arm.steps - 0.5 * judged)


def _everywhere_below(lower: RateArm, upper: RateArm) -> bool:
    return all(low < high for low, high in zip(lower.losses, upper.losses, strict=True))


def _above_rounding(record: RateRecord, slow: float) -> bool:
    """Whether the weights, and with them the loss, took on what the steps asked for, not what was left by rounding."""
    own = record.arm(1.0)
    fell = slow * own.steps / 100 if own is not None else 0.0
    return fell > CLEARLY * ROUNDED and (record.update or 0.0) > CLEARLY * ROUNDED


def _finding(record: RateRecord, slow: float, fast: float) -> Finding:
    severity: Severity = "error" if slow < HALTED else "warning"
    steadily = ", as steadily" if _above_rounding(record, slow) else ""
    evidence: dict[str, float | int | str] = {"rate": record.rate, "update": record.update or 0.0, "pace": slow}
    evidence["pace at ten times the rate"] = fast
    numbers = {"rho": record.rho, "sharpness": record.sharpness, "threshold": record.threshold, "place": record.place}
    return Finding(
        code=CODE,
        name=NAME,
        severity=severity,
        where=Where(),
        message=f"At the rate {number(record.rate)} the loss falls by {percent(max(slow, 0.0))} in 100 steps; at "
        f"{number(10 * record.rate)} by {percent(fast)}{steadily}.",
        cause=f"A step changes the weights of the median layer by {number(record.update)} of their size, and the loss "
        "is straight that far: it would bear a longer step.",
        evidence=evidence | {name: value for name, value in numbers.items() if value is not None},
        remedies=("raise-rate",),
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
