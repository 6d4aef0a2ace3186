"""HW501 lost-updates: steps that are smaller than the spacing of the numbers in which the weights are kept.

A bfloat16 weight has eight significant bits: the next number after 1 is 1.0078. A step of a thousandth of the weight,
which is a healthy step in float32, is rounded away: gradient, optimizer and rate are right, and the weights stay.

## What it means

A number w with machine epsilon e moves only when the step is at least between a quarter and a half of ``e |w|``:

| format | epsilon | a relative step below this is always lost | ... may be lost |
| --- | --- | --- | --- |
| float32 | 1.2e-7 | 3e-8 | 6e-8 |
| float16 | 9.8e-4 | 2.4e-4 | 4.9e-4 |
| bfloat16 | 7.8e-3 | 1.95e-3 | 3.9e-3 |
| float8 e4m3 | 0.125 | 0.031 | 0.063 |
| float8 e5m2 | 0.25 | 0.063 | 0.125 |

The usual healthy step of 1e-3 is below the limit of bfloat16. That holds for weights *kept* in a narrow format
(`model.bfloat16()`); under autocast they are float32 and nothing of this happens.

## How it is measured

At each step a copy of the optimizer takes the same step, with the same state and the same gradient, in float32 (in
float64 for float32 weights that hardly move). With the step that the weights really took,

    kappa = <applied, intended> / |intended|^2          summed over every other judged step

is the part of the step that arrived: 1 where nothing is lost. The share of elements that did not change is no measure:
60 % may stand still in a training that does well, because small steps add little. An optimizer that remembers what was
rounded away (master weights, compensated summation) has kappa = 1; so, on average, has stochastic rounding.

## Thresholds

| what | value | source |
| --- | --- | --- |
| lost | kappa < 0.5 | measured on digits in bfloat16: 0.3 to 0.4 in runs that fall behind, 0.96 to 0.98 in good ones |
| error | more than half of the weights | most of the network does not follow its optimizer |
| warning | at least a quarter of them | a part does not |

Judged are weights of two dimensions or more under an optimizer that you gave. Left out are gains and biases (a gain of
1 often stays 1, harmlessly), lookup tables (drawn with variance 1: large weights, small steps), a rate in warm-up or at
the end of its schedule, and networks that have converged: their loss is below 5 % of that with shuffled targets.

## What to do

1. Keep float32 weights and compute in half precision: autocast, or an optimizer with float32 master weights.
2. Compensated (Kahan) summation: a second bfloat16 buffer keeps what was rounded away.
3. Stochastic rounding: right on average, without a buffer.

## What not to do

Do not raise the learning rate until the steps show: the few weights near zero, which are not affected, take the whole
of it. Do not move to float16 for this alone: it keeps three more bits but its gradients underflow (HW502).

## References

- Gupta, Agrawal, Gopalakrishnan, Narayanan 2015, "Deep learning with limited numerical precision", ICML, arXiv
  1502.02551
- Micikevicius et al. 2018, "Mixed precision training", ICLR, arXiv 1710.03740
- Zamirai, Zhang, Aberger, De Sa 2020, "Revisiting BFloat16 training", arXiv 2010.06192
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, NumbersRecord
from headwater.records.numbers import number
from headwater.rules.common import median, percent, trainable
from headwater.rules.numerics import MOST_WEIGHTS, PART, converged, exempt, judged_weights, place
from headwater.rules.rule import Rule

CODE, NAME = "HW501", "lost-updates"

LOST = 0.5
"""Captured part of a step below which it counts as lost (measured: 0.3 to 0.4 fails, 0.96 and more is good)."""

_REMEDIES = {
    True: ("master-weights", "autocast", "kahan-summation", "stochastic-rounding"),
    False: ("raise-rate", "kahan-summation"),
}
"""For weights in a narrow format, and for those in float32 or float64: there is no wider one to go to."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for weights that take on less than half of the steps meant for them."""
    lost = lost_weights(measurement)
    held = sum(p.in_optimizer and len(p.shape) > 1 and not exempt(measurement, p) for p in trainable(measurement))
    share = len(lost) / max(held, 1)
    if not measurement.optimizer.given or share < PART or converged(measurement):
        return None
    worst = min(lost, key=lambda w: w.captured or 0.0)
    kappa = median(w.captured or 0.0 for w in lost)
    meant = median(w.intended_ratio or 0.0 for w in lost)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if share > MOST_WEIGHTS else "warning",
        where=place(measurement, lost, worst),
        message=f"{len(lost)} of {held} weights take on {percent(max(0.0, kappa))} of the steps that "
        f"{measurement.optimizer.kind} means for them: the rest is rounded away.",
        cause=f"They are kept in {worst.dtype}, and a step of {number(meant)} of the weight is below the spacing of "
        "its numbers.",
        evidence={
            "lost": len(lost),
            "judged": held,
            "kappa": kappa,
            "lowest kappa": worst.captured or 0.0,
            "intended step": meant,
            "dtype": worst.dtype,
        },
        remedies=_REMEDIES[worst.dtype not in ("float32", "float64")],
    )


def lost_weights(measurement: Measurement) -> tuple[NumbersRecord, ...]:
    """The judged weights that take on less than half of their steps."""
    return tuple(w for w in judged_weights(measurement) if w.captured is not None and w.captured < LOST)


RULE = Rule(CODE, NAME, check, __doc__ or "")
