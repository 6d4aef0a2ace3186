"""Raise the learning rate, as long as the loss falls faster.

## What it does

At a rate far below what the loss bears, each step does exactly what its gradient promises, and that is next to nothing:
thousands of steps are spent where hundreds would do. The rate of every group is multiplied by about three, by ten, a
hundred or a thousand, their ratios kept. A rate of 0 becomes the one that is usual for the class of the optimizer, or a
multiple of a tenth of it.

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

from collections.abc import Callable

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies import scaled_rate
from headwater.remedies.adaptive_optimizer import usual_rate
from headwater.remedies.options import rates, rounded, set_options
from headwater.remedies.remedy import Remedy, Training

_CODE = "raise-rate"
_FACTORS = {"tenfold": 10.0, "threefold": 3.0, "hundredfold": 100.0, "thousandfold": 1000.0}


def _raise(variant: str, factor: float) -> Remedy:
    key = f"{_CODE}:{variant}"
    return Remedy(_CODE, variant, "safe", 1, scaled_rate.refusal, _apply(key, factor), __doc__ or "")


def _apply(key: str, factor: float) -> Callable[[Training], Change]:
    multiply = scaled_rate.rate_times(key, factor)

    def apply(training: Training) -> Change:
        if any(rates(training.optimizer)):
            return multiply(training)
        rate = rounded(factor / 10 * usual_rate(type(training.optimizer)))
        return set_options(
            training, key, f"a learning rate of {number(rate)} in place of 0", lambda group: {"lr": rate}
        )

    return apply


REMEDIES = tuple(_raise(variant, factor) for variant, factor in _FACTORS.items())
