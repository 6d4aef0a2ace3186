"""Layer-sequential unit variance (Mishkin and Matas 2016, "All you need is a good init", algorithm 1)."""

from __future__ import annotations

import torch
from torch import nn

TOLERANCE, MOST = 0.1, 10
"""How far from one a variance may stay, and how often a layer is scaled at most (algorithm 1)."""


@torch.no_grad()
def lsuv_(
    network: nn.Sequential,
    inputs: torch.Tensor,
    *,
    tolerance: float = TOLERANCE,
    generator: torch.Generator | None = None,
) -> tuple[float, ...]:
    """Draws orthogonal weights, then scales each layer in turn until the variance of its output is one.

    Args:
        network: a chain of modules; its linear layers are changed in place, their biases become zero.
        inputs: a batch.
        tolerance: how far from one the variance may stay.
        generator: draws the weights; ``None``: the global one.

    Returns:
        The variance of the output of each linear layer, over units and samples, first to last.
    """
    found: list[float] = []
    x = inputs
    for module in network:
        if isinstance(module, nn.Linear):
            nn.init.orthogonal_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
            found.append(_scaled(module, x, tolerance))
        x = module(x)
    return tuple(found)


def _scaled(layer: nn.Linear, x: torch.Tensor, tolerance: float) -> float:
    for _ in range(MOST):
        variance = float(layer(x).var(correction=0))
        if abs(variance - 1.0) < tolerance:
            return variance
        layer.weight /= variance**0.5
    return float(layer(x).var(correction=0))
