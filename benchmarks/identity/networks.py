"""Small networks of six kinds, each a stem, blocks that can be checkpointed, and a head."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

CLASSES, BATCH, LENGTH, WIDTH, WORDS = 4, 8, 6, 16, 20


class Network(nn.Module):
    """Stem, blocks, head."""

    def __init__(self, stem: nn.Module, blocks: list[nn.Module], head: nn.Module, checkpointing: bool) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.ModuleList(blocks), head
        self.checkpointing = checkpointing

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.checkpointing else block(x)
        return self.head(x)


class Residual(nn.Module):
    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.branch(x))


class Sequence(nn.Module):
    """A recurrent layer without its state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0]


class Last(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, -1]


@dataclass(frozen=True)
class Kind:
    """What a network is built of, and what it reads."""

    stem: Callable[[], nn.Module]
    block: Callable[[float], nn.Module]
    head: Callable[[], nn.Module]
    shape: tuple[int, ...] | None


def _convolution(dropout: float) -> nn.Sequential:
    layers = (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(dropout))
    return nn.Sequential(*layers)


def _image_head() -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES))


def _last_head() -> nn.Sequential:
    return nn.Sequential(Last(), nn.Linear(WIDTH, CLASSES))


def _transformer_block(dropout: float) -> nn.Module:
    return nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, dropout, batch_first=True)


KINDS = {
    "MLP": Kind(
        lambda: nn.Linear(WIDTH, WIDTH),
        lambda dropout: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(dropout)),
        lambda: nn.Linear(WIDTH, CLASSES),
        (WIDTH,),
    ),
    "CNN": Kind(lambda: nn.Conv2d(3, 8, 3), _convolution, _image_head, (3, 8, 8)),
    "residual CNN": Kind(
        lambda: nn.Conv2d(3, 8, 3), lambda dropout: Residual(_convolution(dropout)), _image_head, (3, 8, 8)
    ),
    "LSTM": Kind(
        lambda: nn.Linear(WIDTH, WIDTH),
        lambda dropout: Sequence(nn.LSTM(WIDTH, WIDTH, 2, batch_first=True, dropout=dropout)),
        _last_head,
        (LENGTH, WIDTH),
    ),
    "transformer": Kind(lambda: nn.Linear(WIDTH, WIDTH), _transformer_block, _last_head, (LENGTH, WIDTH)),
    "GRU": Kind(
        lambda: nn.Embedding(WORDS, WIDTH),
        lambda dropout: Sequence(nn.GRU(WIDTH, WIDTH, 2, batch_first=True, dropout=dropout)),
        _last_head,
        None,
    ),
}
BLOCKS = 2


def build(name: str, dropout: float, checkpointing: bool) -> Network:
    """Returns a new network."""
    kind = KINDS[name]
    return Network(kind.stem(), [kind.block(dropout) for _ in range(BLOCKS)], kind.head(), checkpointing)


def batch(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws a batch; numbers come from numpy and labels from Python, so that both generators are part of a training."""
    shape = KINDS[name].shape
    if shape is None:
        x = torch.from_numpy(np.random.randint(0, WORDS, (BATCH, LENGTH)))
    else:
        x = torch.from_numpy(np.random.randn(BATCH, *shape).astype(np.float32))
    return x, torch.tensor([random.randrange(CLASSES) for _ in range(BATCH)])
