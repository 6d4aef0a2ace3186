"""How the correlation of two inputs changes with depth, and the depth scale that follows.

    C(c) = (sigma_w^2 E[phi(u) phi(v)] + sigma_b^2) / q,   u, v ~ Normal(0, q) with correlation c

Its slope is ``chi_c = sigma_w^2 E[phi'(u) phi'(v)]``. In the ordered phase (chi_1 < 1) inputs become equal; in the
chaotic phase (chi_1 > 1) they settle on a correlation c* < 1. Either way a network of L layers remembers which input it
saw while L is a few times ``xi_c = -1 / ln chi_{c*}``; from about L = 6 xi_c on gradient descent does not train it
(Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017, "Deep Information Propagation").

The mean over two correlated Gaussians is a power series in c (Mehler 1866): with the coefficients a_n of phi(sqrt(q) z)
in normalised Hermite polynomials it is ``sum_n a_n^2 c^n``. One integral for each order replaces each double integral.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
from scipy import optimize

from headwater.theory.activations import Activation, activation
from headwater.theory.gaussian import grid
from headwater.theory.initialisations import Initialisation
from headwater.theory.meanfield import FixedPoint, gain, limit
from headwater.theory.named import Array, Elementwise

ORDERS = 160
_POINTS = 12_000
CRITICAL = 1e-6
"""``|ln chi_1|`` below which a network counts as at the edge of chaos: its depth scale is beyond a million layers."""
TRAINABLE = 6.0
"""Depth scales that can be trained (Schoenholz et al. 2017): the gradient's norm is then e^-3, a twentieth."""
_optimize: Any = optimize


def depth_scale(what: str | Activation | Callable[..., Any], init: Initialisation, fixed: FixedPoint) -> float:
    """Returns xi_c in layers; infinite at the edge of chaos.

    Where the variance falls to zero or grows without end there is no fixed correlation, and it is the depth scale of
    the gradient.
    """
    phi = activation(what)
    rate = 2.0 * math.log(gain(phi, init.weight_variance, limit(fixed.q)) or math.nan)
    if math.isnan(rate):
        return 0.0  # no gradient passes at all
    if rate > CRITICAL and 0.0 < fixed.q < math.inf:
        _, chi = correlation_fixed_point(phi, init, fixed.q)
        rate = math.log(chi) if chi > 0.0 else -math.inf
    return 1.0 / abs(rate) if abs(rate) > CRITICAL else math.inf


def gradient_depth_scale(what: str | Activation | Callable[..., Any], init: Initialisation, fixed: FixedPoint) -> float:
    """Returns ``1 / |ln chi_1|`` in layers: over it the squared norm of the gradient changes by a factor e."""
    rate = 2.0 * math.log(gain(what, init.weight_variance, limit(fixed.q)) or math.nan)
    if math.isnan(rate):
        return 0.0
    return 1.0 / abs(rate) if abs(rate) > CRITICAL else math.inf


def correlation_fixed_point(
    what: str | Activation | Callable[..., Any], init: Initialisation, q: float
) -> tuple[float, float]:
    """Returns the correlation c* on which two inputs settle, and ``chi_{c*}``.

    C has no negative coefficient, so it is convex on [0, 1] with C(1) = 1: below one it meets the diagonal once when
    chi_1 > 1, and never otherwise; c* is then one.
    """
    phi = activation(what)
    shape = correlation_series(phi.function, np.array([q]))[0] * (init.weight_variance / q)
    shape[0] += init.bias_variance / q
    slopes = correlation_series(phi.derivative, np.array([q]))[0] * init.weight_variance

    powers = np.arange(ORDERS)

    def excess(c: float) -> float:
        return float(shape @ c**powers) - c

    below = next((1.0 - gap for gap in np.logspace(-1, -9, 65) if excess(1.0 - float(gap)) < 0.0), None)
    if below is None:
        return 1.0, float(slopes.sum())
    at_zero = excess(0.0)
    c = cast(float, _optimize.brentq(excess, 0.0, below, xtol=1e-14)) if at_zero > 1e-12 else 0.0
    return c, float(slopes @ c**powers)


def correlation_series(function: Elementwise, variances: Array) -> Array:
    """Returns the coefficients of ``E[f(u) f(v)]`` in powers of the correlation, one row for each variance.

    What is left after the last order (of a kinked function) is added to it, so that the sum is ``E[f(u)^2]``.
    """
    z, weights = grid(_POINTS)
    values = function(np.sqrt(variances)[:, None] * z)
    squares = np.square(values @ _hermite())
    squares[:, -1] += np.maximum(0.0, np.square(values) @ weights - squares.sum(axis=1))
    return squares


@cache
def _hermite() -> Array:
    """Columns: normalised Hermite polynomials times the weights of the mean.

    The recurrence runs on Hermite functions, ``h_n sqrt(weight)``, which stay bounded where the polynomials overflow.
    """
    z, weights = grid(_POINTS)
    root = np.sqrt(weights)
    rows = [root, z * root]
    for n in range(1, ORDERS - 1):
        rows.append((z * rows[n] - math.sqrt(n) * rows[n - 1]) / math.sqrt(n + 1))
    return np.ascontiguousarray(np.transpose(np.array(rows) * root))
