"""Networks that must attend: encoders, causal models, models with queries of their own, in several styles of code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mixing(nn.Module):
    """Multi-head attention, written out (`fused` false) or by PyTorch's fused function.

    `sharp` multiplies the weights of queries and keys; `divide`: whether scores are divided by the root of the width.
    """

    def __init__(self, width: int, heads: int, *, fused: bool, causal: bool, sharp: float, divide: bool):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.xavier_normal_(layer.weight)
        for layer in (self.query, self.key):
            layer.weight.data *= sharp
        self.heads, self.fused, self.causal = heads, fused, causal
        self.scale = (width / heads) ** -0.5 if divide else 1.0

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        source = x if memory is None else memory
        q, k, v = self.split(self.query(x)), self.split(self.key(source)), self.split(self.value(source))
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, scale=self.scale)
        else:
            scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * self.scale
            if self.causal:
                later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
                scores = scores.masked_fill(later, -1e9)
            mixed = scores.softmax(-1) @ v
        return self.out(mixed.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class MixingBlock(nn.Module):
    """Attention and feed-forward part; `order` is ``pre``, ``post`` or ``deep`` (DeepNorm); `skip` 0 cuts the skips."""

    def __init__(self, width: int, order: str, skip: float, feed: bool, total: int, **attention: object):
        super().__init__()
        self.mix = Mixing(width, 4, **attention)  # type: ignore[arg-type]
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)) if feed else None
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.order, self.skip = order, skip
        if order == "deep":  # Wang et al. 2022: alpha = (2 L)^1/4 on the stream, beta = (8 L)^-1/4 on the branches
            self.skip = (2 * total) ** 0.25
            for layer in (self.mix.value, self.mix.out, *(m for m in self.feed or () if isinstance(m, nn.Linear))):
                layer.weight.data *= (8 * total) ** -0.25

    def forward(self, x: Tensor) -> Tensor:
        for norm, branch in zip(self.norms, (self.mix, self.feed), strict=True):
            if branch is None:
                continue
            if self.order == "pre":
                x = self.skip * x + branch(norm(x))
            else:
                x = norm(self.skip * x + branch(x))
        return x


class Sequencer(nn.Module):
    """Answers at each position: tokens, positions, blocks, head."""

    def __init__(
        self,
        vocabulary: int,
        width: int,
        depth: int,
        length: int,
        *,
        order: str = "pre",
        skip: float = 1.0,
        feed: bool = True,
        fused: bool = True,
        causal: bool = False,
        sharp: float = 1.0,
        divide: bool = True,
        stream: float = 1.0,
    ):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(length, width) * 0.5)
        attention = {"fused": fused, "causal": causal, "sharp": sharp, "divide": divide}
        self.blocks = nn.Sequential(*(MixingBlock(width, order, skip, feed, depth, **attention) for _ in range(depth)))
        self.norm, self.head, self.stream = nn.LayerNorm(width), nn.Linear(width, vocabulary), stream

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.blocks(self.stream * (self.embed(tokens) + self.position))
        return self.head(self.norm(x)).transpose(1, 2)


class LibrarySequencer(nn.Module):
    """The same from PyTorch's own encoder layers."""

    def __init__(self, vocabulary: int, width: int, depth: int, length: int, *, pre: bool = True, sharp: float = 1.0):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(length, width) * 0.5)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=pre)
            for _ in range(depth)
        )
        for layer in self.layers:
            for weight in layer.parameters():
                if weight.dim() > 1:
                    nn.init.xavier_normal_(weight)
            layer.self_attn.in_proj_weight.data[: 2 * width] *= sharp
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.head(x).transpose(1, 2)


class Reader(nn.Module):
    """Learnt queries, one for each answer, read an encoded sequence by cross-attention, and attend to one another.

    `equal`: the queries' content starts at zero, and only their position tells them apart (as in DETR).
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        depth: int,
        length: int,
        *,
        sharp: float = 1.0,
        equal: bool = False,
        memory: int = 1,
        skip: float = 1.0,
        encode: bool = True,
    ):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(length, width) * 0.5)
        options = {"fused": False, "causal": False, "sharp": 1.0, "divide": True}
        self.encoder = nn.Sequential(
            *(MixingBlock(width, "pre", skip, True, depth, **options) for _ in range(depth if encode else 0))
        )
        options = {**options, "sharp": sharp}
        self.readers = nn.ModuleList(Mixing(width, 4, **options) for _ in range(3))
        self.mixers = nn.ModuleList(Mixing(width, 4, **options) for _ in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(6))
        self.queries = nn.Parameter(torch.randn(length, width))
        self.head, self.equal = nn.Linear(width, vocabulary), equal

    def forward(self, tokens: Tensor) -> Tensor:
        memory = self.encoder(self.embed(tokens) + self.position)
        place = self.queries.expand(len(tokens), -1, -1)
        x = torch.zeros_like(place) if self.equal else place
        for index, (reader, mixer) in enumerate(zip(self.readers, self.mixers, strict=True)):
            x = x + mixer(self.norms[2 * index](x))
            x = x + reader(self.norms[2 * index + 1](x + place), memory)
        return self.head(x).transpose(1, 2)
