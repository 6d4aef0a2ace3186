"""The gradient against depth, measured and predicted, and the numbers of every layer."""

from __future__ import annotations

import math
from typing import Any

from headwater.records import Layer, Measurement
from headwater.report.view import Place, factors, place_name, places
from headwater.report.words import places as source_places

Segment = list[tuple[int, float]]


def flow_of(measurement: Measurement) -> dict[str, Any]:
    """The places that the gradient passes, input to output, as columns, and what theory predicts."""
    shown = places(measurement)
    return {
        "name": [place_name(place) for place in shown],
        "depth": [place.depth for place in shown],
        "signal": [place.signal for place in shown],
        "gain": [place.gain for place in shown],
        "kind": [_kind(place) for place in shown],
        "predicted": predicted(measurement),
        "attenuation": measurement.profile.attenuation,
        "per_layer": measurement.profile.per_layer,
        "underflow_at": measurement.profile.underflow_at,
    }


def predicted(measurement: Measurement) -> list[Segment]:
    """What the predicted gains make of the last layer's gradient, layer by layer toward the input.

    Where theory has no formula for a layer the line ends, and another begins at what is measured below it.
    """
    layers = {layer.name: layer for layer in measurement.layers}
    trunk = [layers[point.name] for point in measurement.profile.points if point.name in layers]
    found: list[Segment] = []
    expected: dict[str, float] = {}
    for layer in reversed(trunk):
        below = layers.get(layer.toward or "")
        start = expected.get(layer.name, layer.signal)
        if below is None or layer.predicted_gain is None or start is None or not math.isfinite(start):
            continue
        if layer.name not in expected:
            found.append([(layer.depth, start)])
        expected[below.name] = start * layer.predicted_gain
        found[-1].append((below.depth, expected[below.name]))
    return found


def layers_of(measurement: Measurement) -> dict[str, list[Any]]:
    """All numbers of all layers, as columns, input to output."""
    rows = [_layer(layer, measurement) for layer in measurement.layers]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _layer(layer: Layer, measurement: Measurement) -> dict[str, Any]:
    said = dict(source_places(layer))
    spread = next((each.spread for each in measurement.spreads if each.layer == layer.name), None)
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": "×".join(map(str, layer.shape)),
        "depth": layer.depth,
        "signal": layer.signal,
        "gain": layer.gain,
        "parts": list(factors(layer.gain_parts).values()) if layer.gain_parts else None,
        "predicted_gain": layer.predicted_gain,
        "predicted_parts": list(factors(layer.predicted_parts).values()) if layer.predicted_parts else None,
        "toward": layer.toward,
        "update_ratio": layer.update_ratio,
        "loss_share": layer.loss_share,
        "weight_norm": layer.weight_norm,
        "stream": layer.stream,
        "spread": spread,
        "activation": layer.activation,
        "calls": layer.calls,
        "notes": _notes(layer),
        "built": said.get("built at", ""),
        "called": said.get("called at", said.get("at", "")),
    }


def units_of(measurement: Measurement) -> list[dict[str, Any]]:
    """The units of each activation: how many are dead, and how many saturated."""
    return [
        {
            "name": units.name,
            "kind": units.kind,
            "role": units.role,
            "layer": units.layer,
            "layers": units.layers or ((units.layer,) if units.layer else ()),
            "units": units.units,
            "samples": units.samples,
            "dead": units.dead,
            "saturated": units.saturated,
            "slope": units.mean_square_slope,
        }
        for units in measurement.units
    ]


def magnitudes_of(measurement: Measurement) -> dict[str, dict[str, Any]]:
    """By layer and quantity: the power of two of the first bin, and the count of each."""
    found: dict[str, dict[str, Any]] = {}
    for each in measurement.magnitudes:
        found.setdefault(each.layer, {})[each.quantity] = {"lowest": each.lowest, "counts": each.counts}
    return found


def _kind(place: Place) -> str:
    if place.layer is None:
        return "meeting"
    return "layer" if place.trunk else "branch"


def _notes(layer: Layer) -> str:
    notes = {
        "in a branch": layer.branch,
        "frozen": not layer.trainable,
        "starts at zero by design": layer.zero_initialised,
        "lost to rounding": layer.underflow,
    }
    return ", ".join(note for note, applies in notes.items() if applies)
