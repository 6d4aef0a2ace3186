"""HW505 always-clipped: every step's gradient is clipped to a small part of itself, and so is the step.

Clipping is meant for the rare gradient that is far too large. A limit far below every gradient is something else: the
direction stays, the length is always the same, and the real learning rate is one that nobody wrote down.

## What it means

Plain gradient descent with a limit c that always acts moves the weights by ``lr c`` in each step (normalised gradient
descent), however large the gradient is. That can be meant, with a rate chosen for it; recurrent language models have
been trained so. Where it is not meant, the training is as slow as with a rate that is smaller by the clip factor, and
it does not settle, since the step does not shrink with the gradient.

For Adam and other optimizers that divide by the gradient's size, a constant factor cancels: the finding is then only
information (and where the clipped gradient falls below epsilon, HW503 tells).

## How it is measured

The norm of the gradient over all parameters as the backward pass left it, and as the optimizer consumed it: behind its
hooks before the step, and behind what a subclass does before it calls ``super().step()``. Calls of
`torch.nn.utils.clip_grad_norm_` and `clip_grad_value_` within the step are watched besides. What a training loop clips
itself, between ``backward()`` and ``step()``, is not known to a diagnosis, nor are hooks on single parameters.

    clip factor = norm consumed / norm before

## Thresholds

| what | value | source |
| --- | --- | --- |
| always clipped | factor < 0.1 in every judged step | a limit that acts now and then, or mildly, is doing its work |
| warning | not adaptive, and the median relative update is below 3e-4 | slow beside the usual 1e-3 of a healthy step |
| information | otherwise | the step is of healthy size, or does not depend on the factor |

Clipping alone is never called an error: a small step is a slow one.

## What to do

Raise the limit to a multiple of the usual norm of the gradient (the evidence shows it), so that it acts rarely; or
leave it where it is, and raise the learning rate by the clip factor, knowingly. For Adam the limit does not matter.

## What not to do

Do not clip to cure a vanishing gradient: it makes it smaller. Do not remove the limit from a recurrent network without
watching the norm: it may be what keeps it from exploding (HW102 then leads).

## References

- Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks", ICML, arXiv 1211.5063
- Zhang, He, Sra, Jadbabaie 2020, "Why gradient clipping accelerates training: a theoretical justification for
  adaptivity", ICLR, arXiv 1905.11881
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, Where
from headwater.records.numbers import number
from headwater.rules.common import median
from headwater.rules.rule import Rule

CODE, NAME = "HW505", "always-clipped"

FACTOR = 0.1
"""Clip factor below which a step is nearly all limit."""
SLOW = 3e-4
"""Median relative update below which the steps are short: under a third of the usual 1e-3 (Karpathy, CS231n)."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for gradients that are cut to less than a tenth in every judged step."""
    precision = measurement.precision
    factors = [clip.consumed / clip.norm for clip in precision.clips if clip.norm > 0]
    if not factors or len(factors) < len(measurement.judged_steps) or max(factors) >= FACTOR:
        return None
    factor, norm = median(factors), median(clip.norm for clip in precision.clips)
    moved = median(
        [p.update_ratio for p in measurement.parameters if p.update_ratio is not None and len(p.shape) > 1] or [1.0]
    )
    slow = not precision.adaptive and moved < SLOW
    rate = max(measurement.optimizer.rates, default=0.0)
    return Finding(
        code=CODE,
        name=NAME,
        severity="warning" if slow else "info",
        where=Where(),
        message=f"The gradient is clipped in every step, to {number(factor)} of itself"
        + (f": the rate of {number(rate)} is really one of {number(rate * factor)}." if slow else "."),
        cause=f"Its norm is {number(norm)} before clipping and {number(factor * norm)} after. " + _effect(slow, moved),
        evidence={"clip factor": factor, "norm before": norm, "norm after": factor * norm, "update": moved},
        remedies=("relax-clip", "adaptive-optimizer"),
    )


def _effect(slow: bool, moved: float) -> str:
    if slow:
        return f"As a result the weights move by {number(moved)} of themselves a step."
    return "The steps are of usual size none the less: the factor cancels, or the rate was chosen for it."


RULE = Rule(CODE, NAME, check, __doc__ or "")
