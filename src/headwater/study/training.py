"""Plain gradient descent, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from headwater.measure import tiny_numbers_as_zero
from headwater.study.data import Dataset

BATCH_SIZE = 64
_LAST = 50  # steps over which the final loss is averaged: single batches of 64 scatter by a tenth
# Shares of the loss of guessing. A flat training scatters within 1.5 % around it (digits, 50 sigmoid layers).
_NOTHING, _LEARNED = 0.97, 0.5

Outcome = Literal["learned", "partly", "nothing", "diverged"]


@dataclass(frozen=True)
class Training:
    """One training by stochastic gradient descent with neither momentum nor weight decay.

    Attributes:
        rate: the learning rate.
        losses: the loss of each step's batch.
        accuracy: share of the test images that were classified rightly afterwards.
        chance: the cross-entropy of guessing, ``ln(classes)``.
    """

    rate: float
    losses: tuple[float, ...]
    accuracy: float
    chance: float

    @property
    def final_loss(self) -> float:
        """Mean loss of the last steps."""
        last = self.losses[-_LAST:]
        return sum(last) / len(last)

    @property
    def outcome(self) -> Outcome:
        """What came of it, by the final loss: ``"nothing"`` is no better than guessing."""
        if not math.isfinite(self.final_loss):
            return "diverged"
        if self.final_loss > _NOTHING * self.chance:
            return "nothing"
        return "learned" if self.final_loss < _LEARNED * self.chance else "partly"


def train(
    model: nn.Module,
    data: Dataset,
    *,
    rate: float,
    steps: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Trains `model` in place on random batches; calls ``progress(steps done, steps)`` after each."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    loss_fn = nn.CrossEntropyLoss()
    losses: list[float] = []
    with tiny_numbers_as_zero():
        for step in range(steps):
            inputs, labels = _draw(data, generator)
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if progress is not None:
                progress(step + 1, steps)
    return Training(rate, tuple(losses), _accuracy(model, data), math.log(data.classes))


def batches(data: Dataset, count: int, *, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Draws `count` batches of training images."""
    generator = torch.Generator().manual_seed(seed)
    return [_draw(data, generator) for _ in range(count)]


def _draw(data: Dataset, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.randint(len(data.inputs), (BATCH_SIZE,), generator=generator)
    return data.inputs[rows], data.labels[rows]


def _accuracy(model: nn.Module, data: Dataset) -> float:
    with torch.no_grad():
        return float((model(data.test_inputs).argmax(1) == data.test_labels).float().mean())
