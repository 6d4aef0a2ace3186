"""Round the updated weights at random, so that they are right on average.

## What it does

The step is computed in float32. The weight then becomes the number of its format below or above, at random, the nearer
one with the larger chance: ``E[w] = wide``. No step is lost on average, and nothing is kept besides the weights. From 1
with gradient w and a rate of 1e-3, 2000 steps should end at 0.1353: bfloat16 stays at 1.0; so rounded it reaches
0.1350.

## When not

Where the weights are float32. The noise of rounding, a spacing of the numbers at a time, adds to that of the batches.

## Safety

Safe: no function of the network changes, only how its weights are rounded. Its random numbers come from a
generator of its own, seeded as the global one, so that loaders and dropout draw what they drew before.

## References

- Gupta, Agrawal, Gopalakrishnan, Narayanan 2015, "Deep learning with limited numerical precision", ICML, arXiv
  1502.02551
- Zamirai, Zhang, Aberger, De Sa 2020, "Revisiting BFloat16 training", arXiv 2010.06192
"""

from __future__ import annotations

from headwater.records import Change
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.wide_step import StochasticStep, refusal_of_narrow, widen

_CODE = "stochastic-rounding"


def _apply(training: Training) -> Change:
    return widen(training, _CODE, "the updated weights are rounded at random, right on average", StochasticStep)


REMEDIES = (Remedy(_CODE, "", "safe", 3, refusal_of_narrow, _apply, __doc__ or ""),)
