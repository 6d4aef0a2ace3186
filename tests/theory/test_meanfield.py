"""Numbers of the papers, and of an independent Monte Carlo with real networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from headwater.theory import (
    Initialisation,
    correlation_fixed_point,
    depth_scale,
    fixed_point,
    gain,
    gains,
    gradient_depth_scale,
    initialisation,
    variances,
)


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def drawn(weight_variance, bias_variance=0.0):
    return Initialisation("test", weight_variance, bias_variance)


@pytest.mark.parametrize(
    ("activation", "init", "expected"),
    [
        ("linear", "default", 0.5774),
        ("sigmoid", "default", 0.1413),
        ("tanh", "default", 0.5736),
        ("relu", "default", 0.4082),
        ("selu", "lecun", 1.0352),
        ("gelu", "xavier", 0.5076),
        ("gelu", "he", 0.7698),
        ("tanh", "he", 1.0424),
        ("mish", "he", 0.9034),
        ("hardswish", "default", 0.2891),
    ],
)
def test_gain_over_50_layers(activation, init, expected):
    """The whole table of 72 is in benchmarks/theory.py."""
    assert mean(gains(activation, initialisation(init), 50)) == pytest.approx(expected, abs=5e-5)


def test_relu_with_he_is_exactly_critical():
    he = initialisation("he")
    assert gains("relu", he, 10) == pytest.approx([1.0] * 9, abs=1e-12)
    assert depth_scale("relu", he, fixed_point("relu", he)) == math.inf


def test_selu_has_the_fixed_point_of_its_paper():
    fixed = fixed_point("selu", initialisation("lecun"))
    assert fixed.q == pytest.approx(1.0, abs=1e-6)
    assert gain("selu", 1.0, 1.0) ** 2 == pytest.approx(1.0716, abs=1e-4)
    assert fixed.stability is not None
    assert fixed.stability < 1.0


@pytest.mark.parametrize(
    ("weight_variance", "chi", "scale"),
    [(1.0, 0.759, 3.6), (1.4, 0.911, 10.7), (1.6, 0.964, 27), (1.9, 1.0285, 39), (2.5, 1.134, 11.8), (4, 1.342, 7.0)],
)
def test_depth_scales_of_tanh(weight_variance, chi, scale):
    init = drawn(weight_variance, 0.05)
    fixed = fixed_point("tanh", init)
    assert gain("tanh", weight_variance, fixed.q) ** 2 == pytest.approx(chi, abs=1e-3)
    assert depth_scale("tanh", init, fixed) == pytest.approx(scale, rel=0.015)
    assert gradient_depth_scale("tanh", init, fixed) == pytest.approx(1 / abs(math.log(chi)), rel=0.03)


@pytest.mark.parametrize(
    ("activation", "init", "q"),
    [
        ("tanh", drawn(1.0), 0.0),
        ("tanh", drawn(0.5), 0.0),
        ("relu", drawn(1.0), 0.0),
        ("relu", drawn(2.1), math.inf),
        ("relu", drawn(2.0, 0.1), math.inf),
        ("linear", drawn(0.5, 0.2), 0.4),
        ("relu", drawn(1.0, 0.2), 0.4),
        ("relu", drawn(2.0), 2.0),
        ("gelu", drawn(2.0), 0.0),
        ("softplus", drawn(2.0), math.inf),
        ("relu", drawn(0.0), 0.0),
    ],
)
def test_where_the_variance_settles(activation, init, q):
    assert fixed_point(activation, init).q == pytest.approx(q, rel=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "selu", "sigmoid", "gelu"])
def test_a_fixed_point_stays_and_its_stability_is_the_slope_of_the_map(activation):
    init = drawn(1.2, 0.1)
    fixed = fixed_point(activation, init)
    along = variances(activation, init, 4000)
    assert along[-1] == pytest.approx(fixed.q, rel=1e-6)
    h = 1e-4 * fixed.q
    q = (fixed.q - h, fixed.q + h)
    inputs = [(each - 0.1) / 1.2 for each in q]  # so that the first layer has these variances
    above = [variances(activation, init, 2, x)[1] for x in inputs]
    assert fixed.stability == pytest.approx((above[1] - above[0]) / (2 * h), rel=1e-5)


@pytest.mark.parametrize(("activation", "init"), [("tanh", drawn(2.5, 0.05)), ("hardtanh", drawn(2.5, 0.05))])
def test_the_fixed_correlation_against_sampling(activation, init):
    """Two correlated Gaussians, sampled: they stay at c*, and the slopes' product is chi there."""
    from headwater.theory import activation as find

    phi, q = find(activation), fixed_point(activation, init).q
    c, chi = correlation_fixed_point(activation, init, q)
    assert 0.0 < c < 1.0
    draw = torch.randn(2, 4_000_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    u = math.sqrt(q) * draw[0]
    v = math.sqrt(q) * (c * draw[0] + math.sqrt(1 - c * c) * draw[1])
    product = float((torch.from_numpy(phi.function(u.numpy())) * torch.from_numpy(phi.function(v.numpy()))).mean())
    assert (2.5 * product + 0.05) / q == pytest.approx(c, abs=3e-3)
    slopes = float((torch.from_numpy(phi.derivative(u.numpy())) * torch.from_numpy(phi.derivative(v.numpy()))).mean())
    assert 2.5 * slopes == pytest.approx(chi, rel=3e-3)


def test_without_bias_an_odd_activation_forgets_every_correlation():
    init = drawn(2.0)
    c, chi = correlation_fixed_point("tanh", init, fixed_point("tanh", init).q)
    assert c == 0.0
    assert chi < 1.0


def test_in_the_ordered_phase_inputs_become_equal():
    init = drawn(1.0, 0.05)
    q = fixed_point("tanh", init).q
    c, chi = correlation_fixed_point("tanh", init, q)
    assert c == 1.0
    assert chi == pytest.approx(gain("tanh", 1.0, q) ** 2, rel=1e-6)


@pytest.mark.parametrize(("name", "module"), [("tanh", nn.Tanh()), ("selu", nn.SELU()), ("hardtanh", nn.Hardtanh())])
def test_variances_and_gains_of_a_real_network(name, module):
    init, depth, width = drawn(1.7, 0.05), 8, 600
    torch.manual_seed(0)
    x, found = torch.randn(64, width).double(), []
    for _ in range(depth):
        weight = torch.randn(width, width).double() * math.sqrt(1.7 / width)
        z = (x @ weight.T + math.sqrt(0.05) * torch.randn(width).double()).requires_grad_()
        found.append((weight, z))
        x = module(z)
    expected = variances(name, init, depth)
    assert [float(z.detach().square().mean()) for _, z in found] == pytest.approx(expected, rel=0.06)
    delta, measured = torch.randn(64, width).double(), []
    for (weight, _), (_, z) in zip(reversed(found[1:]), reversed(found[:-1]), strict=True):
        (below,) = torch.autograd.grad(module(z), z, delta @ weight)
        measured.append(float(below.norm() / delta.norm()))
        delta = below
    assert list(reversed(measured)) == pytest.approx(gains(name, init, depth), rel=0.03)


def test_inputs_of_another_size_move_the_first_layers_only():
    along = variances("tanh", drawn(1.5, 0.05), 60, inputs=9.0)
    assert along[0] == pytest.approx(13.55)
    assert along[-1] == pytest.approx(fixed_point("tanh", drawn(1.5, 0.05)).q, rel=1e-6)
