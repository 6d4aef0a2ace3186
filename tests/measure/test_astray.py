"""Losses and weights of trainings that broke off."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from headwater.measure import has_numbers, has_risen, went_astray


@pytest.mark.parametrize(
    ("losses", "risen"),
    [((), False), ((1.0, 9.0), False), ((1.0, 11.0), True), ((1.0, 11.0, 2.0), False), ((-0.1, 5.0), False)],
)
def test_a_loss_has_risen_ten_times_above_its_first(losses: tuple[float, ...], risen: bool) -> None:
    assert has_risen(losses) == risen == went_astray(losses, nn.Linear(2, 2))


@pytest.mark.parametrize(("value", "numbers"), [(1.0, True), (math.nan, False), (math.inf, False), (1e30, False)])
def test_weights_are_numbers_that_can_be_squared(value: float, numbers: bool) -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight[0, 0] = value
    assert has_numbers(model) == numbers == (not went_astray((1.0, 1.0), model))
    model.weight.requires_grad_(False)
    assert has_numbers(model)


def test_weights_that_cannot_be_read_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch, "isfinite", gone)
    assert has_numbers(nn.Linear(2, 2)) and not went_astray((1.0, 1.0), nn.Linear(2, 2))
