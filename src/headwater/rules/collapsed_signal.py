"""HW103 collapsed-signal: the samples of a batch become one and the same on their way to the output.

The forward twin of a vanishing gradient. What differs between two samples shrinks by a factor a layer, while what
they have in common (above all the biases) stays. After enough layers the output no longer depends on the input.

## What it means

The last layers see the same vector for every sample, so no loss can teach them to tell samples apart: the network
learns the best constant and stops there. It can happen with parameter gradients that look healthy in every layer,
since a weight's gradient is the product of two signals, and the forward one counts as much as the backward one.

## How it is measured

At the input of every layer, with the mean taken over the batch:

    R_l = |h_l - mean h_l|_F / |h_l|_F          what is left = R_deepest / R_first

R is free of scale: it does not matter whether the signal as a whole grows or shrinks. At least two samples are
needed, and a first layer whose own input varies.

## Thresholds

| what | value | source |
| --- | --- | --- |
| warning | less than 1e-3 of the spread is left | measured over 30 layers: He ReLU keeps 0.4, Xavier tanh all |
| info | the same, at the input of the last layer only | by design: layer scale 1e-5 over a class token |
| error | less than 1e-5 is left | measured: default ReLU keeps 5e-8, default tanh 6e-7: float32's rounding |

A constant output (its deviation over the batch less than 1e-6 of its largest value, after the last step) is the same
collapse behind the last layer's input, and an error. A last layer that starts at zero gives a constant by design, but
has moved by then; while its rate is still zero (a warm-up), it is left alone. A collapse within a recurrent or
attention network shows in the same number; only fixed tokens or time steps are left unseen.

## What to do

Initialise each weight for the activation that follows it; then the spread of a ReLU network falls slowly instead of
exponentially. Add residual connections, which carry the input along. Normalise: BatchNorm keeps the spread by
construction. In pure attention, the residual connection around each block is what keeps tokens apart.

## What not to do

Do not look for the fault in the learning rate or the loss: no rate can use a signal that is not there. Do not raise
the precision: what is left below 1e-7 would be found again, and would still be too little.

## References

- Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli 2016, "Exponential expressivity in deep neural networks through
  transient chaos", NeurIPS, arXiv 1606.05340
- Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017, "Deep information propagation", ICLR, arXiv 1611.01232
- Dong, Cordonnier, Loukas 2021, "Attention is not all you need: pure attention loses rank doubly exponentially with
  depth", ICML, arXiv 2103.03404
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, Severity
from headwater.records.numbers import number
from headwater.rules.common import at_layer
from headwater.rules.effects import spread_left
from headwater.rules.explanation import explanation
from headwater.rules.rule import Rule
from headwater.rules.vanishing_gradient import WEAK

CODE, NAME = "HW103", "collapsed-signal"

COLLAPSED = 1e-3
"""Spread left at the deepest layer. Measured: 0.4 in networks that train, 6e-7 and less in those that do not."""
CONSTANT = 1e-6
"""Deviation of the output over the batch, of its largest value: a few roundings of float32."""
GONE = 1e-5
"""Spread left where the output no longer depends on the input: two digits above float32's rounding."""


def check(measurement: Measurement) -> Finding | None:
    """Compares the spread between samples at the deepest layer with that at the first."""
    left = spread_left(measurement)
    collapsed = left is not None and left < COLLAPSED
    if measurement.batch_size < 2:
        return None
    if left is None or not collapsed:
        return _constant(measurement) if _output_is_constant(measurement) else None
    spreads = sorted(measurement.spreads, key=lambda s: s.depth)
    place = next((s for s in spreads if s.spread <= COLLAPSED * spreads[0].spread), spreads[-1])
    evidence: dict[str, float | int | str] = {
        "spread at first": spreads[0].spread,
        "spread at last": spreads[-1].spread,
        "spread left": left,
    }
    if measurement.head.output_spread is not None:
        evidence["output spread"] = measurement.head.output_spread
    fate = "the output does not depend on the input" if left < GONE else "the output hardly depends on the input"
    return Finding(
        code=CODE,
        name=NAME,
        severity=_severity(measurement, left, [s.spread for s in spreads]),
        where=at_layer(measurement, place.layer),
        message=f"Of what differs between samples at {spreads[0].layer}, a share of {number(left)} is left at "
        f"{spreads[-1].layer}: {fate}.",
        cause=f"From {place.layer} on, samples differ by less than a thousandth of what they do at the first layer: "
        "each layer keeps what samples have in common (biases above all) and shrinks what tells them apart.",
        evidence=evidence,
        remedies=("normalise-elsewhere",) * _normalised_away(measurement, place.layer)
        + ("init-matched", "residual", "normalisation"),
        explanation=explanation(measurement) if _fades(measurement) else None,
    )


def _normalised_away(measurement: Measurement, layer: str) -> bool:
    """Whether a normalisation below the layer passes nothing back: over a single value it takes all away."""
    parts = next((each.gain_parts for each in measurement.layers if each.name == layer), None)
    return parts is not None and parts.normalisation < COLLAPSED


def _fades(measurement: Measurement) -> bool:
    """Whether the gradient goes the way of the signal: then one account stands for both."""
    attenuation = measurement.profile.attenuation
    return attenuation is not None and 0 < attenuation < WEAK


def _severity(measurement: Measurement, left: float, spreads: list[float]) -> Severity:
    """A collapse in the last place only, by no normalisation, is by design: layer scale over a class token."""
    if left < GONE:
        return "error"
    in_the_last_place = all(spread > COLLAPSED * spreads[0] for spread in spreads[:-1])
    parts = measurement.layers[-1].gain_parts
    return "info" if in_the_last_place and parts and parts.other < parts.normalisation else "warning"


def _output_is_constant(measurement: Measurement) -> bool:
    head, layers = measurement.head, measurement.layers
    if head.output_spread is None or head.output_min is None or head.output_max is None:
        return False
    waits = not layers or not layers[-1].update_ratio  # a last layer of zeros during a warm-up from rate zero
    by_design = waits and (len(layers) < 2 or any(layer.zero_initialised for layer in layers))
    return not by_design and head.output_spread <= CONSTANT * max(-head.output_min, head.output_max)


def _constant(measurement: Measurement) -> Finding:
    head, last = measurement.head, measurement.layers[-1].name
    deviation, low, high = (number(value or 0.0) for value in (head.output_spread, head.output_min, head.output_max))
    return Finding(
        code=CODE,
        name=NAME,
        severity="error",
        where=at_layer(measurement, last),
        message=f"The output is the same for every sample: over the batch it deviates by {deviation}, at values from "
        f"{low} to {high}.",
        cause=f"Samples still differ at the layers' inputs; what tells them apart is lost next to {last}: a "
        "normalisation over one feature, or one that is then averaged, gives every sample the same numbers.",
        evidence={"output spread": head.output_spread or 0.0},
        remedies=("normalise-elsewhere",),
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
