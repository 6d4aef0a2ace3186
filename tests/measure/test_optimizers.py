"""Copies of optimizers drive the copied parameters, with all that the original has."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from headwater.measure.optimizers import adaptive, copied, needs_closure


class Limited(torch.optim.SGD):
    def __init__(self, params: Any, limit: float) -> None:
        super().__init__(params, lr=0.1)
        self.limit = limit


def _without_gradient(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    optimizer.param_groups[0]["params"][0].grad.zero_()


def _copy(optimizer: torch.optim.Optimizer, w: nn.Parameter, *, hooks: bool = True) -> tuple[Any, nn.Parameter]:
    memo: dict[int, Any] = {}
    twin = copy.deepcopy(w, memo)
    return copied(optimizer, memo, hooks=hooks), twin


def test_attributes_of_a_subclass_come_along() -> None:
    w = nn.Parameter(torch.ones(2))
    made, twin = _copy(Limited([w], 3.0), w)
    assert made.limit == 3.0 and made.param_groups[0]["params"][0] is twin


def test_hooks_before_the_step_come_along_when_asked() -> None:
    w = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([w], 0.1)
    optimizer.register_step_pre_hook(_without_gradient)
    for hooks, value in ((True, 1.0), (False, 0.9)):
        made, twin = _copy(optimizer, w, hooks=hooks)
        twin.grad = torch.ones(2)
        made.step()
        assert twin.tolist() == pytest.approx([value] * 2)
    assert w.tolist() == [1.0, 1.0]


def test_a_scheduler_of_the_original_does_not_bring_its_step() -> None:
    w = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([w], 0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    made, twin = _copy(optimizer, w)
    w.grad = twin.grad = torch.ones(2)
    made.step()
    assert w.tolist() == [1.0, 1.0] and twin.tolist() == pytest.approx([0.9, 0.9])


def test_questions_to_an_optimizer() -> None:
    w = nn.Parameter(torch.ones(2, 2))
    w.grad = torch.ones(2, 2)
    assert needs_closure(torch.optim.LBFGS([w])) and not needs_closure(torch.optim.SGD([w], 0.1))
    scheduled = torch.optim.LBFGS([w])
    torch.optim.lr_scheduler.StepLR(scheduled, 1)  # puts a step of its own in the place of the class's
    assert needs_closure(scheduled)
    own, inner = torch.optim.SGD([w], 0.1), torch.optim.LBFGS([w])
    own.step = inner.step  # a step of its own counts, not that of its class
    assert needs_closure(own)
    inner.step = lambda: None
    assert not needs_closure(inner)
    for make, expected in ((torch.optim.Adam, True), (torch.optim.Adagrad, True), (torch.optim.SGD, False)):
        optimizer = make([w], 0.1)
        optimizer.step()
        assert adaptive(optimizer) is expected
