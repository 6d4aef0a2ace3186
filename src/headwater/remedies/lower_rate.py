"""Lower the learning rate, or warm it up.

## What it does

A step follows the gradient as if the loss were straight. Where the loss curves, a step that is too long comes out
higher on the other side; units that were thrown far out are dead or saturated there and stay so. The rate of every
group is divided by about three, ten or a hundred, their ratios kept; or becomes the one that a range test of 100 steps
finds (`range-test`); or it climbs along a line to what it was, over
the first tenth of the steps, for trainings that only begin too steep (Goyal et al. 2017; Gilmer et al. 2021 on why it
helps: the sharpness falls while the steps are small).

## When not

A network with a structural fault learns nothing more slowly: 30 layers of ReLU as PyTorch initialises them stay at a
loss of 2.302 at every rate. Where the loss falls in a straight line, the rate is too small already. A schedule that the
script builds later multiplies with the warm-up; one that sets rates outright (one-cycle) overrules both.

## Safety

Safe: no function of the network changes, only the way to its weights.

## References

- Goyal et al. 2017, "Accurate, large minibatch SGD: training ImageNet in 1 hour", arXiv 1706.02677 (warm-up)
- Gilmer et al. 2021, "A loss curvature perspective on training instability in deep learning", arXiv 2110.04369
- Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge of stability", ICLR
"""

from __future__ import annotations

from functools import partial

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies import scaled_rate, schedules, swept_rate
from headwater.remedies.options import rates
from headwater.remedies.remedy import Remedy, Training

_CODE = "lower-rate"
_tested = partial(swept_rate.apply, remedy=f"{_CODE}:range-test")
_FACTORS = {"tenth": 1 / 10, "third": 1 / 3, "hundredth": 1 / 100}

_BEGIN = 0.01
"""Share of the rate at which the warm-up begins."""
_PART = 10
"""It takes one step in so many; 5 of 90 epochs in Goyal et al. 2017, and short trainings need the larger share."""


def _warm_up(training: Training) -> Change:
    steps = max(1, training.steps // _PART)
    says = f"the learning rate climbs to its height over the first {steps} steps"
    return schedules.attach(
        training, f"{_CODE}:warm-up", says, "LinearLR", start_factor=_BEGIN, end_factor=1.0, total_iters=steps
    )


def _lower(variant: str, factor: float) -> Remedy:
    key = f"{_CODE}:{variant}"
    return Remedy(_CODE, variant, "safe", 1, scaled_rate.refusal, scaled_rate.rate_times(key, factor), __doc__ or "")


def _refusal_of_tested(training: Training) -> str | None:
    rate, highest = swept_rate.found(training), max(rates(training.optimizer), default=0.0)
    if isinstance(rate, str) or highest > rate:
        return rate if isinstance(rate, str) else None
    return f"the rate is {number(highest)}: {swept_rate.SAYS[swept_rate.found]} is {number(rate)}"


_TENTH, *_OTHERS = (_lower(variant, factor) for variant, factor in _FACTORS.items())

REMEDIES = (
    _TENTH,
    Remedy(_CODE, "range-test", "safe", 1, _refusal_of_tested, _tested, __doc__ or ""),
    *_OTHERS,
    Remedy(_CODE, "warm-up", "safe", 2, schedules.refusal, _warm_up, __doc__ or ""),
)
