"""HW503 epsilon-dominated: gradients so small that an adaptive optimizer divides them by its epsilon.

Adam divides each gradient by its own size, and adds epsilon (1e-8) so as not to divide by zero. Gradients much larger
than that take steps of the learning rate, whatever their scale. Gradients below it do not.

## What it means

With a constant gradient g, Adam's step is ``lr g / (g + eps)``. At the usual epsilon of 1e-8 there is left of the rate

| g | 1e-7 | 1e-8 | 1e-9 | 1e-10 |
| --- | --- | --- | --- | --- |
| share of the rate | 0.909 | 0.500 | 0.091 | 0.0099 |

Down there Adam is plain gradient descent with a rate of ``lr / eps``, and its promise that the scale of the loss does
not matter no longer holds. It happens when a loss is divided by a large number (a sum over pixels that became a mean, a
small weight in a sum of losses), or when the gradient vanishes (HW101, which then leads).

## How it is measured

From the optimizer's state after the last step, over the elements that ever received a gradient:

    share = share of elements with sqrt(v_hat) < 10 eps
    kept  = mean of sqrt(v_hat) / (sqrt(v_hat) + eps)

and the effect: the relative update of the weight. Adam, AdamW, NAdam, RAdam, Adamax, RMSprop and Adagrad are read;
Adafactor and Adadelta use their epsilon otherwise.

## Thresholds

| what | value | source |
| --- | --- | --- |
| ruled by epsilon | share > 50 % and kept < 0.5 | at 10 eps a step keeps 0.91, at eps a half |
| effect | relative update below 1e-3 | a healthy step (Karpathy, CS231n) |
| error | kept < 0.1 in more than half of the weights | digits with the loss times 1e-8: kept 0.003, no learning |
| warning | at least a quarter of the weights | a part is held back |

Silent are untouched rows, dead units and frozen weights (they never had a gradient), lookup tables, branches that start
at zero, a large epsilon that a large rate makes up for (the steps are of healthy size), and networks that have
converged: their loss is below 5 % of that with shuffled targets.

## What to do

1. Lower epsilon: 1e-15 in float32 restored the training at a loss of 1e-8 of its size (0.0140 as without scaling).
2. Scale the loss up.

## What not to do

Never set epsilon to 0: the first element without a gradient is 0/0 (measured: NaN). In float16 state epsilon must stay
above 6e-8, or it is 0. Raising the rate works until the gradient grows, and then blows up.

## References

- Kingma, Ba 2015, "Adam: a method for stochastic optimization", ICLR, arXiv 1412.6980
- Wortsman et al. 2023, "Small-scale proxies for large-scale Transformer training instabilities", arXiv 2309.14322
  (epsilon against the size of the gradient)
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, NumbersRecord
from headwater.records.numbers import number
from headwater.rules.common import median, percent
from headwater.rules.numerics import MOST_WEIGHTS, PART, SMALL_STEP, converged, judged_weights, place, update_of
from headwater.rules.rule import Rule

CODE, NAME = "HW503", "epsilon-dominated"

SHARE, KEPT = 0.5, 0.5
"""Elements below ten epsilons, and what is left of a step, at which epsilon and not the gradient sets its size."""
STALLED = 0.1
"""What is left of a step when a weight stands still in all but name."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for weights whose adaptive step is cut by epsilon, and that move little."""
    judged = [w for w in judged_weights(measurement) if w.step_kept is not None]
    ruled = [w for w in judged if _ruled(measurement, w)]
    if not measurement.optimizer.given or not judged or len(ruled) < PART * len(judged) or converged(measurement):
        return None
    stalled = [w for w in ruled if (w.step_kept or 0.0) < STALLED]
    worst = min(ruled, key=lambda w: w.step_kept or 0.0)
    kept, moved = median(w.step_kept or 0.0 for w in ruled), median(update_of(measurement, w) for w in ruled)
    epsilon = measurement.precision.epsilon
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if len(stalled) > MOST_WEIGHTS * len(judged) else "warning",
        where=place(measurement, ruled, worst),
        message=f"The epsilon of {measurement.optimizer.kind} ({number(epsilon)}) rules {len(ruled)} of {len(judged)} "
        f"weights: {percent(kept)} of their step is left.",
        cause="Their gradients are small against epsilon, so that dividing by their size no longer makes up for it. "
        f"As a result they move by {number(moved)} of themselves a step.",
        evidence={
            "ruled": len(ruled),
            "judged": len(judged),
            "elements below ten epsilons": median(w.epsilon_share or 0.0 for w in ruled),
            "step kept": kept,
            "update": moved,
        },
        remedies=("lower-epsilon", "loss-scaling"),
    )


def _ruled(measurement: Measurement, weight: NumbersRecord) -> bool:
    return (
        (weight.epsilon_share or 0.0) > SHARE
        and weight.step_kept is not None
        and weight.step_kept < KEPT
        and update_of(measurement, weight) < SMALL_STEP
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
