"""Networks whose path from parameters to loss is cut, gated, shared or partly unused."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection.nets import mlp

Change = Callable[[Tensor], Tensor]


class Cut(nn.Module):
    """Body, then a function that may cut the path, then the head."""

    def __init__(self, body: nn.Module, cut: Change, head: nn.Module):
        super().__init__()
        self.body, self.cut, self.head = body, cut, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cut(self.body(x)))


class NoGradBody(nn.Module):
    """Runs the body under `torch.no_grad`, as code copied from an evaluation loop does."""

    def __init__(self, body: nn.Module, head: nn.Module, grad: bool):
        super().__init__()
        self.body, self.head, self.grad = body, head, grad

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.grad):
            features = self.body(x)
        return self.head(features)


class Hidden(nn.Module):
    """Layers in a plain Python list: `parameters()` does not see them."""

    def __init__(self, width: int, registered: bool):
        super().__init__()
        layers = [nn.Linear(64, width), nn.Linear(width, width), nn.Linear(width, width)]
        for layer in layers:
            nn.init.normal_(layer.weight, 0, 1 / math.sqrt(width))
        self.layers = nn.ModuleList(layers) if registered else layers
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)


class Spikes(nn.Module):
    """Leaky integrate-and-fire units over time; `surrogate` gives the spike a derivative."""

    def __init__(self, width: int, surrogate: bool):
        super().__init__()
        self.inner, self.head = nn.Linear(8, width), nn.Linear(width, 10)
        self.surrogate = surrogate

    def forward(self, x: Tensor) -> Tensor:
        charge = total = x.new_zeros(len(x), self.head.in_features)
        for t in range(x.shape[1]):
            charge = 0.8 * charge + self.inner(x[:, t])
            spike = (charge > 0.5).float()
            if self.surrogate:
                soft = torch.sigmoid(4 * (charge - 0.5))
                spike = soft + (spike - soft).detach()
            charge = charge - spike * 0.5
            total = total + spike
        return self.head(total / x.shape[1])


class TwoHeads(nn.Module):
    """Returns a dict of two outputs."""

    def __init__(self, width: int):
        super().__init__()
        self.body, self.digit, self.even = mlp(64, width, 2, width), nn.Linear(width, 10), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.body(x).relu()
        return {"digit": self.digit(h), "even": self.even(h)}


class TwoInputs(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(32, width), nn.Linear(32, width), nn.Linear(width, 10)

    def forward(self, top: Tensor, bottom: Tensor) -> Tensor:
        return self.head((self.left(top) + self.right(bottom)).relu())


class UnusedBranch(nn.Module):
    """Holds a layer that the forward pass never calls."""

    def __init__(self, width: int):
        super().__init__()
        self.used, self.spare = mlp(64, width, 2, 10), mlp(64, width, 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


class Stopped(nn.Module):
    """A teacher in the model, frozen, and a stop-gradient on its side (BYOL, SimSiam)."""

    def __init__(self, width: int):
        super().__init__()
        self.student, self.predict, self.head = mlp(64, width, 2, width), nn.Linear(width, width), nn.Linear(width, 10)
        self.teacher = mlp(64, width, 2, width).requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.student(x)
        with torch.no_grad():
            aim = self.teacher(x)
        return self.head(h.relu()), 1 - F.cosine_similarity(self.predict(h), aim).mean()


class Quantised(nn.Module):
    """Vector quantisation with a straight-through estimator."""

    def __init__(self, width: int, codes: int = 32):
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 1, width), mlp(width, 64, 1, 10)
        self.codes = nn.Embedding(codes, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(x)
        code = self.codes(torch.cdist(z, self.codes.weight).argmin(-1))
        commit = F.mse_loss(code, z.detach()) + 0.25 * F.mse_loss(z, code.detach())
        return self.decoder(z + (code - z).detach()), commit


class SharedDepth(nn.Module):
    """One block applied several times."""

    def __init__(self, width: int, times: int):
        super().__init__()
        self.stem, self.block, self.head = nn.Linear(64, width), nn.Linear(width, width), nn.Linear(width, 10)
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x).relu()
        for _ in range(self.times):
            h = h + 0.3 * self.block(h).relu()
        return self.head(h)


class Generator(nn.Module):
    """A generator that learns through a frozen critic."""

    def __init__(self, width: int):
        super().__init__()
        self.generator, self.critic = mlp(64, width, 2, 64), mlp(64, width, 1, 10).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.critic(self.generator(x))
