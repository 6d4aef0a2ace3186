"""Feed-forward networks of the benchmark, and ways to initialise any network."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "linear": nn.Identity,
    "hardtanh": nn.Hardtanh,
    "softsign": nn.Softsign,
    "mish": nn.Mish,
}
# Gains that keep the gradient's norm, or the signal's where that is the stabler choice.
GAINS = {"relu": math.sqrt(2), "gelu": 1.5, "silu": 1.65, "tanh": 1.1, "elu": 1.22, "selu": 1.0, "leaky": math.sqrt(2)}


def weights(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.dim() >= 2]


def init_(model: nn.Module, how: str | None, amount: float = 1.0, *, bias: float | None = 0.0) -> nn.Module:
    """Initialise every matrix and kernel: ``default`` keeps PyTorch's; the others are scaled by `amount`."""
    if how is None:
        return model
    for _, weight in weights(model):
        _fill(weight.data, how, amount)
    if bias is not None:
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 and name.endswith("bias"):
                parameter.data.fill_(bias)
    return model


def _fill(weight: Tensor, how: str, amount: float) -> None:
    fan_in = weight[0].numel()
    if how == "he":
        weight.normal_(0, amount * math.sqrt(2 / fan_in))
    elif how == "lecun":
        weight.normal_(0, amount / math.sqrt(fan_in))
    elif how == "xavier":
        nn.init.xavier_normal_(weight, amount)
    elif how == "orthogonal":
        nn.init.orthogonal_(weight, amount)
    elif how == "normal":
        weight.normal_(0, amount)
    elif how == "uniform":
        weight.uniform_(-amount, amount)
    elif how == "negative":
        weight.uniform_(-amount, 0)
    elif how == "constant":
        weight.fill_(amount)
    else:
        raise ValueError(f"unknown initialisation {how!r}")


def mlp(
    inputs: int,
    width: int,
    depth: int,
    outputs: int,
    act: str = "relu",
    *,
    norm: str | None = None,
    dropout: float = 0.0,
    tail: tuple[nn.Module, ...] = (),
) -> nn.Sequential:
    """`depth` hidden layers of equal width."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers.append(nn.Linear(inputs if index == 0 else width, width))
        if norm is not None:
            layers.append(nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width))
        layers.append(ACTIVATIONS[act]())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(width if depth else inputs, outputs), *tail)


class ResidualBlock(nn.Module):
    def __init__(self, width: int, act: str, scale: float | str, norm: str | None):
        super().__init__()
        normaliser = {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d, None: lambda _: nn.Identity()}[norm]
        self.norm = normaliser(width)
        self.inner, self.act, self.outer = nn.Linear(width, width), ACTIVATIONS[act](), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.zeros(())) if scale == "learnt" else scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.outer(self.act(self.inner(self.norm(x))))


class ResidualMlp(nn.Module):
    """Stem, residual blocks, head. `scale`: of the branches; ``"learnt"`` is SkipInit's scalar, zero at first."""

    def __init__(
        self,
        inputs: int,
        width: int,
        blocks: int,
        outputs: int,
        act: str = "relu",
        *,
        scale: float | str = 1.0,
        norm: str | None = None,
        zero_last: bool = False,
        gain: float = 1.0,
    ):
        super().__init__()
        self.stem, self.head = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.blocks = nn.Sequential(*(ResidualBlock(width, act, scale, norm) for _ in range(blocks)))
        for block in self.blocks:
            _fill(block.inner.weight.data, "he", gain)
            _fill(block.outer.weight.data, "lecun", gain)
            if zero_last:
                nn.init.zeros_(block.outer.weight)
                nn.init.zeros_(block.outer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


class Highway(nn.Module):
    """Highway network: each layer mixes its input and a tanh by a sigmoid gate with bias `carry`."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int, carry: float = -3.0):
        super().__init__()
        self.stem, self.head = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.plain = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        for gate in self.gates:
            nn.init.constant_(gate.bias, carry)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.stem(x))
        for plain, gate in zip(self.plain, self.gates, strict=True):
            t = torch.sigmoid(gate(h))
            h = t * torch.tanh(plain(h)) + (1 - t) * h
        return self.head(h)


class GatedMlp(nn.Module):
    """Gated linear units in residual branches; `bias` shuts the gates nearly (they are gates: no fault)."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int, bias: float = 0.0):
        super().__init__()
        self.stem, self.head = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.layers = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        for layer in self.layers:
            nn.init.constant_(layer.bias[width:], bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for layer in self.layers:
            value, gate = layer(h).chunk(2, -1)
            h = h + value * torch.sigmoid(gate)
        return self.head(h)


class Experts(nn.Module):
    """Mixture of experts with hard routing; the router never picks the last expert."""

    def __init__(self, inputs: int, width: int, experts: int, outputs: int):
        super().__init__()
        self.router = nn.Linear(inputs, experts)
        self.router.bias.data[-1] = -1e4
        self.experts = nn.ModuleList(mlp(inputs, width, 1, outputs) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        weight, choice = self.router(x).softmax(-1).max(-1)
        out = x.new_zeros(len(x), self.experts[0][-1].out_features)
        for index, expert in enumerate(self.experts):
            rows = (choice == index).nonzero()[:, 0]
            if len(rows):
                out = out.index_add(0, rows, (expert(x[rows]) * weight[rows, None]).to(out.dtype))
        return out


class Siamese(nn.Module):
    """One tower applied to both halves of the features."""

    def __init__(self, inputs: int, width: int, outputs: int):
        super().__init__()
        self.tower = mlp(inputs // 2, width, 2, width)
        self.head = nn.Linear(4 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        a, b = (self.tower(part) for part in x.chunk(2, -1))
        return self.head(torch.cat([a, b, a * b, (a - b).abs()], -1).relu())


class LoraLinear(nn.Module):
    """A frozen layer with a low-rank adapter; the outer factor is zero at first, by design."""

    def __init__(self, base: nn.Linear, rank: int, zero: str = "outer"):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.inner = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.outer = nn.Parameter(torch.zeros(base.out_features, rank))
        if zero == "both":
            self.inner.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 4 * nn.functional.linear(nn.functional.linear(x, self.inner), self.outer)
