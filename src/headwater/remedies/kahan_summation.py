"""Use compensated (Kahan) summation in the optimizer, which keeps what rounding takes.

## What it does

The step is computed in a wider format than that of the weight. What rounding back takes is kept in a second number of
the weight's own format, and added before the next step: together they hold twice as many digits. From 1 with gradient
w and a rate of 1e-3, 2000 steps should end at 0.1353: bfloat16 stays at 1.0, with compensation it reaches 0.1348. For
float32 weights whose steps are below their spacing (6e-8 of the weight) it does the same.

## When not

Where steps are not lost: it costs memory of the size of the weights, and time.

## Safety

Safe: no function of the network changes, only how its weights are rounded.

## References

- Kahan 1965, "Further remarks on reducing truncation errors", Communications of the ACM 8
- Zamirai, Zhang, Aberger, De Sa 2020, "Revisiting BFloat16 training", arXiv 2010.06192
"""

from __future__ import annotations

from headwater.records import Change
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.wide_step import KahanStep, refusal, widen

_CODE = "kahan-summation"


def _apply(training: Training) -> Change:
    return widen(training, _CODE, "the optimizer keeps what rounding takes from each step", KahanStep)


REMEDIES = (Remedy(_CODE, "", "safe", 3, refusal, _apply, __doc__ or ""),)
