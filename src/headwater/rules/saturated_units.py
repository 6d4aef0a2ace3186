"""HW302 saturated-units: units of a sigmoid, tanh or GELU whose inputs lie where the activation has no slope.

A sigmoid's slope is 1/4 in its middle and 0.0025 at an input of 6. A tanh's falls from 1 to 0.0002 at 5. A unit that
lives out there passes hardly any gradient to its own weights and to everything below.

## What it means

Unlike a dead ReLU the unit is not lost, only slow: its gradient is a tenth of what it could be, or far less. Where most
units of a layer are saturated, the layers below it stand still while those above learn. Saturation is a *cause* of
vanishing: where it accounts for most of what the gradient loses, this finding leads and HW101 stands under it.

Units saturate because their inputs are large: weights drawn too wide, data that was never scaled, a bias far off, or
steps that were too long.

## How it is measured

For each unit of a hidden sigmoid or tanh, over all samples:

    s = E[slope(z)^2] / max slope^2          saturated: s < 0.01

The square, because this is what multiplies the squared norm of the gradient (the mean-field factor chi): a unit with
s = 0.01 passes a tenth of what it could. The maximum takes the activation's own height out: a sigmoid at rest is not
saturated, though it passes only a quarter.

GELU, SiLU, ELU and their kind are flat below zero only. A unit that rests there on most samples is sparse and well, as
with a ReLU. Saturated is one whose slope is under a hundredth of the largest on every sample: as good as dead.

## Thresholds

| what | value | source |
| --- | --- | --- |
| unit | s < 0.01 | passes less than a tenth of the gradient |
| unit, one-sided | slope < 0.01 of the largest, always | at a tenth, networks that train well would count |
| layer | over 50 % of its units | the definition of common debugging tools, with a slope in place of their limits |
| error | layers below move less than 1e-2 times as far as those above | as HW101 |
| samples | at least 64 | a mean over fewer says little |
| samples, one-sided activations | at least 2048 | "on every sample": the rule of three of HW301 |

Fixed limits on z are useless here: a limit of |z| > 9.5 for tanh, as one tool has it, asks for a slope of 2e-8.
Exempt are gates (they multiply another signal: LSTM, GRU, highway, squeeze-and-excitation), attention and outputs:
being decided is their work.

## What to do

Draw the weights for the activation (Xavier for tanh), standardise the inputs, start biases at zero. Normalise before
the activation. In hidden layers ReLU or GELU with a matching initialisation avoids the question.

## What not to do

Do not raise the learning rate to wake the units up: the unsaturated layers above will diverge first. Do not touch the
sigmoids of gates and of outputs.

## References

- LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", in Neural Networks: Tricks of the Trade
- Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
- Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017, "Deep information propagation", ICLR, arXiv 1611.01232
"""

from __future__ import annotations

import math

from headwater.records import Finding, Measurement, UnitsRecord, Where
from headwater.records.numbers import number
from headwater.rules.common import layer_named, listed, named
from headwater.rules.effects import trained, update_contrast
from headwater.rules.rule import Rule
from headwater.rules.thresholds import FEW, FIRM

CODE, NAME = "HW302", "saturated-units"

TWO_SIDED = frozenset(["sigmoid", "tanh", "hardsigmoid"])
"""Activations with limits on both sides that they approach."""
ONE_SIDED = frozenset(["elu", "celu", "softplus", "silu", "gelu", "mish", "hardswish"])
"""Smooth activations that are flat below zero."""
MOST_UNITS = 0.5
"""Share of a layer's units beyond which most of its gradient is lost."""
LEFT_BEHIND = 1e-2
"""Update of the layers below over that of those above: the contrast of HW101."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for hidden layers most of whose units have no slope left."""
    found = saturated_layers(measurement)
    if not found:
        return None
    worst = max(found, key=lambda units: (units.saturated / units.units, -units.mean_square_slope))
    contrasts = [c for units in found if (c := _contrast(measurement, units)) is not None]
    contrast = min(contrasts, default=None)
    stuck = contrast is not None and contrast < LEFT_BEHIND
    layers = tuple(units.layer or units.name for units in found)
    place = worst.layer or worst.name
    also = [name for name in layers if name != place]
    evidence: dict[str, float | int | str] = {
        "saturated": worst.saturated,
        "units": worst.units,
        "samples": worst.samples,
        "mean square slope": worst.mean_square_slope,
    }
    if contrast is not None:
        evidence["update contrast"] = contrast
    effect = f" Layers below move {number(contrast or 0.0)} times as far as those above." if stuck else ""
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if stuck else "warning",
        where=Where(place, layers, worst.file, worst.line, built=worst.built),
        message=f"{worst.saturated} of {worst.units} units after {named(place)} ({worst.kind}) are saturated"
        + (f"; so are most after {listed(also)}." if also else "."),
        cause="Their inputs are so large that the activation is flat there: the mean square slope is "
        f"{number(worst.mean_square_slope)} of its largest.{effect}",
        evidence=evidence,
        remedies=("orthogonal-recurrence",) * _in_a_loop(measurement, place)
        + ("init-matched", "zero-bias", "normalisation", "standardise-inputs", "activation-swap"),
    )


def _in_a_loop(measurement: Measurement, layer: str) -> bool:
    """Whether a loop over time runs the layer: its recurrent weights make the units' inputs then."""
    found = layer_named(measurement, layer)
    return measurement.profile.recurrent and found is not None and found.calls > 1


def saturated_layers(measurement: Measurement) -> tuple[UnitsRecord, ...]:
    """The hidden activations most of whose units are saturated."""
    return tuple(
        units
        for units in measurement.units
        if units.role == "hidden"
        and units.samples >= _samples_needed(units.kind)
        and units.saturated > MOST_UNITS * units.units
    )


def _samples_needed(kind: str) -> float:
    """A ReLU, and what has no flat part, is never saturated."""
    return FEW if kind in TWO_SIDED else FIRM if kind in ONE_SIDED else math.inf


def _contrast(measurement: Measurement, units: UnitsRecord) -> float | None:
    """Update of the layers up to the one that feeds these units, over that of the layers above."""
    feeder = layer_named(measurement, units.layer)
    if feeder is None:
        return None
    layers = trained(measurement)
    below = [layer for layer in layers if layer.depth <= feeder.depth]
    above = [layer for layer in layers if layer.depth > feeder.depth]
    return update_contrast(below, above)


RULE = Rule(CODE, NAME, check, __doc__ or "")
