"""What every picture of a measurement shows: the places that the gradient passes, and the parts of each gain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.records import GainParts, Layer, Measurement, Profile

PARTS = ("activation", "weights", "normalisation", "other")


@dataclass(frozen=True)
class Place:
    """A place of the network and the gradient there.

    Attributes:
        name, depth, signal: as in `Layer` and `ProfilePoint`.
        trunk: whether the gradient cannot go around it.
        gain: what is left at the next place toward the input; ``None`` where there is none.
        layer: the layer that stands here; ``None`` where branches meet.
    """

    name: str
    depth: int
    signal: float | None
    trunk: bool
    gain: float | None = None
    layer: Layer | None = None


def places(measurement: Measurement) -> tuple[Place, ...]:
    """Returns the layers and the points of the trunk, input to output."""
    layers = {layer.name: layer for layer in measurement.layers}
    trunk = [
        Place(point.name, point.depth, point.signal, True, gain, layers.get(point.name))
        for point, gain in zip(measurement.profile.points, _gains(measurement), strict=True)
    ]
    known = {place.name for place in trunk}
    others = [
        Place(layer.name, layer.depth, layer.signal, False, layer.gain, layer)
        for layer in measurement.layers
        if layer.name not in known
    ]
    # Where branches meet stands above the last layers of the branches.
    return tuple(sorted([*others, *trunk], key=lambda place: (place.depth, place.layer is None)))


def place_name(place: Place) -> str:
    """The name to show: where branches meet it is the module's, without the depth that makes it unique."""
    return place.name if place.layer is not None else place.name.rpartition("@")[0] or place.name


def factors(parts: GainParts) -> dict[str, float]:
    """The factors of a gain by name, in the order of `PARTS`."""
    return dict(zip(PARTS, (parts.activation, parts.weights, parts.normalisation, parts.other), strict=True))


def decisive(parts: GainParts | None) -> tuple[str, float] | None:
    """The factor that is farthest from one, in either direction."""
    known = [(name, value) for name, value in (factors(parts) if parts else {}).items() if not math.isnan(value)]
    return max(known, key=lambda item: distance(item[1]), default=None)


def distance(value: float) -> float:
    """How far a factor is from one, in decades; without end for zero and infinity."""
    return abs(math.log10(value)) if value > 0 and math.isfinite(value) else math.inf


def mean_gain(gains: Sequence[float | None]) -> float | None:
    """Geometric mean of the gains that are known; zero when one of them is."""
    known = [gain for gain in gains if gain is not None and math.isfinite(gain)]
    if not known:
        return None
    return math.exp(sum(map(math.log, known)) / len(known)) if min(known) > 0 else 0.0


def mean_parts(parts: Sequence[GainParts]) -> GainParts | None:
    """Geometric mean of each factor."""
    means = [mean_gain([factors(each)[name] for each in parts]) for name in PARTS]
    activation, weights, normalisation, other = (math.nan if mean is None else mean for mean in means)
    return GainParts(activation, weights, normalisation, other) if parts else None


def _gains(measurement: Measurement) -> list[float | None]:
    """Gain of each point of the trunk: the layer's own, or the step to the next point where branches meet."""
    layers = {layer.name: layer for layer in measurement.layers}
    steps = _steps(measurement.profile)
    points = measurement.profile.points
    return [layers[p.name].gain if p.name in layers else step for p, step in zip(points, steps, strict=True)]


def _steps(profile: Profile) -> list[float | None]:
    signals = [point.signal for point in profile.points]
    below = [None, *signals]
    return [
        low / high if low is not None and high > 0 and math.isfinite(high) else None
        for low, high in zip(below, signals, strict=False)
    ]
