"""Networks and data of the questions that people post: written afresh, each as its author would have."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection.data import Data, friedman, standard_digits

LETTERS = 8


def _drawn(x: Tensor, y: Tensor) -> Data:
    test = len(x) // 4
    return Data(x[test:], y[test:], x[:test], y[:test])


@lru_cache
def backwards() -> Data:
    """Eight random letters, to be written backwards."""
    x = torch.randint(0, LETTERS, (2000, 8), generator=torch.Generator().manual_seed(0))
    return _drawn(x, x.flip(1))


@lru_cache
def named() -> Data:
    """Eight letters; every position must say the first one: the same answer at each position is the right one."""
    x = torch.randint(0, LETTERS, (2000, 8), generator=torch.Generator().manual_seed(1))
    return _drawn(x, x[:, :1].expand(-1, 8).contiguous())


@lru_cache
def peaks() -> Data:
    """Sixteen letters on a ring; is each larger than the mean of its two neighbours?"""
    x = torch.randint(0, LETTERS, (2000, 16), generator=torch.Generator().manual_seed(2))
    return _drawn(x, (2 * x > x.roll(1, 1) + x.roll(-1, 1)).long())


@lru_cache
def early(steps: int) -> Data:
    """A cue in the first three steps (its sign is the class), then `steps` of noise."""
    order = torch.Generator().manual_seed(3)
    y = torch.randint(0, 2, (1600,), generator=order)
    x = 0.3 * torch.randn(1600, steps + 3, 2, generator=order)
    x[:, :3, 0] += (2.0 * y - 1)[:, None]
    return _drawn(x, y)


@lru_cache
def late(steps: int) -> Data:
    """The same with the cue at the end."""
    return early(steps).map(lambda x: x.flip(1))


@lru_cache
def counted(steps: int) -> Data:
    """The mean of a noisy signal, standardised: every step counts alike."""
    x = torch.randn(1600, steps, 1, generator=torch.Generator().manual_seed(4)) + 0.3
    total = x.sum((1, 2))
    return _drawn(x, ((total - 0.3 * steps) / steps**0.5)[:, None])


def padded_rows(behind: bool, padding: int = 50) -> Data:
    """The digits' rows with blank rows behind them, or before them."""
    sides = (0, 0, 0, padding) if behind else (0, 0, padding, 0)
    return standard_digits().map(lambda x: F.pad(x.view(-1, 8, 8), sides))


def noisy_labels(share: float) -> Data:
    """The digits with a share of the training labels drawn anew."""
    clean = standard_digits()
    order = torch.Generator().manual_seed(5)
    wrong = torch.rand(len(clean.y), generator=order) < share
    drawn = torch.randint(0, 10, clean.y.shape, generator=order)
    return Data(clean.x, torch.where(wrong, drawn, clean.y), clean.test_x, clean.test_y)


def noisy_targets(amount: float) -> Data:
    """Friedman's problem with noise on the training targets; the held-out ones stay clean."""
    clean = friedman()
    noise = amount * torch.randn(clean.y.shape, generator=torch.Generator().manual_seed(6))
    return Data(clean.x, clean.y + noise, clean.test_x, clean.test_y)


class Reader(nn.Module):
    """A recurrent layer and a head. `pool` is ``last``, ``mean`` or ``each``; `packed` skips blank steps at the end."""

    def __init__(
        self, make: Callable[..., nn.Module], inputs: int, width: int, outputs: int, *, pool: str = "last",
        packed: bool = False, **options: object,
    ):  # fmt: skip
        super().__init__()
        self.memory = make(inputs, width, batch_first=True, **options)
        sides = 2 if options.get("bidirectional") else 1
        self.answer = nn.Linear(sides * width, outputs)
        self.pool, self.packed = pool, packed

    def forward(self, x: Tensor) -> Tensor:
        if self.packed:
            lengths = ((x.abs().sum(-1) > 0) * torch.arange(1, x.shape[1] + 1)).amax(1).clamp_min(1)
            pack = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            states, lengths = nn.utils.rnn.pad_packed_sequence(self.memory(pack)[0], batch_first=True)
            return self.answer(states[torch.arange(len(x)), lengths - 1])
        states = self.memory(x)[0]
        if self.pool == "each":
            return self.answer(states)
        return self.answer(states.mean(1) if self.pool == "mean" else states[:, -1])


class Elman(nn.Module):
    """Elman's network in a loop, with the activation that the author chose; `radius` scales an orthogonal matrix."""

    def __init__(self, inputs: int, width: int, outputs: int, act: nn.Module, radius: float = 1.0):
        super().__init__()
        self.enter, self.again = nn.Linear(inputs, width), nn.Linear(width, width)
        nn.init.orthogonal_(self.again.weight, radius)
        nn.init.zeros_(self.again.bias)
        self.act, self.answer = act, nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.again.in_features)
        for step in x.unbind(1):
            state = self.act(self.enter(step) + self.again(state))
        return self.answer(state)


class Heads(nn.Module):
    """Self-attention; `sharp` multiplies the scores, `keep` limits each query to so many neighbours on each side."""

    def __init__(self, width: int, heads: int = 2, *, sharp: float = 1.0, cosine: bool = False, keep: int = 99):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.sharp, self.cosine, self.keep = heads, sharp, cosine, keep

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        if self.cosine:
            q, k = F.normalize(q, dim=-1) * q.shape[-1] ** 0.5, F.normalize(k, dim=-1)
        scores = self.sharp * q @ k.mT / (1.0 if self.cosine else q.shape[-1] ** 0.5)
        place = torch.arange(x.shape[1])
        far = (place[:, None] - place[None]).abs() > self.keep
        return self.out((scores.masked_fill(far, float("-inf")).softmax(-1) @ v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """A transformer layer; `skip` multiplies both residual connections."""

    def __init__(self, width: int, skip: float, post: bool, feed: bool, **heads: object):
        super().__init__()
        self.attend = Heads(width, **heads)  # type: ignore[arg-type]
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.skip, self.post, self.feed = skip, post, feed

    def forward(self, x: Tensor) -> Tensor:
        if self.post:
            x = self.norm1(self.skip * x + self.attend(x))
            return self.norm2(self.skip * x + self.think(x)) if self.feed else x
        x = self.skip * x + self.attend(self.norm1(x))
        return self.skip * x + self.think(self.norm2(x)) if self.feed else x


class Writer(nn.Module):
    """Letters in, an answer at each position, or (`pool`) one for all."""

    def __init__(
        self, letters: int, width: int, depth: int, outputs: int, *, length: int = 8, skip: float = 1.0,
        post: bool = False, feed: bool = True, pool: bool = False, **heads: object,
    ):  # fmt: skip
        super().__init__()
        self.letters, self.places = nn.Embedding(letters, width), nn.Parameter(torch.randn(length, width))
        self.layers = nn.Sequential(*(Layer(width, skip, post, feed, **heads) for _ in range(depth)))
        self.norm, self.answer, self.pool = nn.LayerNorm(width), nn.Linear(width, outputs), pool

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.layers(self.letters(x) + self.places))
        return self.answer(h.mean(1) if self.pool else h)


class Translator(nn.Module):
    """A decoder that writes all letters at once from its blank inputs; `placed` tells the blanks apart."""

    def __init__(self, width: int, *, placed: bool, sharp: float = 1.0):
        super().__init__()
        self.letters, self.places = nn.Embedding(LETTERS, width), nn.Parameter(torch.randn(8, width))
        self.blank, self.out_places = nn.Parameter(torch.randn(width)), nn.Parameter(torch.randn(8, width))
        layer = nn.TransformerDecoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, 2)
        for part in self.decoder.layers:
            part.multihead_attn.in_proj_weight.data[: 2 * width] *= sharp
        self.answer, self.placed = nn.Linear(width, LETTERS), placed

    def forward(self, x: Tensor) -> Tensor:
        blanks = self.blank + (self.out_places if self.placed else 0 * self.out_places)
        return self.answer(self.decoder(blanks.expand(len(x), -1, -1), self.letters(x) + self.places))


class Neighbours(nn.Module):
    """Graph convolutions on a ring: each layer averages over itself and its neighbours; `skip` adds its input."""

    def __init__(self, width: int, depth: int, *, skip: bool, classes: int = 2):
        super().__init__()
        self.letters = nn.Embedding(LETTERS, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.answer, self.skip = nn.Linear(width, classes), skip

    def forward(self, x: Tensor) -> Tensor:
        h = self.letters(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            mean = (h + h.roll(1, 1) + h.roll(-1, 1)) / 3
            h = h + norm(layer(mean)).relu() if self.skip else norm(layer(mean)).relu()
        return self.answer(h)


class Looker(nn.Module):
    """Attention pooling over a set (as in multiple-instance learning): a score for each item, one weighted mean."""

    def __init__(self, inputs: int, width: int, outputs: int, *, sharp: float = 1.0):
        super().__init__()
        self.read = nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        self.answer, self.sharp = nn.Linear(width, outputs), sharp

    def forward(self, x: Tensor) -> Tensor:
        items = self.read(x)
        weights = (self.sharp * self.score(items)[..., 0]).softmax(-1)
        return self.answer((weights[..., None] * items).sum(1))


class Rescaled(nn.Module):
    """A linear layer kept as an offset plus what is learnt, in one tensor: its numbers are large."""

    def __init__(self, inputs: int, outputs: int, offset: float):
        super().__init__()
        self.weight = nn.Parameter(offset + torch.randn(outputs, inputs) / inputs**0.5)
        self.bias, self.offset = nn.Parameter(torch.zeros(outputs)), offset

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight - self.offset, self.bias)


def small_cnn(width: int, outputs: int = 10, *, norm: bool = False) -> nn.Sequential:
    maybe = (lambda: [nn.BatchNorm2d(width)]) if norm else list
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), *maybe(), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1), *maybe(), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * width, outputs),
    )  # fmt: skip


def two_layer(inputs: int, width: int, outputs: int, *, norm: bool = False) -> nn.Sequential:
    maybe = (lambda: [nn.BatchNorm1d(width)]) if norm else list
    return nn.Sequential(
        nn.Linear(inputs, width), *maybe(), nn.ReLU(), nn.Linear(width, width), *maybe(), nn.ReLU(),
        nn.Linear(width, outputs),
    )  # fmt: skip
