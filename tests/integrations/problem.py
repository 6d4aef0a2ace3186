"""One small problem for all: a deep sigmoid network, whose gradient vanishes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def network(depth: int = 12) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(8 if i == 0 else 16, 16), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(16, 3))


def batches(count: int = 20, size: int = 32) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, size, 8, generator=generator)
    return [(each, each[:, :3].argmax(1)) for each in x]


def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for x, y in batches():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
