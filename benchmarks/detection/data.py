"""Data sets that need no download, and scores on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

from benchmarks.detection.problem import Batch, Score, forward

VOCABULARY = 17


@dataclass(frozen=True)
class Data:
    """Training examples and a held-out quarter."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor

    def map(
        self, on_x: Callable[[Tensor], Tensor] | None = None, on_y: Callable[[Tensor], Tensor] | None = None
    ) -> Data:
        f, g = on_x or _same, on_y or _same
        return Data(f(self.x), g(self.y), f(self.test_x), g(self.test_y))

    def batches(self, size: int, seed: int) -> list[Batch]:
        """Shuffled full batches, two epochs of them: the last partial one is left out."""
        order = torch.Generator().manual_seed(seed)
        found: list[Batch] = []
        for _ in range(2):
            index = torch.randperm(len(self.x), generator=order)
            found += [(self.x[i], self.y[i]) for i in index.split(size) if len(i) == size]
        return found

    @property
    def test(self) -> Batch:
        return self.test_x, self.test_y


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _split(x: Any, y: Any, *, standardise: bool) -> Data:
    x, y = torch.as_tensor(np.asarray(x), dtype=torch.float32), torch.as_tensor(np.asarray(y))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[len(x) // 4 :], order[: len(x) // 4]
    if standardise:
        x = (x - x[train].mean(0)) / x[train].std(0).clamp_min(1e-6)
    return Data(x[train], y[train], x[test], y[test])


@lru_cache
def digits() -> Data:
    """1797 handwritten digits, 64 pixels from 0 to 16, ten classes."""
    return _split(*datasets.load_digits(return_X_y=True), standardise=False).map(on_y=lambda y: y.long())


def standard_digits() -> Data:
    """Pixels with mean 0 and standard deviation 1 over the whole set."""
    return digits().map(lambda x: (x - 4.88) / 6.02)


def unit_digits() -> Data:
    return digits().map(lambda x: x / 16)


def image_digits() -> Data:
    return standard_digits().map(lambda x: x.view(-1, 1, 8, 8))


def row_digits() -> Data:
    """Each image as a sequence of eight rows."""
    return standard_digits().map(lambda x: x.view(-1, 8, 8))


def patch_digits() -> Data:
    """Each image as sixteen patches of four pixels."""
    return standard_digits().map(lambda x: x.view(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(-1, 16, 4))


def token_digits() -> Data:
    """Each image as sixteen tokens: the mean level (0 to 16) of each patch of four pixels."""
    return digits().map(lambda x: x.view(-1, 4, 2, 4, 2).mean((2, 4)).round().long().view(-1, 16))


@lru_cache
def cancer(standardise: bool = True) -> Data:
    """569 biopsies, 30 features (raw: from 1e-3 to 4e3), malignant or benign."""
    return _split(*datasets.load_breast_cancer(return_X_y=True), standardise=standardise).map(
        on_y=lambda y: y.float()[:, None]
    )


@lru_cache
def wine(standardise: bool = True) -> Data:
    """178 wines, 13 features (raw: from 0.1 to 1680), three classes."""
    return _split(*datasets.load_wine(return_X_y=True), standardise=standardise).map(on_y=lambda y: y.long())


@lru_cache
def friedman() -> Data:
    """Friedman's first regression problem: 2000 examples, ten features, targets standardised."""
    x, y = datasets.make_friedman1(n_samples=2000, noise=0.5, random_state=0)
    return _split(x, (y - y.mean()) / y.std(), standardise=True).map(on_y=lambda y: y.float()[:, None])


@lru_cache
def chain() -> Data:
    """Token sequences of a noisy cycle: the next token is ``3 t + 1 mod 17``, in one case of ten a random one."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, VOCABULARY, (800, 17), generator=generator)
    noise = torch.rand(800, 17, generator=generator) < 0.1
    for t in range(1, 17):
        tokens[:, t] = torch.where(noise[:, t], tokens[:, t], (3 * tokens[:, t - 1] + 1) % VOCABULARY)
    return Data(tokens[:600, :-1], tokens[:600, 1:], tokens[600:, :-1], tokens[600:, 1:])


def accuracy(chance: float = 0.1, pick: Callable[[Any], Tensor] | None = None) -> Score:
    """Share of right answers, with chance at 0; `pick` turns the model's output into class numbers."""

    def score(model: nn.Module, batch: Batch) -> float:
        outputs = _predict(model, batch)
        answer = pick(outputs) if pick is not None else outputs.argmax(-1)
        right = (answer.reshape(-1) == batch[1].reshape(-1)).float().mean()
        return max(0.0, (float(right) - chance) / (1 - chance))

    return score


def binary(chance: float, threshold: float = 0.0) -> Score:
    return accuracy(chance, lambda outputs: (outputs > threshold).float())


def r_squared(model: nn.Module, batch: Batch) -> float:
    """Share of the targets' variance that is explained; 0 where that is negative or not a number."""
    outputs, targets = _predict(model, batch).reshape(-1), batch[1].reshape(-1)
    value = 1 - float(((outputs - targets) ** 2).mean() / targets.var(correction=0))
    return max(0.0, value) if np.isfinite(value) else 0.0


def _predict(model: nn.Module, batch: Batch) -> Any:
    training = model.training
    model.eval()
    with torch.no_grad():
        outputs = forward(model, batch[0])
    model.train(training)
    return outputs
