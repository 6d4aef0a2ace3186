from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate

from headwater.errors import InputError
from headwater.theory import activation, mean, second_moment, slope
from headwater.theory.named import NAMED

KINKS = {"relu6": (0, 6), "hardtanh": (-1, 1), "hardsigmoid": (-3, 3), "hardswish": (-3, 3)}
KINKED = {*KINKS, "relu", "leaky_relu", "selu"}


def by_adaptive_quadrature(function, variance: float, centre: float, kinks=(0,)) -> float:
    """An independent and slow mean over the Gaussian."""

    def density(x: float) -> float:
        return math.exp(-((x - centre) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)

    reach = 10 * math.sqrt(variance)
    inside = sorted({centre - reach, *(k for k in kinks if abs(k - centre) < reach), centre, centre + reach})
    parts = itertools.pairwise(inside)
    return sum(integrate.quad(lambda x: float(function(x)) * density(x), a, b, limit=200)[0] for a, b in parts)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("variance", "centre"), [(1.0, 0.0), (0.3, -0.8)])
def test_against_adaptive_quadrature(name, variance, centre):
    known, kinks = activation(name), (0, *KINKS.get(name, ()))
    at = lambda f, power: lambda x: f(np.array([x]))[0] ** power  # noqa: E731
    expected = by_adaptive_quadrature(at(known.derivative, 2), variance, centre, kinks)
    # A kink between two points of the grid costs at most half a step (2.5e-4) times the density there.
    assert slope(name, variance, centre) ** 2 == pytest.approx(expected, rel=1e-6, abs=1e-4 if name in KINKED else 0)
    expected = by_adaptive_quadrature(at(known.function, 2), variance, centre, kinks)
    assert second_moment(name, variance, centre) == pytest.approx(expected, rel=1e-6)
    expected = by_adaptive_quadrature(at(known.function, 1), variance, centre, kinks)
    assert mean(name, variance, centre) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_slopes_known_in_closed_form():
    assert slope("relu", 3.0) ** 2 == pytest.approx(0.5, abs=1e-12)
    assert slope("linear", 7.0, 2.0) == pytest.approx(1.0, abs=1e-12)
    share = 0.5 * math.erfc(-0.4 / math.sqrt(2 * 0.25))  # of Normal(0.4, 0.25) above zero
    assert slope("relu", 0.25, 0.4) ** 2 == pytest.approx(share, abs=5e-4)
    inside = math.erf(1 / math.sqrt(2 * 2.0))
    assert slope("hardtanh", 2.0) ** 2 == pytest.approx(inside, abs=5e-4)
    assert slope("erf", 1.0) ** 2 == pytest.approx(4 / math.pi / math.sqrt(5), abs=1e-9)


def test_gauss_hermite_would_be_wrong_for_kinked_activations():
    nodes, weights = np.polynomial.hermite_e.hermegauss(65)
    chi = 2.0 * weights @ activation("relu").derivative(nodes) ** 2 / weights.sum()
    assert chi == pytest.approx(0.845, abs=5e-4)
    assert 2.0 * slope("relu", 1.0) ** 2 == pytest.approx(1.0, abs=1e-12)


def test_without_variance_it_is_the_slope_at_the_mean():
    assert slope("sigmoid", 0.0) == pytest.approx(0.25)
    assert slope("tanh", 0.0, 1.3) == pytest.approx(1 - math.tanh(1.3) ** 2)
    assert slope("relu", 0.0, 0.5) == pytest.approx(1.0)
    assert slope("relu", 0.0) == pytest.approx(math.sqrt(0.5))  # the limit from above, not the choice at the kink


def test_it_is_what_a_large_sample_shows():
    z = (0.7 + 1.3 * torch.randn(400_000, generator=torch.Generator().manual_seed(0))).double().requires_grad_()
    (derivative,) = torch.autograd.grad(torch.nn.functional.gelu(z).sum(), z)
    assert slope("gelu", 1.69, 0.7) == pytest.approx(float(derivative.square().mean().sqrt()), rel=3e-3)
    assert slope(torch.nn.GELU(), 1.69, 0.7) == pytest.approx(slope("gelu", 1.69, 0.7), rel=1e-9)


@pytest.mark.parametrize(("variance", "centre"), [(-1.0, 0.0), (math.nan, 0.0), (math.inf, 0.0), (1.0, math.nan)])
def test_impossible_moments_are_refused(variance, centre):
    with pytest.raises(InputError, match="variance of at least 0"):
        slope("relu", variance, centre)
