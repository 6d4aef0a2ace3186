"""HW504 decay-dominated: weight decay inside an adaptive optimizer eats weights whose gradient is gone.

`torch.optim.Adam(weight_decay=d)` adds ``d w`` to the gradient, and then divides the sum by its own size. Where the
gradient is much smaller than ``d w``, what is left is the sign of w, at the full learning rate: each step takes the
same amount from every weight, until nothing is left.

## What it means

Vanishing gradients alone leave the weights as they were. Together with Adam's weight decay they are silently wiped
out. Of a weight's norm there was left after 200 steps at a rate of 1e-3 and a decay of 1e-4 (measured): 0.105 with
gradients of 1e-6, 0.000 with gradients of 1e-9; with AdamW 1.003, with gradient descent 0.998.

## How it is measured

At the last step, over the elements that have a gradient, for optimizers that put the decay through their second moment
(Adam, NAdam, RAdam, Adamax, RMSprop, Adagrad; not AdamW, nor `decoupled_weight_decay=True`, nor SGD):

    |d w| / |g|          and the cosine between the step that the weight took and -w

## Thresholds

| what | value | source |
| --- | --- | --- |
| decay rules | ``|d w| / |g|`` > 10 | the gradient is under a tenth of the sum; 1 is the balance of any decay |
| effect | cosine > 0.5, and at least 1e-4 of the norm lost a step | a sign step along -w has 0.80 (normal) to 0.87 |
| error | more than half of the weights | the network is wiped out |
| warning | at least a quarter of them | a part is |

Silent are elements without a gradient (dead units, untouched rows), lookup tables, and networks that have converged:
their loss is below 5 % of that with shuffled targets, and the decay will come to its balance.

## What to do

1. AdamW: it takes ``lr d w`` from the weight, beside the normalised gradient.
2. Mend what made the gradient small (HW101, or a loss that is divided by a large number).

## What not to do

Do not lower the decay by a factor or two: the normalised step is the same for 1e-4 and 1e-5, as long as it is larger
than the gradient. Do not lower the learning rate: the weights go more slowly, and go.

## References

- Loshchilov, Hutter 2019, "Decoupled weight decay regularization", ICLR, arXiv 1711.05101
- Kingma, Ba 2015, "Adam: a method for stochastic optimization", ICLR, arXiv 1412.6980
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, NumbersRecord
from headwater.records.numbers import number
from headwater.rules.common import median, percent
from headwater.rules.numerics import MOST, PART, converged, judged_weights, place
from headwater.rules.rule import Rule

CODE, NAME = "HW504", "decay-dominated"

RULES = 10.0
"""Decay over gradient: the gradient is then less than a tenth of the step."""
ALONG = 0.5
"""Cosine with -w: a step that only takes the sign of w has ``E|w| / rms w``, 0.80 for normal and 0.87 for even ones."""
EATS = 1e-4
"""Share of the norm lost in a step: ten thousand such steps leave a third."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for weights whose normalised step is weight decay and nothing else."""
    judged = [w for w in judged_weights(measurement) if w.decay_to_gradient is not None]
    eaten = [w for w in judged if _eaten(w)]
    if not measurement.optimizer.given or not judged or len(eaten) < PART * len(judged) or converged(measurement):
        return None
    worst = max(eaten, key=lambda w: w.decay_to_gradient or 0.0)
    ratio, shrink = median(w.decay_to_gradient or 0.0 for w in eaten), median(w.shrink or 0.0 for w in eaten)
    kind = measurement.optimizer.kind
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if len(eaten) > MOST * len(judged) else "warning",
        where=place(measurement, eaten, worst),
        message=f"Weight decay is {number(ratio)} times the gradient in {len(eaten)} of {len(judged)} weights: {kind} "
        f"takes {percent(shrink)} of them in each step.",
        cause=f"{kind} divides gradient and decay together by their size, so that where the gradient is small the "
        "decay of the weight becomes a step of the full learning rate toward zero.",
        evidence={
            "eaten": len(eaten),
            "judged": len(judged),
            "decay over gradient": ratio,
            "cosine with -w": median(w.toward_zero or 0.0 for w in eaten),
            "norm lost a step": shrink,
            "weight decay": measurement.precision.weight_decay,
        },
        remedies=("decoupled-decay",),
    )


def _eaten(weight: NumbersRecord) -> bool:
    return (
        (weight.decay_to_gradient or 0.0) > RULES
        and (weight.toward_zero or 0.0) > ALONG
        and (weight.shrink or 0.0) > EATS
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
