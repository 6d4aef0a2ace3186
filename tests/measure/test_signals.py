"""Spread and inputs, against numpy done by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import headwater
from headwater.measure.signals import spread


def test_spread_is_scale_free_and_exact_when_little_is_left() -> None:
    torch.manual_seed(0)
    common, own = torch.randn(1, 50), torch.randn(64, 50)
    own -= own.mean(dim=0)
    for share in (10.0, 1.0, 0.2, 0.11, 0.09, 1e-3, 1e-5):
        h = common + share * own
        truth = (h.double() - h.double().mean(0)).norm() / h.double().norm()
        assert spread(h) == pytest.approx(float(truth), rel=1e-2 if share < 1e-3 else 1e-4)
        assert spread(1e-6 * h) == pytest.approx(spread(h), rel=1e-3)
    assert spread(common.expand(64, 50)) < 1e-6
    assert spread(torch.zeros(4, 4)) == 0.0
    for offset in (2.0, 9.0, 9.9):  # sums of two million numbers
        large = torch.randn(32, 64, 32, 32) + offset
        truth = (large.double() - large.double().mean(0)).norm() / large.double().norm()
        assert spread(large) == pytest.approx(float(truth), rel=1e-3)


class Positions(nn.Module):
    """Adds features of a fixed grid, in pixels, to those of the data."""

    def __init__(self) -> None:
        super().__init__()
        self.data, self.grid, self.out = nn.Linear(5, 16), nn.Linear(2, 16), nn.Linear(16, 3)
        self.pixels: torch.Tensor
        self.register_buffer("pixels", 100.0 * torch.rand(8, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.data(x) + self.grid(self.pixels)))


def test_inputs_that_no_batch_changes_are_no_data() -> None:
    batches = [(3.0 * torch.randn(8, 5), torch.randint(0, 3, (8,))) for _ in range(2)]
    (record,) = headwater.diagnose(Positions(), batches, F.cross_entropy, steps=4).measurement.inputs
    assert record.layer == "data"
    x = batches[0][0]
    assert record.rms == pytest.approx(float(x.square().mean().sqrt()), rel=1e-4)
    assert (record.minimum, record.maximum) == (pytest.approx(float(x.min())), pytest.approx(float(x.max())))
