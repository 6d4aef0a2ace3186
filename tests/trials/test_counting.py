"""Which optimizer steps count."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import nn

from headwater.trials.counting import StepCount, theirs


class Lookahead(torch.optim.Optimizer):
    """Drives another optimizer, as wrappers do."""

    def __init__(self, parameters: Any) -> None:
        held = list(parameters)
        super().__init__(held, {})
        self.inner = torch.optim.SGD(held, lr=0.1)

    def step(self, closure: Any = None) -> None:
        self.inner.step()
        self.inner.step()


def model() -> nn.Module:
    network = nn.Linear(2, 1)
    network(torch.ones(1, 2)).sum().backward()
    return network


def counted(*optimizers: torch.optim.Optimizer, steps: int = 3) -> int:
    count = StepCount()
    with count.counting():
        for _ in range(steps):
            for each in optimizers:
                each.step()
    return count.steps


def test_each_step_counts_once():
    assert counted(torch.optim.SGD(model().parameters(), lr=0.1)) == 3
    assert counted(torch.optim.AdamW(model().parameters())) == 3  # whose step calls that of Adam in some releases


def test_steps_of_an_optimizer_inside_another_are_its_own():
    assert counted(Lookahead(model().parameters())) == 3


def test_what_the_users_code_does_by_itself_does_not_count_in_another_thread_either():
    count, optimizer = StepCount(), torch.optim.SGD(model().parameters(), lr=0.1)
    with count.counting():
        with theirs():
            optimizer.step()
            thread = threading.Thread(target=optimizer.step)
            thread.start()
            thread.join()
        optimizer.step()
    optimizer.step()
    assert count.steps == 1
