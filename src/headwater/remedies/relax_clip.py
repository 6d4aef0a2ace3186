"""Raise the clipping limit above the usual norm of the gradient, so that it acts rarely; or raise the rate by as much.

## What it does

Plain gradient descent with a limit c that always acts moves the weights by ``rate * c`` in each step. The limit stands
in your code: raise it to several times the norm that the gradient usually has. Where clipping is meant, the same steps
as without it are had by a rate that is larger by

    1 / clip factor,   clip factor = norm consumed / norm before,   median over the judged steps

and that a program can do (the variant `raise-rate`).

## When not

Where the limit keeps a recurrent network from exploding (HW102 leads then). For Adam and others that divide by the size
of the gradient the factor cancels.

## Safety

The limit itself is display-only: which of your numbers it is cannot be told. The rate is safe: no function of the
network changes.

## References

- Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks", ICML, arXiv 1211.5063
- Zhang, He, Sra, Jadbabaie 2020, "Why gradient clipping accelerates training: a theoretical justification for
  adaptivity", ICLR, arXiv 1905.11881
"""

from __future__ import annotations

from statistics import median

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies import scaled_rate
from headwater.remedies.adaptive_optimizer import adaptive
from headwater.remedies.options import rounded
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.told import told

_CODE = "relax-clip"
_SEVERAL = 4.0
"""Times the usual norm: a limit there leaves the gradients of an ordinary step alone."""


def _advice(training: Training) -> str:
    norms = [clip.norm for clip in training.measurement.precision.clips]
    if not norms:
        return "nothing was seen to clip the gradient"
    usual = median(norms)
    return (
        f"the norm of the gradient is {number(usual)} before clipping: raise the limit in your code, to "
        f"{number(_SEVERAL * usual)} or more"
    )


def _refusal(training: Training) -> str | None:
    if _factor(training) is None:
        return "nothing was seen to clip the gradient"
    if adaptive(training):
        return f"{type(training.optimizer).__name__} divides by the size of the gradient: the clip factor cancels"
    return scaled_rate.refusal(training)


def _factor(training: Training) -> float | None:
    clips = training.measurement.precision.clips
    factors = [clip.consumed / clip.norm for clip in clips if clip.norm > 0 and clip.consumed > 0]
    return median(factors) if factors else None


def _apply(training: Training) -> Change:
    return scaled_rate.rate_times(f"{_CODE}:raise-rate", rounded(1 / (_factor(training) or 1.0)))(training)


REMEDIES = (
    Remedy(_CODE, "raise-rate", "safe", 1, _refusal, _apply, __doc__ or ""),
    told(_CODE, _advice, __doc__ or ""),
)
