"""Norms of gradients at steps: right also where their squares leave the range of a float."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from headwater.monitor.figures import BLOCK, Figures, Notes
from tests.monitor.training import Listed


@pytest.mark.parametrize("size", [1e-36, 3e-20, 1e-10, 1.0])
def test_from_the_second_block_on_small_norms_are_exact(size: float) -> None:
    small, large = nn.Parameter(torch.ones(100)), nn.Parameter(torch.ones(100))
    small.grad, large.grad = torch.full((100,), size), torch.full((100,), 2.0)
    figures = Figures({"small": small, "large": large})
    for step in range(2 * BLOCK + 1):
        figures.take(step, Notes())
        if step % BLOCK == 0:
            figures.collect(everything=False)
    seen = figures.collect(everything=True)[-1]
    assert seen.gradients["small"] == pytest.approx(10 * size, rel=1e-6)
    assert seen.gradients["large"] == pytest.approx(20.0)


def test_a_gradient_that_is_missing_is_no_zero() -> None:
    there, missing = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, dtype=torch.float64))
    there.grad = torch.zeros(3)
    figures = Figures({"missing": missing, "there": there})
    figures.take(0, Notes())
    (seen,) = figures.collect(everything=True)
    assert seen.gradients == {"missing": None, "there": 0.0}


def test_a_loss_that_is_nan_is_noted_and_one_that_is_not_there_is_none() -> None:
    parameter = nn.Parameter(torch.ones(2))
    figures = Figures({"w": parameter})
    parameter.grad = torch.tensor([math.nan, 1.0])
    figures.take(0, Notes(loss=torch.tensor(math.nan)))
    figures.take(1, Notes())
    first, second = figures.collect(everything=True)
    assert first.loss is not None and math.isnan(first.loss) and second.loss is None
    norm = first.gradients["w"]
    assert norm is not None and math.isnan(norm)


def test_between_two_steps_with_figures_loss_and_rate_alone_can_be_noted() -> None:
    parameter = nn.Parameter(torch.ones(4))
    parameter.grad = torch.full((4,), 3.0)
    figures = Figures({"w": parameter})
    for step in range(2 * BLOCK):
        whole = step % 2 == 0
        figures.take(step, Notes(loss=torch.tensor(float(step)), learning_rate=0.1), whole=whole)
        figures.take(step, Notes(loss=torch.tensor(float(step)), learning_rate=0.1), whole=whole)
    figures.take(2 * BLOCK, Notes())
    *seen, newest = figures.collect(everything=True)
    assert [each.loss for each in seen] == [float(step) for step in range(2 * BLOCK)]
    assert [each.gradients["w"] for each in seen] == [6.0, None] * BLOCK
    assert {each.learning_rate for each in seen} == {0.1}
    weighed = [each.step for each in (*seen, newest) if each.weights]
    assert weighed == [0, 2 * BLOCK]  # every so many steps with figures, whatever was noted between them


def test_nothing_is_copied_from_the_host_at_each_step_where_a_gradient_is_missing() -> None:
    there, missing = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    there.grad = torch.ones(3)
    figures = Figures({"missing": missing, "there": there})
    notes = Notes(loss=torch.tensor(1.0), gradient_scale=torch.tensor(2.0), loss_scale=torch.tensor(2.0))
    figures.take(0, notes)
    with Listed() as listed:
        figures.take(1, notes)
    assert listed.names and not [name for name in listed.names if "lift_fresh" in name]
