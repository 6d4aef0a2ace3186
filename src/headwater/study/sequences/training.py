"""Trains a recurrent network on fresh sequences, and looks at its memory and its error on the way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from headwater.measure import tiny_numbers_as_zero
from headwater.study.sequences.memory import Memory, memory
from headwater.study.sequences.networks import Recurrent, recurrent
from headwater.study.sequences.tasks import Task

BATCH, RATE, CLIP = 50, 2e-3, 1.0
"""Of Adam (Kingma and Ba 2015), and the norm to which gradients are clipped (Pascanu, Mikolov and Bengio 2013)."""
_TEST = 500
_TEST_SEED = 10**6
"""Sequences that no training draws: seeds of trainings are small numbers."""
SOLVED = 0.1
"""Share of the baseline's loss below which a task counts as solved."""


@dataclass(frozen=True)
class Look:
    """A network at one moment of its training.

    Attributes:
        step: steps taken.
        loss: on sequences that the training does not draw.
        error: that loss as a share of the baseline's: one is what remembers nothing.
        memory: how far back the gradient of the loss reaches.
    """

    step: int
    loss: float
    error: float
    memory: Memory


def follow(
    task: Task, kind: str, *, width: int, steps: int, looks: int, seed: int, rate: float = RATE
) -> tuple[Look, ...]:
    """Trains one of `KINDS` and returns what was seen at the start, and ``looks`` times at equal distances from there.

    Args:
        task: what is learnt; every batch is drawn anew.
        kind: the network's name.
        width: its units.
        steps: of Adam, with clipped gradients.
        looks: how often to look; the last look is at the end.
        seed: of the weights and of the sequences.
        rate: learning rate.
    """
    network = recurrent(kind, task, width=width, seed=seed)
    test = task.draw(_TEST, torch.Generator().manual_seed(_TEST_SEED))
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    found = [look(network, task, test, 0)]
    with tiny_numbers_as_zero():
        for number in range(1, looks + 1):
            for _ in range((number - 1) * steps // looks, number * steps // looks):
                _step(network, optimizer, task, generator)
            found.append(look(network, task, test, number * steps // looks))
    return tuple(found)


def look(network: Recurrent, task: Task, test: tuple[torch.Tensor, torch.Tensor], step: int) -> Look:
    """Measures error and memory on some sequences; the gradients are cleared."""
    inputs, targets = test
    with torch.no_grad():
        loss = float(task.loss(network(inputs), targets))
    some = slice(None, BATCH)
    measured = memory(network.rnn, lambda: task.loss(network(inputs[:, some]), _some(task, targets, some)))
    network.zero_grad(set_to_none=True)
    return Look(step, loss, loss / task.baseline, measured)


def _some(task: Task, targets: torch.Tensor, some: slice) -> torch.Tensor:
    return targets[some] if task.last else targets[:, some]


def _step(network: Recurrent, optimizer: torch.optim.Optimizer, task: Task, generator: torch.Generator) -> None:
    inputs, targets = task.draw(BATCH, generator)
    optimizer.zero_grad()
    task.loss(network(inputs), targets).backward()
    nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    optimizer.step()
