"""The three trainings whose steps are timed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

CLASSES, WORDS, WIDTH, LENGTH = 10, 1000, 256, 128


class Tokens(nn.Module):
    """A transformer encoder that names each token."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, 8, 4 * WIDTH, dropout=0.0, batch_first=True)
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embedding(x) + self.place)).flatten(0, 1)


def _mlp() -> nn.Module:
    hidden = [layer for _ in range(49) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, CLASSES))


def _cnn() -> nn.Module:
    layers: list[nn.Module] = []
    widths = (3, 32, 32, 32, 32, 64, 64, 64, 64, 128, 128, 128)
    for before, after in itertools.pairwise(widths):
        stride = 2 if before != after and before > 3 else 1
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], CLASSES))


@dataclass(frozen=True)
class Kind:
    """A network and how its batches are drawn."""

    build: Callable[[], nn.Module]
    batch: Callable[[], tuple[torch.Tensor, torch.Tensor]]


KINDS = {
    "50-layer width-256 MLP, 64": Kind(_mlp, lambda: (torch.randn(64, WIDTH), torch.randint(0, CLASSES, (64,)))),
    "12-layer CNN, 32 x 3 x 32 x 32": Kind(
        _cnn, lambda: (torch.randn(32, 3, 32, 32), torch.randint(0, CLASSES, (32,)))
    ),
    "6-layer d=256 transformer, 8 x 128": Kind(
        Tokens, lambda: (torch.randint(0, WORDS, (8, LENGTH)), torch.randint(0, WORDS, (8 * LENGTH,)))
    ),
}
BATCHES = 4


class Training:
    """A network under stochastic gradient descent with momentum: a cheap optimizer hides nothing."""

    def __init__(self, kind: str, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.model = KINDS[kind].build().to(device)
        self.batches = [tuple(t.to(device) for t in KINDS[kind].batch()) for _ in range(BATCHES)]
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.steps = 0
        self.before_update: Callable[[], None] = lambda: None

    def step(self) -> None:
        """One step of an ordinary loop; `before_update` is what a user would write before ``optimizer.step()``."""
        x, y = self.batches[self.steps % BATCHES]
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(x), y).backward()
        self.before_update()
        self.optimizer.step()
        self.steps += 1
