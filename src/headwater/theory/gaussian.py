"""Means over a Gaussian pre-activation: what every mean-field formula is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from headwater.errors import InputError
from headwater.theory.activations import Activation, activation
from headwater.theory.named import Array, Elementwise

_REACH, _POINTS = 12.0, 48_000
_LEAST = 1e-30
"""Stands for a variance of zero, at which the slope of a kinked activation would not be defined."""


@cache
def grid(points: int = _POINTS) -> tuple[Array, Array]:
    """Returns an even number of points z, and their weights in the mean over the standard normal.

    The dense midpoint rule, and not Gauss-Hermite, which is wrong for kinked activations: with 65 nodes one sits on the
    kink of ReLU, and chi_1 is 15 % off (see the tests). Here no point lies at zero, where most kinks are.
    """
    step = 2.0 * _REACH / points
    z: Array = -_REACH + step * (np.arange(points, dtype=np.float64) + 0.5)
    return z, step * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def slope(what: str | Activation | Callable[..., Any], variance: float, mean: float = 0.0) -> float:
    """Returns the root mean square slope ``sqrt(E[phi'(z)^2])`` at pre-activations ``z ~ Normal(mean, variance)``.

    It is the factor by which the activation changes the norm of the gradient. Times the weights' factor, sigma_w, it is
    the norm gain of a layer, ``sqrt(chi_1)`` of Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017 ("Deep Information
    Propagation", arXiv 1611.01232). With the mean and the variance that were measured it predicts a network as it is,
    as far as its pre-activations are Gaussian.

    Raises:
        InputError: the activation is not known, or the variance is negative or not finite.
    """
    return math.sqrt(_expected(activation(what).derivative, variance, mean, 2))


def second_moment(what: str | Activation | Callable[..., Any], variance: float, mean: float = 0.0) -> float:
    """Returns ``E[phi(z)^2]`` at pre-activations ``z ~ Normal(mean, variance)``; raises as `slope` does."""
    return _expected(activation(what).function, variance, mean, 2)


def mean(what: str | Activation | Callable[..., Any], variance: float, mean: float = 0.0) -> float:
    """Returns ``E[phi(z)]`` at pre-activations ``z ~ Normal(mean, variance)``; raises as `slope` does."""
    return _expected(activation(what).function, variance, mean, 1)


def _expected(function: Elementwise, variance: float, mean: float, power: int) -> float:
    if not (0.0 <= variance < math.inf and math.isfinite(mean)):
        raise InputError(
            f"Expected a finite mean and a finite variance of at least 0, got mean {mean:g}, variance {variance:g}."
        )
    z, weights = grid()
    return float(weights @ function(mean + math.sqrt(max(variance, _LEAST)) * z) ** power)
