"""Keep float32 copies of the weights, and let the optimizer step on those.

## What it does

A weight in bfloat16 has eight significant bits: a step of a thousandth of it is rounded away. The model computes with
the weights that it has; the optimizer takes its step on float32 copies of them, which take it on, and the model's
weights are those copies rounded. What the optimizer accumulates is float32 too. The copies are held as what rounding
took from each weight, so that weights that are loaded later are not overwritten.

## When not

Where the weights are float32 already. It takes as much memory as float32 weights besides; `kahan-summation` takes half
of that, `stochastic-rounding` none, and `autocast` keeps float32 weights only. An optimizer that runs the model inside
its step (LBFGS) cannot be changed so; other closures are run ahead of the step.

## Safety

Safe: no function of the network changes, only how its weights are rounded.

## References

- Micikevicius et al. 2018, "Mixed precision training", ICLR, arXiv 1710.03740, section 3.1
"""

from __future__ import annotations

from headwater.records import Change
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.wide_step import WideStep, refusal_of_narrow, widen

_CODE = "master-weights"


def _apply(training: Training) -> Change:
    return widen(training, _CODE, "the optimizer steps on float32 copies of the weights", WideStep)


REMEDIES = (Remedy(_CODE, "", "safe", 3, refusal_of_narrow, _apply, __doc__ or ""),)
