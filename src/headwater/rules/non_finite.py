"""HW701 non-finite: a NaN or an infinity appeared during the probation.

One NaN in a gradient makes a NaN of every weight that it reaches in the next step, and from then on everything is
NaN. What matters is therefore the *first* place, and not where the loss was seen to be NaN.

## What it means

Some number left the range of its type, or was never defined: a logarithm or division of zero, the root of a negative
number, the gradient of a square root or a norm at zero (infinite there, although the value is fine), an exponential
of more than 88 in float32, any number beyond 65 504 in float16. Often it is the end of another story: a rate that is
too large, a gradient that explodes, or inputs that were never scaled. Such a finding then stands above this one.

## How it is measured

At every operation of each traced backward pass, the norm of the incoming and outgoing gradient is checked. Reported
is the first operation, seen from the loss, with a norm that is not finite, in the first step that has one; or the
loss itself. A loss that is not finite before any step is refused as an input error.

## Thresholds

None: a number is finite or it is not. Always an error, since no further step can be taken. A step that
mixed-precision training skips because its loss scale was too high is not part of the probation.

## What to do

Look at the named line. Put a small constant inside logarithms, roots and denominators (`sqrt(x + eps)`, not `sqrt(x)
+ eps`). Use the fused forms that are safe at the edges: `log_softmax`, `logsumexp`, losses "with logits". Lower the
rate or warm it up. In float16 use a loss scale, or bfloat16.

## What not to do

Do not replace NaN by zero (`nan_to_num`) in the gradient: the fault stays and hides. Clipping does not help either,
for the norm of a gradient with a NaN is NaN. `torch.where` does not protect: the gradient of the branch not taken is
computed too, and zero times infinity is NaN.

## References

- Micikevicius et al. 2018, "Mixed precision training", ICLR, arXiv 1710.03740
- Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks", ICML, arXiv 1211.5063
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, Where
from headwater.records.numbers import number
from headwater.rules.common import steps_in_words
from headwater.rules.rule import Rule

CODE, NAME = "HW701", "non-finite"


def check(measurement: Measurement) -> Finding | None:
    """Looks for the first step with a NaN or an infinity."""
    step = next((step for step in measurement.steps if step.non_finite), None)
    if step is None:
        return None
    first = measurement.steps[0].loss
    module = (step.non_finite or "").partition(" in ")[2] or None
    return Finding(
        code=CODE,
        name=NAME,
        severity="error",
        where=Where(module, (), step.file, step.line),
        message=f"NaN or infinity {steps_in_words(step.step)}, first at {step.non_finite}: the loss is "
        f"{number(step.loss)}, at the start {number(first)}.",
        cause="A number overflowed or was not defined there; a step on its gradient would spoil every weight.",
        evidence={"step": step.step, "loss": step.loss, "first loss": first, "place": step.non_finite or ""},
        remedies=("find-non-finite", "lower-rate", "clip-gradient"),
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
