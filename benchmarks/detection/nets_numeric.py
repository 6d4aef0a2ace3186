"""Parts of networks that lose the signal or stop being finite, each beside the safe way to write it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection.nets_sequence import Recurrent


class Between(nn.Module):
    """Two parts with a function between them."""

    def __init__(self, first: nn.Module, change: Callable[[Tensor], Tensor], second: nn.Module):
        super().__init__()
        self.first, self.change, self.second = first, change, second

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.change(self.first(x)))


class Masked(nn.Module):
    """Attention whose mask leaves empty queries nothing to look at; `nan_to_num` hides that from the output only."""

    def __init__(self, width: int, safe: bool):
        super().__init__()
        self.embed, self.query, self.head = nn.Embedding(17, width), nn.Linear(width, width), nn.Linear(16 * width, 10)
        self.safe = safe

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens)
        mask = torch.zeros(tokens.shape)[:, :, None].masked_fill(
            (tokens == 0)[:, :, None], -1e4 if self.safe else float("-inf")
        )
        scores = self.query(h) @ h.transpose(1, 2) / h.shape[-1] ** 0.5 + mask
        mixed = scores.softmax(-1).nan_to_num() @ h
        return self.head((h + mixed).flatten(1))


class Coordinates(nn.Module):
    """Adds two channels of pixel coordinates; `unit`: what one pixel counts."""

    def __init__(self, channels: int, unit: float):
        super().__init__()
        rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        self.register_buffer("grid", unit * torch.stack([rows, columns])[None])
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.rest = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * channels, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.first(torch.cat([x, self.grid.expand(len(x), -1, -1, -1)], 1)))


def root(x: Tensor) -> Tensor:
    """The mask multiplies an infinite derivative by zero (a ReLU would replace it by zero)."""
    return (x * (x > 0)).sqrt()


def safe_root(x: Tensor) -> Tensor:
    return (x.relu() + 1e-2).sqrt()


def unit_rows(x: Tensor) -> Tensor:
    """The zero vector stays zero: the value is guarded, its derivative is not."""
    norm = (x * x).sum(-1, keepdim=True).sqrt()
    return torch.where(norm > 0, x / norm.clamp_min(1e-12), x)


def safe_unit_rows(x: Tensor) -> Tensor:
    return x / ((x * x).sum(-1, keepdim=True) + 1e-3).sqrt()


class Tagged(nn.Module):
    """Features of each time step beside a learnt vector that is the same at every step."""

    def __init__(self, width: int):
        super().__init__()
        self.features, self.tag = nn.Linear(8, width - 4), nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.features(x).tanh(), self.tag.expand(*x.shape[:2], 4)], -1)


def spread_over_time(x: Tensor) -> Tensor:
    """`torch.std` guards its derivative at zero; the root of the variance does not."""
    return torch.cat([x.mean(1), x.var(1).sqrt()], -1)


def safe_spread_over_time(x: Tensor) -> Tensor:
    return torch.cat([x.mean(1), (x.var(1) + 1e-4).sqrt()], -1)


def entropy(x: Tensor, floor: float) -> Tensor:
    """Mean entropy of the units' shares, zero shares left out of the sum."""
    p = x.relu()
    p = p / (p.sum(-1, keepdim=True) + 1e-6) + floor
    return torch.where(p > 0, -p * p.log(), p.new_zeros(())).sum(-1).mean()


def crowding(x: Tensor, floor: float) -> Tensor:
    """How close the samples of a batch lie; each is at distance zero from itself."""
    gap = ((x[:, None] - x[None]) ** 2).mean(-1)
    return torch.exp(-(gap + floor).sqrt()).mean()


def crowding_of_angles(x: Tensor, floor: float) -> Tensor:
    unit = F.normalize(x, dim=-1)
    return -torch.acos((unit @ unit.T).clamp(floor - 1, 1 - floor)).mean()


class Exponential(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


class Pooling(nn.Module):
    """Averages normalised vectors over the tokens (1), or over the features (-1), where each mean is zero."""

    def __init__(self, width: int, over: int):
        super().__init__()
        self.embed, self.inner = nn.Embedding(17, width), nn.Linear(width, width)
        self.position = nn.Parameter(torch.randn(16, width))
        self.norm, self.over = nn.LayerNorm(width, elementwise_affine=False), over
        self.head = nn.Linear(width if over == 1 else 16, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens) + self.position
        return self.head(self.norm(h + self.inner(h).relu()).mean(self.over))


class PaddedRnn(nn.Module):
    """Reads rows and then padding; the answer is read at the last row, or at the end of the padding."""

    def __init__(self, kind: str, width: int, padding: int, at_end: bool):
        super().__init__()
        self.inner = Recurrent(kind, 8, width, 10, every_step=True)
        self.padding, self.at = padding, -1 if at_end else 7

    def forward(self, x: Tensor) -> Tensor:
        padded = torch.cat([x, x.new_zeros(len(x), self.padding, 8)], 1)
        return self.inner(padded)[:, self.at]


def padded_embedding(width: int) -> nn.Module:
    """Token 0 is padding and starts as the zero vector, but is not declared as `padding_idx`."""
    embedding = nn.Embedding(17, width)
    embedding.weight.data[0] = 0
    return embedding


def pooled(width: int, norm: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.ReLU(),
        nn.Conv2d(width, width, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        norm,
        nn.Flatten(),
        nn.Linear(width, 10),
    )


def averaged(width: int, act: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.ReLU(),
        nn.Conv2d(width, width, 3),
        nn.InstanceNorm2d(width),
        act,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 10),
    )
