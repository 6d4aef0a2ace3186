"""HW504 decay-dominated: weight decay takes the weights, faster than their gradient gives anything back.

`torch.optim.Adam(weight_decay=d)` adds ``d w`` to the gradient, and then divides the sum by its own size. Where the
gradient is much smaller than ``d w``, what is left is the sign of w, at the full learning rate: each step takes the
same amount from every weight, until nothing is left. Everywhere else (gradient descent, `torch.optim.AdamW`) the decay
takes the share ``lr d`` of the weight in each step, whatever the gradient: above a hundredth, a weight remembers less
than a hundred steps, and where the gradient does not hold against it nothing is left either.

## What it means

Vanishing gradients alone leave the weights as they were. Together with Adam's weight decay they are silently wiped
out. Of a weight's norm there was left after 200 steps at a rate of 1e-3 and a decay of 1e-4 (measured): 0.105 with
gradients of 1e-6, 0.000 with gradients of 1e-9; with AdamW 1.003, with gradient descent 0.998.

## How it is measured

At the last step, the cosine between the step that the weight took and -w, and the share of its norm that is gone. For
optimizers that put the decay through their second moment (Adam, NAdam, RAdam, Adamax, RMSprop, Adagrad; not AdamW, nor
`decoupled_weight_decay=True`, nor SGD) also, over the elements that have a gradient,

    |d w| / |g|

## Thresholds

| what | value | source |
| --- | --- | --- |
| decay rules | ``|d w| / |g|`` > 10 | the gradient is under a tenth of the sum; 1 is the balance of any decay |
| effect there | cosine > 0.5, and at least 1e-4 of the norm lost a step | a sign step along -w has 0.80 to 0.87 |
| effect elsewhere | cosine > 0.5, and at least 1 % of the norm lost a step | forgets after 100 steps (Wang 2024) |
| error | more than half of the weights | the network is wiped out |
| warning | at least a quarter of them | a part is |

Silent are elements without a gradient (dead units, untouched rows), lookup tables, and networks that have converged:
their loss is below 5 % of that with shuffled targets, and the decay will come to its balance.

## What to do

1. Adam with decay: AdamW, which takes ``lr d w`` from the weight, beside the normalised gradient. Elsewhere: a decay
   whose product with the rate is far below one over the number of steps (1e-4 a step, 1e-3 at most).
2. Mend what made the gradient small (HW101, or a loss that is divided by a large number).

## What not to do

Do not lower the decay by a factor or two: the normalised step is the same for 1e-4 and 1e-5, as long as it is larger
than the gradient. Do not lower the learning rate: the weights go more slowly, and go.

## References

- Loshchilov, Hutter 2019, "Decoupled weight decay regularization", ICLR, arXiv 1711.05101
- Wang, Aitchison 2024, "How to set AdamW's weight decay as you scale model and dataset size", arXiv 2405.13698
- Kingma, Ba 2015, "Adam: a method for stochastic optimization", ICLR, arXiv 1412.6980
"""

from __future__ import annotations

from collections.abc import Sequence

from headwater.records import Finding, Measurement, NumbersRecord
from headwater.records.numbers import number
from headwater.rules.common import median, percent
from headwater.rules.numerics import MOST_WEIGHTS, PART, converged, judged_weights, place
from headwater.rules.rule import Rule

CODE, NAME = "HW504", "decay-dominated"

RULES = 10.0
"""Decay over gradient: the gradient is then less than a tenth of the step."""
ALONG = 0.5
"""Cosine with -w: a step that only takes the sign of w has ``E|w| / rms w``, 0.80 for normal and 0.87 for even ones."""
EATS = 1e-4
"""Share of the norm lost in a step whose size does not depend on the gradient: ten thousand of them leave a third."""
TAKES = 0.01
"""The same where decay takes its own share: what the weight learned is gone after a hundred steps."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for weights whose step is weight decay and nothing else."""
    judged = [w for w in judged_weights(measurement) if (w.decay_to_gradient, w.toward_zero) != (None, None)]
    eaten = [w for w in judged if _eaten(w)]
    if not measurement.optimizer.given or not judged or len(eaten) < PART * len(judged) or converged(measurement):
        return None
    worst = max(eaten, key=lambda w: (w.decay_to_gradient or 0.0, w.shrink or 0.0))
    shrink, along = median(w.shrink or 0.0 for w in eaten), median(w.toward_zero or 0.0 for w in eaten)
    ratios = [w.decay_to_gradient for w in eaten if w.decay_to_gradient is not None]
    message, cause = _told(measurement.optimizer.kind, ratios, f"{len(eaten)} of {len(judged)} weights", shrink, along)
    evidence: dict[str, float | int | str] = {"eaten": len(eaten), "judged": len(judged)}
    if ratios:
        evidence["decay over gradient"] = median(ratios)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if len(eaten) > MOST_WEIGHTS * len(judged) else "warning",
        where=place(measurement, eaten, worst),
        message=message,
        cause=cause,
        evidence=evidence
        | {"cosine with -w": along, "norm lost a step": shrink, "weight decay": measurement.precision.weight_decay},
        remedies=("decoupled-decay",) if ratios else ("lower-decay",),
    )


def _eaten(weight: NumbersRecord) -> bool:
    along, shrink = weight.toward_zero or 0.0, weight.shrink or 0.0
    if weight.decay_to_gradient is None:
        return along > ALONG and shrink > TAKES
    return weight.decay_to_gradient > RULES and along > ALONG and shrink > EATS


def _told(kind: str, ratios: Sequence[float], which: str, shrink: float, along: float) -> tuple[str, str]:
    if ratios:
        return (
            f"Weight decay is {number(median(ratios))} times the gradient in {which}: {kind} takes {percent(shrink)} "
            "of them in each step.",
            f"{kind} divides gradient and decay together by their size, so that where the gradient is small the decay "
            "of the weight becomes a step of the full learning rate toward zero.",
        )
    return (
        f"Weight decay takes {percent(shrink)} of {which} in each step, and the gradient does not give it back: the "
        f"steps lead to zero (cosine {number(along)}).",
        "Rate times decay is the share that is taken in a step. What a weight has learned is gone after the inverse "
        "of it, and only gradients that are as large as the weights hold against it.",
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
