"""Zeros that come from a number format, against the normal distribution; and zeros that are meant."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import pytest
import torch
from torch import nn

from headwater.measure.fit import model_fit
from headwater.measure.objective import Objective
from headwater.measure.precision.underflow import lost_gradients, suspicious
from headwater.measure.trace import trace


class _Given(nn.Module):
    """A weight whose gradient is what the batch says."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape, dtype=dtype))

    def forward(self, gradient: torch.Tensor) -> torch.Tensor:
        return (self.weight.float() * gradient).sum()


def _looked(model: nn.Module, batch: Any, narrow: bool = True) -> Any:
    objective = Objective(step=lambda m, b: m(b))
    return lost_gradients(model, objective, batch, dict(model.named_parameters()), narrow=narrow)


@pytest.mark.parametrize("size", [1e-5, 1e-6, 1e-7, 3e-8])
def test_share_of_normal_gradients_below_half_of_the_smallest_number(size: float) -> None:
    torch.manual_seed(0)
    scale, lost = _looked(_Given((400, 400), torch.float16), torch.randn(400, 400) * size)
    below = 2 * NormalDist(sigma=size).cdf(2.0**-25) - 1
    assert scale >= 2.0**24
    assert lost["weight"].share == pytest.approx(below, abs=0.004)


def test_the_largest_scale_that_stays_finite_is_taken() -> None:
    scale, lost = _looked(_Given((4, 4), torch.float16), torch.full((4, 4), 1.5))
    assert scale == 2.0**12 and lost["weight"].share == 0.0
    assert lost["weight"].captured == pytest.approx(1.0)


def test_zeros_by_design_are_not_lost() -> None:
    gradient = torch.full((4, 4), 1e-3)
    gradient[1:] = 0.0
    _, lost = _looked(_Given((4, 4), torch.float16), gradient)
    assert lost["weight"].share == 0.0 and lost["weight"].recovered
    _, lost = _looked(_Given((4, 4), torch.float16), torch.zeros(4, 4))
    assert not lost["weight"].recovered


def test_float32_is_scaled_further() -> None:
    model = nn.Linear(2, 2, bias=False)
    objective = Objective(step=lambda m, b: m(b).sum() * 1e-30 * 1e-20)
    scale, lost = lost_gradients(model, objective, torch.ones(1, 2), dict(model.named_parameters()), narrow=False)
    assert scale == 2.0**96 and lost["weight"].share == 1.0 and lost["weight"].captured == 0.0


def test_ordinary_float32_is_above_suspicion_and_small_float16_is_not() -> None:
    def seen(dtype: torch.dtype, factor: float) -> bool:
        model = nn.Linear(8, 8).to(dtype)
        loss = model(torch.randn(4, 8, dtype=dtype)).float().square().sum() * factor
        return suspicious(trace(loss, model=model), dict(model.named_parameters()))

    assert not seen(torch.float32, 1e-6)
    assert not seen(torch.float16, 1.0)
    assert seen(torch.float16, 1e-6)


def test_fit_tells_a_network_that_has_learnt_from_one_that_has_not() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(256, 4), torch.randn(256, 1)
    data = torch.cat([y, x], 1)
    knows, guesses = nn.Linear(5, 1, bias=False), nn.Linear(5, 1, bias=False)
    knows.weight.data = torch.tensor([[0.999, 0.0, 0.0, 0.0, 0.0]])
    guesses.weight.data = torch.tensor([[0.0, 0.1, 0.1, 0.0, 0.0]])
    for factor in (1.0, 1e-9):
        objective = Objective(lambda o, t, f=factor: f * nn.functional.mse_loss(o, t))
        assert model_fit(knows, objective, (data, y)) == pytest.approx(0.0, abs=1e-4)
        assert model_fit(guesses, objective, (data, y)) == pytest.approx(1.0, abs=0.05)


def test_fit_is_not_known_without_targets() -> None:
    assert model_fit(nn.Linear(2, 1), Objective(step=lambda m, b: m(b).sum()), torch.ones(3, 2)) is None
    assert model_fit(nn.Linear(2, 1), Objective(step=lambda m, b: m(b["x"]).sum()), {"x": torch.ones(3, 2)}) is None
