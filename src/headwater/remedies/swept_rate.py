"""The learning rate that a range test finds: what the variants `range-test` of `raise-rate` and `lower-rate` share.

A fresh twin of the training takes 100 steps, whose rate grows from 1e-6 to 10 by a constant factor a step (Smith 2017,
"Cyclical learning rates for training neural networks", arXiv 1506.01186, section 3.3). The losses are smoothed,

    s_i = (1 - b) sum_j b^(i-j) l_j / (1 - b^(i+1))        b = 0.98

and a tenth of the rate at which s is least is taken (fastai 2, `Learner.lr_find`, `minimum`): of the rules that read a
rate off one such curve, it and one other are closest to the best rate, on 9 of the 12 problems of
`python -m benchmarks.learning_rate`. `headwater.range_test` is right on more of them, for seven times the steps.

Where it lies far from the rate that is usual for the class of the optimizer, what lies between them on a scale of
logarithms is a candidate of its own: such a test sees what the loss bears in a few steps, and with Adam, whose step is
as long as its rate from the first one on, a network at first bears more than it does later.

The test is the same for all trials, whatever their seed: the rate that is written is the one that was proved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies.adaptive_optimizer import usual_rate
from headwater.remedies.options import Group, rates, rounded, set_options
from headwater.remedies.remedy import Training

Reading: TypeAlias = Callable[[Training], "float | str"]
"""Reads a rate off a range test, or says why there is none."""
LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
_FORGETS = 0.98
_BELOW = 0.1
"""Share of the rate of the least loss."""
_FELL = 0.02
"""Share of the first loss that must be gone at the least, or no rate taught it anything."""
_DIGITS = 2
_FAR = 10.0
"""Factor between the rate of the test and the usual one from which on it is worth trying what lies between them."""


def found(training: Training) -> float | str:
    """Returns the rate of the test, or why there is none."""
    if not rates(training.optimizer):
        return f"{type(training.optimizer).__name__} has no learning rate"
    if training.rehearse is None:
        return "no batches are at hand on which a range test could train"
    tried = [rounded(LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1)), 6) for step in range(STEPS)]
    smooth = _smoothed(training.rehearse(tried))
    least = min(smooth, default=math.inf)
    if not smooth or not smooth[0] - least > _FELL * abs(smooth[0]):
        return f"in a range test of {STEPS} steps the loss falls at no rate"
    return rounded(_BELOW * tried[smooth.index(least)], _DIGITS)


def between(training: Training) -> float | str:
    """Returns the geometric mean of the rate of the test and the usual one, or why there is none of use."""
    rate, usual = found(training), usual_rate(type(training.optimizer))
    if isinstance(rate, str):
        return rate
    if not 1 / _FAR < rate / usual < _FAR:
        return rounded(math.sqrt(rate * usual), _DIGITS)
    return f"a range test finds {number(rate)}, which is near the usual {number(usual)}"


def apply(training: Training, remedy: str, of: Reading = found) -> Change:
    """Sets the rate of the test, or what follows `of` it; groups keep the ratio of theirs."""
    rate, highest = of(training), max(rates(training.optimizer), default=0.0)
    assert isinstance(rate, float)  # it was not refused
    says = f"a learning rate of {number(rate)}, {SAYS[of]}, in place of {number(highest)}"

    def new(group: Group) -> dict[str, float]:
        return {"lr": rounded(rate * float(group["lr"]) / highest) if highest else rate}

    return set_options(training, remedy, says, new)


SAYS: dict[Reading, str] = {
    found: "what a range test finds",
    between: "half-way from the usual one to what a range test finds",
}


def _smoothed(losses: Sequence[float]) -> list[float]:
    smooth: list[float] = []
    total = 0.0
    for step, loss in enumerate(losses):
        if not math.isfinite(loss):
            break
        total = _FORGETS * total + (1 - _FORGETS) * loss
        smooth.append(total / (1 - _FORGETS ** (step + 1)))
    return smooth
