"""The deep network of the demo, as anyone would write it: `headwater.fix` shows its change as a diff of this file."""

from __future__ import annotations

from torch import nn

DEPTH, WIDTH = 50, 128


def deep_network(inputs: int, classes: int) -> nn.Sequential:
    """Builds 50 sigmoid layers and a linear output layer, with PyTorch's default initialisation."""
    layers: list[nn.Module] = []
    for index in range(DEPTH):
        layers += [nn.Linear(inputs if index == 0 else WIDTH, WIDTH), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, classes))
