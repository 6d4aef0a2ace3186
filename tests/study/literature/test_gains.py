import math
import statistics

import pytest
import torch
from torch import nn

from headwater import theory
from headwater.study.literature.gains import (
    batch_norm,
    highway_gain,
    itemised,
    layer_norm,
    log_square,
    mean_gain,
    normalised_gain,
    plain_gain,
    residual_gain,
    stack,
)


def test_the_gains_are_those_of_autograd():
    torch.manual_seed(0)
    linears = [nn.Linear(20, 20).double() for _ in range(4)]
    inputs = torch.randn(8, 20, dtype=torch.float64)
    torch.manual_seed(1)
    found = mean_gain(itemised(stack(linears, nn.Tanh()), inputs))
    torch.manual_seed(1)
    x, outputs = inputs, []
    for place, linear in enumerate(linears):
        x = linear(x if place == 0 else torch.tanh(x))
        x.retain_grad()
        outputs.append(x)
    (x * torch.randn_like(x)).sum().backward()
    norms = [float(each.grad.norm()) for each in outputs]
    assert found == pytest.approx((norms[0] / norms[-1]) ** (1 / 3), rel=1e-10)


def test_a_plain_network_keeps_what_theory_says():
    def he(layer):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)

    chain = 2 * theory.log_gain_deviation([300] * 19) / 19
    assert plain_gain(nn.ReLU(), he, width=300, depth=20, seed=0) == pytest.approx(1.0, abs=chain)


def test_batch_normalisation_multiplies_by_the_root_of_pi_over_pi_minus_one():
    gain = normalised_gain(nn.ReLU(), nn.BatchNorm1d, width=300, depth=20, batch=256, seed=0)
    assert gain == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=0.02)


@pytest.mark.parametrize(
    ("scale", "norm", "expected"),
    [
        (1.0, None, theory.residual_gain(10)),
        (0.0, None, 1.0),
        (1.0, layer_norm, theory.pre_norm_residual_gain(10)),
        (1.0, batch_norm, theory.pre_norm_residual_gain(10, "batch")),
    ],
)
def test_residual_blocks_against_theory(scale, norm, expected):
    assert residual_gain(10, scale, norm, width=200, seed=1) == pytest.approx(expected, rel=0.1)


def test_a_highway_layer_carries_one_less_its_gate():
    assert highway_gain(-3.0, blocks=10, width=200) == pytest.approx(theory.highway_gain(-3.0), rel=0.01)


def test_squared_norms_fluctuate_with_five_over_the_width_a_layer():
    generator = torch.Generator().manual_seed(0)
    logs = [log_square(50, 6, generator) for _ in range(400)]
    variance = 5 * 6 / 50
    assert statistics.variance(logs) == pytest.approx(variance, rel=0.3)
    assert statistics.fmean(logs) == pytest.approx(-variance / 2, abs=0.12)
