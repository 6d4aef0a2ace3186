"""What the rules on precision share: which weights are judged, what counts as a part, and when nothing is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.records import Measurement, NumbersRecord, ParameterRecord, Where
from headwater.rules.common import at_layer, layer_of

MOST_WEIGHTS, PART = 0.5, 0.25
"""Share of the judged weights from which on a network, or a part of it, is affected. Each weight counts once: by
elements, one large table would hide all the rest."""

CONVERGED = 0.05
"""Loss over the loss with shuffled targets: below this the network has learnt, and small gradients are natural."""

SMALL_STEP = 1e-3
"""Relative update of a healthy step (Karpathy, CS231n: "somewhere around 1e-3"): from there on nothing is held back."""

_LOOKUPS = ("Embedding", "EmbeddingBag")


def judged_weights(measurement: Measurement) -> tuple[NumbersRecord, ...]:
    """What was measured of the weights that are not exempt."""
    parameters = _parameters(measurement)
    return tuple(
        w
        for w in measurement.precision.weights
        if w.name not in parameters or not exempt(measurement, parameters[w.name])
    )


def exempt(measurement: Measurement, parameter: ParameterRecord) -> bool:
    """Whether a weight is a lookup table, or cut off at the first step by a weight of zeros, by design."""
    layer = layer_of(measurement, parameter)
    return layer is not None and (layer.kind in _LOOKUPS or layer.zero_initialised)


def converged(measurement: Measurement) -> bool:
    """Whether the network tells its targets apart so well that little is left to learn."""
    fit = measurement.precision.fit
    return fit is not None and fit < CONVERGED


def update_of(measurement: Measurement, weight: NumbersRecord) -> float:
    """Relative update of a weight; 0 when it was never updated."""
    record = _parameters(measurement).get(weight.name)
    return record.update_ratio or 0.0 if record is not None else 0.0


def place(measurement: Measurement, weights: Sequence[NumbersRecord], worst: NumbersRecord) -> Where:
    """Where these weights stand: the layer of the worst of them, and all by name."""
    record = _parameters(measurement).get(worst.name)
    layer = layer_of(measurement, record) if record is not None else None
    module = layer.name if layer is not None else worst.name.rpartition(".")[0] or worst.name
    return at_layer(measurement, module, tuple(w.name for w in weights))


def _parameters(measurement: Measurement) -> dict[str, ParameterRecord]:
    return {p.name: p for p in measurement.parameters}
