"""Does a part of the network learn? What the optimizer did, compared between low and high layers.

A rule that calls a fault an error needs a cause, which the chain rule shows, and an effect, which is shown here. All
comparisons are ratios between layers of one network: the scale of the loss, the batch and the rate cancel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from headwater.records import Layer, Measurement, ParameterRecord
from headwater.rules.common import layer_of, median

LOOKUPS = ("Embedding", "EmbeddingBag")
"""Layers that look rows up: most rows get no gradient from a batch, by design."""

_ROUNDING = 1e-5
"""A spread below this is within two digits of float32's rounding (1.2e-7): a ratio to it says nothing."""


def trained(measurement: Measurement) -> tuple[Layer, ...]:
    """The layers whose update can be judged, input to output.

    Left out: frozen layers and those at rate zero (their ratio is `None`), layers that a weight of zeros cut off at the
    first step by design, and lookup tables, most rows of which no batch touches.
    """
    return tuple(
        layer
        for layer in sorted(measurement.layers, key=lambda layer: layer.depth)
        if layer.trainable
        and layer.update_ratio is not None
        and not layer.zero_initialised
        and layer.kind not in LOOKUPS
    )


def thirds(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The lowest and the highest third of layers in order of depth; both empty when there are fewer than three."""
    size = len(layers) // 3
    return (tuple(layers[:size]), tuple(layers[-size:])) if size else ((), ())


def update(layer: Layer) -> float:
    """Relative update of a layer; 0 when no gradient reaches it, whatever else (decay) moved it."""
    return 0.0 if layer.underflow or layer.signal == 0 else layer.update_ratio or 0.0


def update_contrast(lower: Sequence[Layer], upper: Sequence[Layer]) -> float | None:
    """Median relative update of the lower layers over that of the upper ones; `None` when the upper do not move."""
    if not lower or not upper:
        return None
    above = median(map(update, upper))
    return median(map(update, lower)) / above if above > 0 else None


def loss_share(lower: Sequence[Layer], layers: Sequence[Layer]) -> float | None:
    """Share of the lower layers in the first-order change of the loss, in absolute values."""
    total = sum(abs(layer.loss_share) for layer in layers if layer.loss_share is not None)
    if not lower or total == 0:
        return None
    return sum(abs(layer.loss_share) for layer in lower if layer.loss_share is not None) / total


def epsilon_share(measurement: Measurement, layers: Sequence[Layer]) -> float | None:
    """Median, over the layers, of the share of elements whose step Adam's epsilon rules."""
    names = {layer.name for layer in layers}
    shares = [
        p.epsilon_share
        for p in measurement.parameters
        if p.epsilon_share is not None and len(p.shape) > 1 and _applied_by(measurement, p) in names
    ]
    return median(shares) if shares else None


def _applied_by(measurement: Measurement, parameter: ParameterRecord) -> str | None:
    layer = layer_of(measurement, parameter)
    return layer.name if layer else None


def spread_left(measurement: Measurement) -> float | None:
    """Spread ``R = |h - batch mean| / |h|`` at the input of the deepest layer, as a share of that at the first.

    At equal depth the largest counts, since what survives beside is not lost. `None` where there is nothing to compare.
    """
    first_depth = min((s.depth for s in measurement.spreads), default=0)
    last_depth = max((s.depth for s in measurement.spreads), default=0)
    first = max((s.spread for s in measurement.spreads if s.depth == first_depth), default=0.0)
    if first_depth == last_depth or not _ROUNDING <= first < math.inf:
        return None
    left = max(s.spread for s in measurement.spreads if s.depth == last_depth) / first
    return left if math.isfinite(left) else None
