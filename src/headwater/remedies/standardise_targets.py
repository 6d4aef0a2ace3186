"""Let the network predict standardised targets, and undo it on its output.

## What it does

Targets y with mean m and standard deviation s are what the network should say in units of its own, o = (y - m) / s. A
hook on the model undoes that, so that nothing else in the training has to change:

    output = s o + m

For a loss that grows with the power p of the error (squared: p = 2, absolute: p = 1)

    loss(s o + m, y) = s^p loss(o, (y - m) / s)

so that its gradient with respect to o is s^p times that of the loss on standardised targets. The hook divides it by
s^p: every weight then gets exactly the gradient of a training on standardised targets, with the same rate. Predictions
and losses are read in the user's own units as before.

Behind a sigmoid or a tanh, s and m lead from the limits of the activation to the smallest and the largest target.

## When not

Not for classes, and not where the loss is no power of the error (a likelihood with a link such as exp). Behind a ReLU
the lower targets stay out of reach, and behind a sigmoid or a tanh the ends of tails: drop the activation first. One
mean and one deviation serve all outputs: where several targets differ in scale, standardise each in the data. Targets
of the training set only, never of the test set.

## Safety

Safe: the last layer can undo it, so that the network computes the same functions as before.

## References

- LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", in Neural Networks: Tricks of the Trade
- Bishop 1995, "Neural Networks for Pattern Recognition", section 8.2 (rescaling of inputs and targets)
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from torch import Tensor, nn

from headwater.records import Change, Code
from headwater.records.head_ops import CLASSIFICATION, LIMITS, compares_like, feeder, regression
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training

_CODE, _REMOVED = "standardise-targets", "remove-output-activation"

NEAR = 2.0
"""Deviations within this factor of 1 are left: one step of the output's bias bridges it."""
EVEN = 1.05 * math.sqrt(12.0)
"""Standard deviations from the smallest to the largest of numbers that fill a range evenly, and a twentieth for chance
(three standard errors of 500 numbers). Of pixels, many of them black or white, they are fewer; where they are more, the
ends are tails."""
_LINEAR = frozenset("L1Loss SmoothL1Loss HuberLoss Abs".split())
"""Losses that grow with the error itself, those of Huber's kind where it is large."""
_POWERS = frozenset("Pow Square".split())


def unstandardise(
    module: nn.Module, inputs: Any, output: Tensor, mean: float, deviation: float, power: int = 2
) -> Tensor:
    """Leads from standardised predictions to the units of the targets; the gradient is that of the former."""

    def standard(gradient: Tensor) -> Tensor:
        return gradient / deviation**power

    if output.requires_grad:
        output.register_hook(standard)
    return output * deviation + mean


def _refusal(training: Training) -> str | None:
    head = training.measurement.head
    index = regression(head)
    if head.target_mean is None or head.target_std is None or head.output_shape is None:
        return "outputs and targets are not known as one tensor each"
    if index is None or not compares_like(head, index) or {op.kind for op in head.ops} & CLASSIFICATION:
        return "the loss does not compare the outputs with real targets"
    if _power(training) is None:
        return "the loss is a power of another one, with an exponent that is not known"
    limits = _limits(training)
    if limits is not None and math.isinf(limits[1]):
        return "the output is bounded below: drop its activation instead"
    span = (head.target_max or 0.0) - (head.target_min or 0.0)
    if limits is not None and span > EVEN * head.target_std:
        return "an output with limits never reaches the ends of the targets' tails: drop its activation first"
    mean, deviation = _affine(training)
    if not deviation:
        return "all targets are the same"
    if limits is None and abs(mean) < 1 / NEAR and 1 / NEAR < deviation < NEAR:
        return f"the targets have mean {mean:.2g} and standard deviation {deviation:.2g}: they are standardised"
    return None


def _power(training: Training) -> int | None:
    """The power of the error that the loss grows with; ``None`` where that of another loss is raised to one.

    An exponent is not recorded: a power by itself is taken for a square.
    """
    head = training.measurement.head
    above = {op.kind for op in head.ops[: (regression(head) or 0) + 1]}
    if above & _POWERS and above & {"MseLoss", *_LINEAR}:
        return None
    return 1 if above & _LINEAR else 2


def _limits(training: Training) -> tuple[float, float] | None:
    """What the activation on the output can put out; ``None`` where there is none, or none any more."""
    if _REMOVED in training.applied:
        return None
    head = training.measurement.head
    index = regression(head)
    found = feeder(head, index) if index is not None else None
    return LIMITS.get(found.kind) if found is not None else None


def _affine(training: Training) -> tuple[float, float]:
    """Mean and deviation that the output is led to, in six digits."""
    head = training.measurement.head
    mean, deviation = head.target_mean or 0.0, head.target_std or 0.0
    if (limits := _limits(training)) is not None:
        low, high = head.target_min or 0.0, head.target_max or 0.0
        deviation = (high - low) / (limits[1] - limits[0])
        mean = low - limits[0] * deviation
    return float(f"{mean:.6g}"), float(f"{deviation:.6g}")


def _apply(training: Training) -> Change:
    mean, deviation = _affine(training)
    power = _power(training)
    assert power is not None
    training.model.register_forward_hook(partial(unstandardise, mean=mean, deviation=deviation, power=power))
    hook = f"partial(unstandardise, mean={mean!r}, deviation={deviation!r}, power={power})"
    return Change(
        remedy=_CODE,
        says=f"the network predicts standardised targets, and its output is multiplied by {deviation:g} and "
        f"{'raised' if math.copysign(1, mean) > 0 else 'lowered'} by {abs(mean):g}",
        places=("",),
        code=Code(
            before=source(unstandardise) + f"\n{{model}}.register_forward_hook({hook})",
            imports=("from functools import partial", "from typing import Any", "from torch import Tensor, nn"),
        ),
    )


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
