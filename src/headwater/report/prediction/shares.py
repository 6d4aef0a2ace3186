"""How much of the gradient reaches each layer."""

from __future__ import annotations

import math

from headwater.records import PredictionRecord

_LARGEST_LOG = 709.0


def shares_of_gradient(record: PredictionRecord) -> list[tuple[int, float]]:
    """Returns layer and norm of the gradient there as a share of the last layer's, from the last layer to the first."""
    found, log = [(record.depth, 1.0)], 0.0
    for layer in range(record.depth - 1, 0, -1):
        gain = record.gains[layer - 1]
        log += math.log(gain) if gain > 0.0 else -math.inf
        found.append((layer, math.exp(log) if log < _LARGEST_LOG else math.inf))
    return found
