"""Which part of a layer costs or amplifies the gradient most: the factors of the gain, averaged over the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.records import GainParts, Layer, Measurement
from headwater.records.numbers import number
from headwater.rules.common import layer_named, percent

NAMES = ("activation", "weights", "normalisation", "other")


@dataclass(frozen=True)
class Parts:
    """Geometric mean of each factor of the gain over some layers."""

    gains: dict[str, float]

    @property
    def costliest(self) -> str:
        """The part with the smallest factor."""
        return min(self.gains, key=lambda name: self.gains[name])


def chain_parts(measurement: Measurement, only: str | None = None) -> Parts | None:
    """Returns the factors along the chain, or those of one layer; `None` where most layers lie in branches."""
    return mean_parts(chain_layers(measurement, only))


def chain_layers(measurement: Measurement, only: str | None = None) -> list[Layer]:
    """Returns the layers in no branch, or the one layer; none of them where most layers lie in branches.

    In a residual network what a layer of a branch keeps is not what the trunk keeps.
    """
    layers = [layer_named(measurement, only)] if only else measurement.layers
    trunk = [layer for layer in layers if layer is not None and not layer.branch]
    return trunk if 2 * len(trunk) >= len(layers) else []


def mean_parts(layers: Sequence[Layer]) -> Parts | None:
    """Geometric means over the layers whose gain is known and not zero."""
    known = [layer.gain_parts for layer in layers if layer.gain_parts and layer.gain and math.isfinite(layer.gain)]
    if not known:
        return None
    return Parts({name: _mean([factor(parts, name) for parts in known]) for name in NAMES})


def factor(parts: GainParts, name: str) -> float:
    """One factor, by name."""
    return {
        "activation": parts.activation,
        "weights": parts.weights,
        "normalisation": parts.normalisation,
        "other": parts.other,
    }[name]


def part_words(parts: Parts, *, grows: bool = False) -> str:
    """The factors in words, the decisive one first: ``the activation keeps 25 % of the gradient, the weights 58 %``."""
    said = {
        "activation": "the activation",
        "weights": "the weights",
        "normalisation": "the normalisation",
        "other": "everything else",
    }
    order = sorted(parts.gains, key=lambda name: parts.gains[name], reverse=grows)
    first, *rest = [name for name in order if abs(math.log(parts.gains[name])) > 0.01] or order[:1]
    plural = first == "weights"
    if grows:
        verb = ("multiply" if plural else "multiplies") + f" it by {number(parts.gains[first])}"
    else:
        verb = ("keep " if plural else "keeps ") + percent(parts.gains[first]) + " of the gradient"
    others = ", ".join(f"{said[name]} {_factor_words(parts.gains[name])}" for name in rest[:2])
    return f"{said[first]} {verb}" + (f", {others}" if others else "")


def _factor_words(value: float) -> str:
    """``58 %``; what grows by half and more as ``x 3.1``."""
    return percent(value) if value < 1.5 else f"× {number(value)}"


def _mean(values: Sequence[float]) -> float:
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    return math.exp(sum(map(math.log, positive)) / len(positive)) if positive else 0.0
