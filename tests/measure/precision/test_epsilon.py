"""What epsilon leaves of a step, against the steps themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop

from headwater.measure.precision.epsilon import epsilon_effect


def _after(make: Any, gradient: torch.Tensor, steps: int = 10) -> tuple[torch.optim.Optimizer, nn.Parameter, float]:
    """The optimizer after some steps along one gradient, and the largest change of the last of them."""
    w = nn.Parameter(torch.zeros_like(gradient, dtype=torch.float64))
    optimizer = make([w])
    for _ in range(steps):
        before = w.detach().clone()
        w.grad = gradient.double()
        optimizer.step()
    return optimizer, w, float((w.detach() - before).abs().max())


@pytest.mark.parametrize("size", [1e-7, 1e-8, 1e-9, 1e-10])
@pytest.mark.parametrize("make", [Adam, AdamW, lambda p: Adam(p, amsgrad=True)])
def test_adam_on_a_constant_gradient_keeps_g_over_g_plus_epsilon(make: Any, size: float) -> None:
    optimizer, w, moved = _after(make, torch.full((3, 4), size))
    effect = epsilon_effect(optimizer, optimizer.param_groups[0], w)
    assert effect is not None
    assert effect[1] == pytest.approx(size / (size + 1e-8), rel=1e-4)
    assert moved / 1e-3 == pytest.approx(effect[1], rel=1e-4)


@pytest.mark.parametrize("make", [RMSprop, Adagrad, Adamax, NAdam, RAdam])
def test_others_keep_what_their_step_keeps(make: Any) -> None:
    """The step at a gradient near epsilon over that at a large one, which epsilon cannot touch."""
    _, _, full = _after(make, torch.ones(3, 4))
    near = 1e-10 if make is Adagrad else 1e-8
    optimizer, w, moved = _after(make, torch.full((3, 4), near))
    effect = epsilon_effect(optimizer, optimizer.param_groups[0], w)
    assert effect is not None and effect[0] == 1.0
    assert effect[1] == pytest.approx(moved / full, rel=0.06)


def test_only_elements_that_had_a_gradient_count() -> None:
    gradient = torch.zeros(100, 8)
    gradient[:3] = 1e-3
    optimizer, w, _ = _after(Adam, gradient)
    assert epsilon_effect(optimizer, optimizer.param_groups[0], w) == pytest.approx((0.0, 1.0), abs=1e-4)


def test_a_second_moment_that_underflows_had_a_gradient() -> None:
    w = nn.Parameter(torch.zeros(2, 2))
    optimizer = Adam([w])
    w.grad = torch.full((2, 2), 1e-25)
    optimizer.step()
    assert epsilon_effect(optimizer, optimizer.param_groups[0], w) == (1.0, 0.0)


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1), Adadelta])
def test_optimizers_without_such_an_epsilon_are_not_judged(make: Any) -> None:
    optimizer, w, _ = _after(make, torch.ones(2, 2))
    assert epsilon_effect(optimizer, optimizer.param_groups[0], w) is None


def test_a_weight_that_never_had_a_gradient_is_not_judged() -> None:
    optimizer, w, _ = _after(Adam, torch.zeros(2, 2))
    assert epsilon_effect(optimizer, optimizer.param_groups[0], w) is None
