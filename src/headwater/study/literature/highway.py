"""Highway networks (Srivastava, Greff and Schmidhuber 2015, "Training very deep networks", equation 3)."""

from __future__ import annotations

import torch
from torch import nn


class HighwayLayer(nn.Module):
    """``T tanh(W x + b) + (1 - T) x``, ``T = sigmoid(W_T x + b_T)``; from (batch, width) to the same."""

    def __init__(self, width: int, gate_bias: float) -> None:
        super().__init__()
        self.transform, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, gate_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the mixture of what is transformed and what is carried."""
        opened = torch.sigmoid(self.gate(x))
        return opened * torch.tanh(self.transform(x)) + (1.0 - opened) * x


def highway(*, depth: int, width: int, gate_bias: float, seed: int) -> nn.Sequential:
    """Builds a plain layer to `width` units, ``depth - 2`` highway layers, and a linear output; for the digits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [HighwayLayer(width, gate_bias) for _ in range(depth - 2)]
        return nn.Sequential(nn.Linear(64, width), nn.Tanh(), *layers, nn.Linear(width, 10))
