"""Networks of every family, small, in float64: what the trace is held against autograd on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Mlp(nn.Module):
    inputs = (8, 6)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 12)
        self.middle = nn.ModuleList(nn.Linear(12, 12) for _ in range(6))
        self.last = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.first(x))
        for layer in self.middle:
            x = F.relu(layer(x), inplace=True)
        return self.last(x)


class Cnn(nn.Module):
    inputs = (4, 3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.middle = nn.Sequential(
            nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        )
        self.last = nn.Linear(8 * 3 * 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.middle(self.first(x)).flatten(1))


class Residual(nn.Module):
    inputs = (4, 3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)) for _ in range(4)
        )
        self.last = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x.mean((2, 3)))


class Transformer(nn.Module):
    inputs = (3, 5, 6)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.encoder(self.first(x)))


class Unrolled(nn.Module):
    inputs = (5, 9, 6)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 10)
        self.cell = nn.GRUCell(10, 10)
        self.last = nn.Linear(10, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x.new_zeros(x.shape[0], 10)
        steps = self.first(x)
        for t in range(x.shape[1]):
            h = self.cell(steps[:, t], h)
        return self.last(h)


FAMILIES: dict[str, type[nn.Module]] = {
    "mlp": Mlp,
    "cnn": Cnn,
    "residual": Residual,
    "transformer": Transformer,
    "unrolled": Unrolled,
}
