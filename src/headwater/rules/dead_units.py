"""HW301 dead-units: units whose slope is exactly zero on every sample, so that no gradient reaches their weights.

A ReLU passes the gradient where its input is positive. A unit whose input is negative on *all* data passes none,
ever: its weights get no gradient, and nothing that it computes changes until the layers below happen to move it back.

## What it means

The layer is narrower than it was built. When all its units are dead nothing below learns at all, and the output is a
constant. A dead unit is not a sparse one: a ReLU that is off on half of the samples is as it should be. So zeros in
the activations say nothing; only a unit that is off on *every* sample counts.

Units die of a large negative bias, of a step that was far too long, of inputs far from mean 0 and variance 1, or at
birth: the deeper and narrower a ReLU network, the likelier that a layer starts dead.

## How it is measured

For each unit (channel) of an activation whose slope can be exactly zero (ReLU, ReLU6, hardtanh, clamp, threshold),
over all samples of several batches, each position of an image or sequence counting as one:

    dead = slope(z) == 0 on each of n samples

By the rule of three, a unit that was never active in n samples is active on less than 3/n of the data, at 95 %
confidence: (1 - p)^n = 0.05 gives p = 3/n. While units look dead and there are further batches (64 at most), they are
read too, until n reaches 2048 (p < 0.15 %).

## Thresholds

| what | value | source |
| --- | --- | --- |
| warning | over 50 % of a layer's units, on 2048 samples | above what networks that train have (measured: up to 30 %) |
| info | over 50 %, on 64 to 2047 samples | too few to be sure: pass more batches |
| error | over 90 %, on 64 samples | those left let less than a third of the norm through |
| firm | 2048 samples | rule of three: active on less than 0.15 % of the data |

A share of a tenth, which is often named as the limit, would call healthy networks ill: in He-initialised ReLU
networks of 30 layers that train well, 10 to 30 % of the units of the upper layers are off on 2048 samples of real
digits, because the deeper a layer, the more alike its samples are.

Gates and outputs are exempt: a gate that stays shut, or an output at its limit, can be meant.

## What to do

If units died during training: lower the learning rate or warm it up. If they were born dead: initialise for ReLU (He)
with biases at zero, and standardise the inputs. A leaky ReLU has a slope on both sides and lets dead units come
back; ELU and GELU do so a little below zero, and are as flat as a ReLU far below. A normalisation before the
activation centres what it receives.

## What not to do

Do not count zeros in the activations. Do not swap the activation of a pretrained network: that changes its function.
Where sparsity is wanted, dead units may be the price; look at their share over time before acting.

## References

- Lu, Shin, Su, Karniadakis 2020, "Dying ReLU and initialization: theory and numerical examples", Communications in
  Computational Physics 28, arXiv 1903.06733
- He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", ICCV, arXiv 1502.01852
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, Severity, UnitsRecord, Where
from headwater.rules.common import listed, named, percent
from headwater.rules.rule import Rule
from headwater.rules.thresholds import FEW, FIRM

CODE, NAME = "HW301", "dead-units"

ZERO_SLOPE = frozenset(["relu", "relu6", "hardtanh", "clamp", "clampmin", "threshold"])
"""Activations whose slope is exactly zero over a half-line. A sigmoid's reaches zero by rounding only: HW302."""

MOST_UNITS, NEARLY_ALL_UNITS = 0.5, 0.9
"""Shares of a layer's units. Healthy networks have up to 0.3 (measured, 30 layers of ReLU with He initialisation)."""
_REMEDIES = ("leaky-activation", "lower-rate", "init-matched", "zero-bias", "normalisation")
_ORDER: tuple[Severity, ...] = ("error", "warning", "info")
RULE_OF_THREE = 3.0
"""``-ln 0.05``: a unit not seen active in n samples is active on less than 3/n of the data at 95 % confidence."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for hidden layers in which many units were never active."""
    severities: dict[UnitsRecord, Severity] = {
        units: severity for units in dead_layers(measurement) if (severity := _severity(units))
    }
    if not severities:
        return None
    worst = min(severities, key=lambda units: (_ORDER.index(severities[units]), -_share(units)))
    severity = severities[worst]
    layers = tuple(units.layer or units.name for units in severities if severities[units] == severity)
    bound = RULE_OF_THREE / worst.samples
    place = worst.layer or worst.name
    also = [name for name in layers if name != place]
    return Finding(
        code=CODE,
        name=NAME,
        severity=severity,
        where=Where(place, layers, worst.file, worst.line, built=worst.built),
        message=f"{worst.dead} of {worst.units} units after {named(place)} ({worst.kind}) were inactive on "
        f"all {worst.samples} samples" + (f"; so were many after {listed(also)}." if also else "."),
        cause="Their input is negative (or beyond the limit) on every sample: their slope is exactly zero, and no "
        f"gradient brings them back. Such a unit fires on less than {percent(bound)} of the data (95 % confidence)."
        + (f" Pass more batches: {FIRM} samples are needed to be sure." if severity == "info" else ""),
        evidence={
            "dead": worst.dead,
            "units": worst.units,
            "samples": worst.samples,
            "activity bound": bound,
            "layers": len(layers),
        },
        remedies=() if severity == "info" else _REMEDIES,
    )


def dead_layers(measurement: Measurement) -> tuple[UnitsRecord, ...]:
    """The hidden activations that this rule judges at all: their slope can be zero, and enough samples were seen."""
    return tuple(
        units
        for units in measurement.units
        if units.role == "hidden" and units.kind in ZERO_SLOPE and units.units > 0 and units.samples >= FEW
    )


def _severity(units: UnitsRecord) -> Severity | None:
    if _share(units) > NEARLY_ALL_UNITS:
        return "error"
    if _share(units) <= MOST_UNITS:
        return None
    return "warning" if units.samples >= FIRM else "info"


def _share(units: UnitsRecord) -> float:
    return units.dead / units.units


RULE = Rule(CODE, NAME, check, __doc__ or "")
