"""HW605 unscaled-data: inputs or targets come in units that no initialisation was made for.

Every initialisation assumes inputs of mean 0 and variance about 1. Pixels from 0 to 255, prices, timestamps, or
values divided by 255 twice break that assumption at the first layer, and every layer above inherits it.

## What it means

Large inputs make large first pre-activations: sigmoid and tanh saturate, ReLUs die in the first long step, and the
loss surface becomes steep along a few directions, so that every rate is too large for some weights or too small for
others. Tiny inputs leave the biases to dominate, and all samples look the same. Targets far above what the network
puts out make the early gradient nothing but "larger!", for thousands of steps.

## How it is measured

For each layer that reads floating-point data directly: the root mean square over the first batch and all features.
For regression losses: that of the targets, against the largest output of the model.

    rms(x) = sqrt(mean of x^2)

## Thresholds

| what | value | source |
| --- | --- | --- |
| inputs, large | rms > 10 | LeCun et al. 1998 ask for variance 1; an order of magnitude off (standard pixels: 130) |
| inputs, small | rms < 0.01 and no value above 0.1 | two orders off; sparse and one-hot inputs keep a value near 1 |
| targets, large | rms > 100, and ten times the largest output | chosen: an output's bias bridges 15 by itself |

A warning, unless the probation shows the damage: a loss that is not finite or grows tenfold makes it an error. Silent
when a normalisation follows the first layer, when targets are large but the model already puts such numbers out (a
scale at the end of the model, a trained network), and when a logarithmic link (exp) stands before the loss.

## What to do

Standardise each feature with the mean and deviation of the *training* set, and keep the two with the model. Do the
same to the targets, and undo it on the predictions. For images, a division by 255 and the usual channel means will
do.

## What not to do

Do not let the learning rate make up for the scale: features of different scale need different rates. Do not
standardise each batch by itself, nor with statistics of the test set.

## References

- LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", in Neural Networks: Tricks of the Trade
- Ioffe, Szegedy 2015, "Batch normalization: accelerating deep network training by reducing internal covariate shift",
  ICML, arXiv 1502.03167
"""

from __future__ import annotations

from headwater.records import Finding, HeadRecord, InputRecord, Measurement, Where
from headwater.records.head_ops import CLASSIFICATION, compares_like, regression
from headwater.records.numbers import number
from headwater.rules.common import at_layer, blows_up, named, steps_in_words
from headwater.rules.rule import Rule

CODE, NAME = "HW605", "unscaled-data"

LARGE = 10.0
"""Root mean square of inputs an order of magnitude above the variance of 1 that LeCun et al. 1998 ask for."""
SMALL, SMALL_PEAK = 0.01, 0.1
"""Two orders below, with no value that would make the input merely sparse (a one-hot input of 50 000 has rms 0.004)."""
LARGE_TARGETS = 100.0
"""Root mean square of targets that the bias of the output does not bridge by itself: chosen, targets of 15 learn."""
FAR_FROM_OUTPUT = 10.0
"""Targets over the largest output: below it the model already puts such numbers out."""


def check(measurement: Measurement) -> Finding | None:
    """Looks at the scale of what the first layers read, and of what the loss compares with."""
    inputs = [record for record in measurement.inputs if not record.normalised and (_large(record) or _small(record))]
    step = blows_up(measurement.steps)
    targets = _targets(measurement.head, blown_up=step is not None)
    if not inputs and targets is None:
        return None
    damage = f" The loss is {number(step.loss)} {steps_in_words(step.step)}." if step else ""
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if step else "warning",
        where=at_layer(measurement, inputs[0].layer, tuple(i.layer for i in inputs)) if inputs else Where(),
        message=_message(inputs, targets),
        cause=_cause(inputs) + damage,
        evidence=_evidence(inputs, targets),
        remedies=("standardise-inputs",) * bool(inputs) + ("standardise-targets",) * (targets is not None),
    )


def _large(record: InputRecord) -> bool:
    return record.rms > LARGE


def _small(record: InputRecord) -> bool:
    return 0 < record.rms < SMALL and max(-record.minimum, record.maximum) < SMALL_PEAK


def _targets(head: HeadRecord, *, blown_up: bool) -> float | None:
    """Root mean square of the targets when it is out of scale; outputs that blew up are no sign that it is not."""
    rms, index = head.target_rms, regression(head)
    if rms is None or rms <= LARGE_TARGETS or index is None or not compares_like(head, index):
        return None
    if {op.kind for op in head.ops} & (CLASSIFICATION | {"Exp"}) or head.output_min is None or head.output_max is None:
        return None
    far = rms > FAR_FROM_OUTPUT * max(-head.output_min, head.output_max)
    return rms if far or blown_up else None


def _message(inputs: list[InputRecord], targets: float | None) -> str:
    said: list[str] = []
    if inputs:
        first = inputs[0]
        said.append(
            f"{named(first.layer)} reads inputs of root mean square {number(first.rms)} (from {first.minimum:.3g} to "
            f"{first.maximum:.3g}); about 1 is expected"
        )
    if targets is not None:
        said.append(f"the targets have root mean square {number(targets)}, far from what the network puts out")
    text = "; ".join(said)
    starts_with_a_name = inputs and not inputs[0].layer.isdecimal()
    return text + "." if starts_with_a_name else text[0].upper() + text[1:] + "."


def _cause(inputs: list[InputRecord]) -> str:
    if not inputs:
        return "The first thousands of steps only move the output towards the size of the targets."
    if _large(inputs[0]):
        return "Large inputs saturate or kill the first units, and no single rate suits weights so different in scale."
    return "Tiny inputs leave the biases to decide, so that all samples look alike."


def _evidence(inputs: list[InputRecord], targets: float | None) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {}
    if inputs:
        found |= {"input rms": inputs[0].rms, "input mean": inputs[0].mean}
        found |= {"input minimum": inputs[0].minimum, "input maximum": inputs[0].maximum}
    if targets is not None:
        found["target rms"] = targets
    return found


RULE = Rule(CODE, NAME, check, __doc__ or "")
