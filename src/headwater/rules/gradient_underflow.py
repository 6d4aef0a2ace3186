"""HW502 gradient-underflow: gradients that become exactly zero because their number format has none so small.

The smallest positive number of float16 is 6e-8. A gradient below half of it is zero, though nothing in the chain rule
made it so. The same training in float32 learns.

## What it means

Gradients are small numbers: a mean over a batch and many positions divides them by thousands. Of normally distributed
gradients of size s in float16, this share is lost:

| s | 1e-6 | 1e-7 | 1e-8 |
| --- | --- | --- | --- |
| zero in float16 | 2.4 % | 23 % | 99.7 % |

float8 e5m2 needs gradients above 1e-5, and e4m3 holds nothing of 1e-4. bfloat16 has the range of float32, and loses
only below 1e-38. It is not HW101: there the factors of the chain shrink the gradient from layer to layer, here the
whole gradient lies too low. And it is not HW602: there a factor is zero.

## How it is measured

Where a gradient is small for its format, or holds zeros in a narrow one, the last pass is run twice: with the loss as
it is, and multiplied by the largest of a few powers of two with which everything stays finite. For each weight

    lost = share of the elements that are zero in the first, among those that are not in the second

    captured = <g, g'> / |g'|^2, with g' the gradient of the scaled loss, divided by the scale

The mask of a ReLU, untouched rows and experts without tokens are zero in both, and are not counted.

## Thresholds

| what | value | source |
| --- | --- | --- |
| a weight | more than 50 % lost | a half of the elements that should move cannot |
| ... without Adam's like | and captured < 0.5 | plain descent feels the large elements, and the small ones go first |
| error | more than half of the weights | most of the network cannot learn |
| warning | at least a quarter of them | a part cannot |

Two per cent of zeros do no harm; every float16 training has them.

## What to do

1. Scale the loss: `torch.amp.GradScaler`, which finds the factor and takes it out before the step. If your training
   has one, diagnose with it: let `step(model, batch)` return the scaled loss, and unscale in a hook before the step.
2. bfloat16 in place of float16, where the hardware has it: no scaling is needed. Weights that are kept in float16 want
   float32, and autocast.
3. For float8, one scale for each tensor.

## What not to do

Do not raise the learning rate, and do not expect help from Adam: zero times anything is zero. Do not sum the loss
over the batch in place of the mean for this: it works by chance, until the batch changes.

## References

- Micikevicius et al. 2018, "Mixed precision training", ICLR, arXiv 1710.03740
- Micikevicius et al. 2022, "FP8 formats for deep learning", arXiv 2209.05433
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, NumbersRecord
from headwater.records.numbers import number
from headwater.rules.common import percent
from headwater.rules.numerics import MOST_WEIGHTS, PART, judged_weights, place
from headwater.rules.rule import Rule

CODE, NAME = "HW502", "gradient-underflow"

LOST = 0.5
"""Share of a weight's elements with a gradient that underflow before it counts as lost."""
CAPTURED = 0.5
"""Part of the gradient that is left, where the optimizer weighs elements by their size: the lost ones are the least."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for weights whose gradient is zero, and is not when the loss is scaled."""
    reached = [w for w in judged_weights(measurement) if w.gradient_lost is not None and w.recovered]
    lost = underflown(measurement)
    if not reached or len(lost) < PART * len(reached):
        return None
    precision = measurement.precision
    worst = max(lost, key=lambda w: w.gradient_lost or 0.0)
    every = sum((w.gradient_lost or 0.0) * w.numel for w in lost) / sum(w.numel for w in lost)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if len(lost) > MOST_WEIGHTS * len(reached) else "warning",
        where=place(measurement, lost, worst),
        message=f"In {len(lost)} of {len(reached)} weights {percent(every)} of the gradient is lost in "
        f"{precision.gradient_dtype}: exactly zero, and not zero once the loss is scaled.",
        cause=f"Multiplied by {number(precision.loss_scale)}, the same loss gives these elements a gradient: it is "
        f"there, and too small for the smallest number of {precision.gradient_dtype}.",
        evidence={
            "lost": len(lost),
            "judged": len(reached),
            "elements lost": every,
            "loss scale": precision.loss_scale or 1.0,
            "dtype": precision.gradient_dtype,
        },
        # gradients of float16 weights would underflow again when they are divided by the scale
        remedies=("loss-scaling", "bfloat16") if worst.dtype == "float32" else ("autocast", "bfloat16"),
    )


def underflown(measurement: Measurement) -> tuple[NumbersRecord, ...]:
    """The judged weights most of whose gradient underflows."""
    adaptive = measurement.precision.adaptive
    return tuple(
        w
        for w in judged_weights(measurement)
        if w.recovered and (w.gradient_lost or 0.0) > LOST and (adaptive or (w.gradient_captured or 0.0) < CAPTURED)
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
