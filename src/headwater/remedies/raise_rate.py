"""Raise the learning rate, as long as the loss falls faster.

## What it does

At a rate far below what the loss bears, each step does exactly what its gradient promises, and that is next to nothing:
thousands of steps are spent where hundreds would do. The rate of every group is multiplied by about three, by ten, a
hundred or a thousand, their ratios kept; or becomes the one that is usual to begin with for the class of the optimizer
(the variant `usual`: 0.01 for gradient descent, 0.001 for Adam), also where it is 0; or the one that a range test
of 100 steps finds (`range-test`), or where that is far from the usual one what lies between them (`between`).

## When not

Where the gradient vanishes on its way to the first layers: the last layers diverge before the first ones move. A
fine-tuned network that does its task already needs small rates.

## Safety

Safe: no function of the network changes, only the way to its weights.

## References

- Smith 2017, "Cyclical learning rates for training neural networks", WACV, arXiv 1506.01186
- Bengio 2012, "Practical recommendations for gradient-based training of deep architectures", arXiv 1206.5533
  (the best rate is within a factor of two of the largest that does not diverge)
"""

from __future__ import annotations

from functools import partial

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies import scaled_rate, swept_rate
from headwater.remedies.adaptive_optimizer import usual_rate
from headwater.remedies.options import Group, rates, rounded, set_options
from headwater.remedies.remedy import Remedy, Training

_CODE = "raise-rate"
_tested = partial(swept_rate.apply, remedy=f"{_CODE}:range-test")
_between = partial(swept_rate.apply, remedy=f"{_CODE}:between", of=swept_rate.between)
_FACTORS = {"tenfold": 10.0, "threefold": 3.0, "hundredfold": 100.0, "thousandfold": 1000.0}


def _raise(variant: str, factor: float) -> Remedy:
    apply = scaled_rate.rate_times(f"{_CODE}:{variant}", factor)
    return Remedy(_CODE, variant, "safe", 1, scaled_rate.refusal, apply, __doc__ or "")


def _refusal_of_usual(training: Training) -> str | None:
    highest, usual = max(rates(training.optimizer), default=None), usual_rate(type(training.optimizer))
    if highest is None:
        return scaled_rate.refusal(training)
    return f"the rate is {number(highest)}: {number(usual)} is usual" if highest >= usual else None


def _usual(training: Training) -> Change:
    usual, highest = usual_rate(type(training.optimizer)), max(rates(training.optimizer))
    says = f"a learning rate of {number(usual)}, which is usual, in place of {number(highest)}"

    def new(group: Group) -> dict[str, float]:
        return {"lr": rounded(usual * float(group["lr"]) / highest) if highest else usual}

    return set_options(training, f"{_CODE}:usual", says, new)


def _refusal_of_swept(training: Training, of: swept_rate.Reading) -> str | None:
    rate, highest = of(training), max(rates(training.optimizer), default=0.0)
    if isinstance(rate, str):
        return rate
    return f"the rate is {number(highest)}: {swept_rate.SAYS[of]} is {number(rate)}" if highest >= rate else None


_refusal_of_tested = partial(_refusal_of_swept, of=swept_rate.found)
_refusal_of_between = partial(_refusal_of_swept, of=swept_rate.between)
_TENFOLD, *_OTHERS = (_raise(variant, factor) for variant, factor in _FACTORS.items())

REMEDIES = (
    _TENFOLD,
    Remedy(_CODE, "range-test", "safe", 1, _refusal_of_tested, _tested, __doc__ or ""),
    Remedy(_CODE, "between", "safe", 1, _refusal_of_between, _between, __doc__ or ""),
    Remedy(_CODE, "usual", "safe", 1, _refusal_of_usual, _usual, __doc__ or ""),
    *_OTHERS,
)
