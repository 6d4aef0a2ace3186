"""Recurrent networks and transformers of the benchmark."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.detection.nets import ACTIVATIONS

FUSED = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Recurrent(nn.Module):
    """A fused recurrent layer; the head reads its last output, or every one of them."""

    def __init__(self, kind: str, inputs: int, width: int, outputs: int, *, layers: int = 1, every_step: bool = False):
        super().__init__()
        self.rnn = FUSED[kind](inputs, width, num_layers=layers, batch_first=True)
        self.head = nn.Linear(width, outputs)
        self.every_step = every_step

    def forward(self, x: Tensor) -> Tensor:
        out = self.rnn(x)[0]
        return self.head(out if self.every_step else out[:, -1])


class Unrolled(nn.Module):
    """A recurrent cell applied in a Python loop."""

    def __init__(self, inputs: int, width: int, outputs: int, act: str = "tanh", *, front: nn.Module | None = None):
        super().__init__()
        self.front = front if front is not None else nn.Identity()
        self.inner, self.recur = nn.Linear(inputs, width), nn.Linear(width, width, bias=False)
        self.act, self.head = ACTIVATIONS[act](), nn.Linear(width, outputs)
        nn.init.orthogonal_(self.recur.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.front(x)
        h = x.new_zeros(len(x), self.recur.in_features)
        for t in range(x.shape[1]):
            h = self.act(self.inner(x[:, t]) + self.recur(h))
        return self.head(h)


class Attention(nn.Module):
    """Self-attention, written out."""

    def __init__(self, width: int, heads: int, causal: bool):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads, self.causal = heads, causal

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = (layer(x).view(n, t, self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / (d / self.heads) ** 0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(t, t).triu(1).bool(), float("-inf"))
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d))


class Block(nn.Module):
    """Transformer block; `order`: ``pre``, ``post``, or ``none`` (no normalisation)."""

    def __init__(self, width: int, heads: int, act: str, order: str, skip: bool, causal: bool):
        super().__init__()
        self.attention = Attention(width, heads, causal)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), ACTIVATIONS[act](), nn.Linear(2 * width, width))
        self.norm1, self.norm2 = (nn.LayerNorm(width) if order != "none" else nn.Identity() for _ in range(2))
        self.order, self.skip = order, float(skip)

    def forward(self, x: Tensor) -> Tensor:
        if self.order == "post":
            x = self.norm1(self.skip * x + self.attention(x))
            return self.norm2(self.skip * x + self.feed(x))
        x = self.skip * x + self.attention(self.norm1(x))
        return self.skip * x + self.feed(self.norm2(x))


class Transformer(nn.Module):
    """Token transformer. `pool`: classify the mean of the tokens; else one answer for each token."""

    def __init__(
        self,
        vocabulary: int,
        width: int,
        depth: int,
        outputs: int,
        *,
        heads: int = 4,
        order: str = "pre",
        act: str = "relu",
        skip: bool = True,
        causal: bool = False,
        pool: bool = True,
        length: int = 16,
        tied: bool = False,
        sparse: bool = False,
    ):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width, sparse=sparse)
        self.position = nn.Parameter(torch.randn(length, width) * 0.5)
        self.blocks = nn.Sequential(*(Block(width, heads, act, order, skip, causal) for _ in range(depth)))
        self.norm = nn.LayerNorm(width) if order == "pre" else nn.Identity()
        self.head = nn.Linear(width, outputs)
        self.pool = pool
        if tied:
            self.embed.weight.data.mul_(width**-0.5)
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.norm(self.blocks(self.embed(tokens) + self.position))
        return self.head(h.mean(1) if self.pool else h)


def library_transformer(width: int, depth: int, outputs: int, norm_first: bool) -> nn.Module:
    """`torch.nn.TransformerEncoder` over patches, as the tutorials build it."""
    layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True, norm_first=norm_first)
    return nn.Sequential(
        nn.Linear(4, width),
        Positions(width),
        nn.TransformerEncoder(layer, depth, enable_nested_tensor=False),
        MeanOverTokens(),
        nn.Linear(width, outputs),
    )


class Positions(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.position = nn.Parameter(torch.randn(16, width) * 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.position


class MeanOverTokens(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)
