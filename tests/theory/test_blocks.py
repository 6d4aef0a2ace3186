"""Normalised layers, networks of blocks and finite width."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from headwater.errors import InputError
from headwater.theory import (
    batch_norm_gain,
    highway_gain,
    layer_norm_gain,
    log_gain_deviation,
    pre_norm_residual_gain,
    residual_gain,
    unit_variance_gains,
)


@pytest.mark.parametrize(
    ("activation", "backward", "forward", "remaining"),
    [
        ("tanh", 1.467, 1.592, 1.0853),
        ("relu", math.sqrt(2), math.sqrt(2), 1.0),
        ("selu", 0.966, 1.0, 1.035),
        ("gelu", 1.481, 1.534, 1.035),
        ("sigmoid", 4.72, 1.85, 0.391),
        ("softplus", 1.85, 1.04, 0.564),
    ],
)
def test_gains_at_unit_variance(activation, backward, forward, remaining):
    found = unit_variance_gains(activation)
    assert (found.backward, found.forward) == pytest.approx((backward, forward), abs=0.0051)
    assert found.remaining == layer_norm_gain(activation) == pytest.approx(remaining, rel=1e-3)


def test_batch_norm():
    assert batch_norm_gain("relu") == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=1e-6)
    assert batch_norm_gain("linear") == pytest.approx(1.0)
    assert batch_norm_gain("linear", 6) == pytest.approx(1.1547, abs=1e-4)
    with pytest.raises(InputError, match="more than 3"):
        batch_norm_gain("linear", 3)
    with pytest.raises(InputError, match="'linear' only"):
        batch_norm_gain("relu", 16)


def measured(layer, depth, inputs):
    """Gain per layer of a deep network of this layer, without its first layers."""
    torch.manual_seed(0)
    x, kept = inputs, []
    for _ in range(depth):
        kept.append(x.requires_grad_() if x.is_leaf else x)
        x.retain_grad()
        x = layer(x)
    x.backward(torch.randn_like(x))
    norms = [float(each.grad.norm()) for each in kept]
    return (norms[4] / norms[-1]) ** (1 / (depth - 5))


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_normalised_networks_have_the_predicted_gain(activation):
    width, function = 400, getattr(torch, activation)

    def layer_norm(x):
        weight = torch.randn(width, width).double() / math.sqrt(width)
        return function(nn.functional.layer_norm(x @ weight, (width,)))

    def batch_norm(x):
        weight = torch.randn(width, width).double() / math.sqrt(width)
        return function(nn.functional.batch_norm(x @ weight, None, None, training=True))

    inputs = torch.randn(128, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert measured(layer_norm, 25, inputs.clone()) == pytest.approx(layer_norm_gain(activation), rel=0.01)
    assert measured(batch_norm, 25, inputs.clone()) == pytest.approx(batch_norm_gain(activation), rel=0.015)


def test_residual_networks():
    assert residual_gain(40) == pytest.approx(2.0**20)
    assert residual_gain(40, 1 / math.sqrt(40)) == pytest.approx(1.6386, abs=1e-4)
    assert residual_gain(40, 0.0) == 1.0
    assert pre_norm_residual_gain(40) == pytest.approx(math.sqrt(41))
    assert pre_norm_residual_gain(40, "batch") == pytest.approx(10.6, abs=0.05)


def test_highway_gates():
    assert [round(highway_gain(bias), 3) for bias in (-2, -3, -3.9, -4.6)] == [0.881, 0.953, 0.980, 0.990]


def test_finite_width_of_relu():
    """Half the deviation of the logarithm of the squared norm: 1.22 at width 100 and depth 30."""
    assert 2 * log_gain_deviation([100] * 30) == pytest.approx(1.2247, abs=1e-4)
    torch.manual_seed(0)
    logs = []
    for _ in range(150):
        vector = torch.randn(64).double()
        start = vector.norm()
        for _ in range(20):  # independent masks: in a ReLU network half of the units are active
            vector = (vector * (torch.rand(64) < 0.5)) @ (torch.randn(64, 64).double() * math.sqrt(2 / 64))
        logs.append(float((vector.norm() / start).log()))
    assert float(torch.tensor(logs).std()) == pytest.approx(log_gain_deviation([64] * 20), rel=0.2)
