"""Slopes of activations against autograd on a fine grid."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.graph import walk
from headwater.measure.slopes import SLOPES, slope

GRID = torch.linspace(-30.0, 30.0, 600_002)

ACTIVATIONS = [
    nn.ReLU(), nn.ReLU6(), nn.Hardtanh(-0.5, 2.0), nn.Threshold(0.5, 0.0), nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(),
    nn.ELU(), nn.ELU(0.5), nn.SELU(), nn.CELU(2.0), nn.Softplus(), nn.Softplus(beta=3.0), nn.SiLU(), nn.GELU(),
    nn.GELU(approximate="tanh"), nn.Mish(), nn.Hardswish(),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_slope_is_the_derivative_over_its_largest(activation: nn.Module) -> None:
    identity = nn.Linear(1, 1, bias=False)  # a layer below, so that the activation is part of the signal's chain
    nn.init.ones_(identity.weight)
    z = identity(GRID[:, None])
    y = activation(z)
    (derivative,) = torch.autograd.grad(y.sum(), z, retain_graph=True)
    (op,) = [op for op in walk(y.sum()).ops if op.kind in SLOPES]
    found = slope(op, lambda tensor: tensor)
    assert found is not None
    torch.testing.assert_close(
        found.to(derivative.dtype).abs(), derivative.abs() / derivative.abs().max(), atol=2e-4, rtol=0.0
    )
