"""The phase diagram of an activation: how deep a network can be trained from each initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from headwater.records import CriticalPoint, PhaseRecord
from headwater.theory.activations import Activation, activation
from headwater.theory.correlation import CRITICAL, TRAINABLE, correlation_series
from headwater.theory.edge import edge_of_chaos, edge_point
from headwater.theory.named import Array

_LOG_Q = np.linspace(math.log(1e-8), math.log(1e8), 241)
_np: Any = np
_LAYERS = 600
"""Iterations to the fixed point; where it is not met by then a network that can be built does not meet it either."""
_BISECTIONS = 40
_LEAST = 1e-300
"""Stands for a gain of zero, which has no logarithm."""
_EDGE, _BEYOND = np.logspace(-3.0, 1.7, 95), 1.5
"""Variances at which the critical line is computed, and how far beyond the diagram it is kept."""


@dataclass(frozen=True)
class _Table:
    """Coefficients of ``E[phi phi]`` and ``E[phi' phi']`` in powers of the correlation, one row for each variance."""

    moments: Array
    slopes: Array


def phase_diagram(
    what: str | Activation | Callable[..., Any],
    *,
    weight_variance: float = 4.0,
    bias_variance: float = 0.3,
    points: int = 120,
) -> PhaseRecord:
    """Returns the trainable depth over all initialisations up to the given variances, and the critical line.

    The means over Gaussians are tabulated once over the variance q and interpolated: the whole diagram costs as much as
    a few dozen single predictions.
    """
    phi = activation(what)
    weights = weight_variance * (np.arange(points) + 0.5) / points
    biases = bias_variance * np.arange(points) / (points - 1)
    table = _table(phi)
    sigma_w, sigma_b = (each.ravel() for each in np.meshgrid(weights, biases, indexing="ij"))
    depth, gain = _depth_and_gain(table, sigma_w, sigma_b)
    return PhaseRecord(
        phi.name,
        tuple(map(float, weights)),
        tuple(map(float, biases)),
        _nested(depth.reshape(points, points)),
        _nested(gain.reshape(points, points)),
        _edge(phi, weight_variance, bias_variance),
    )


def _table(phi: Activation) -> _Table:
    variances = np.exp(_LOG_Q)
    moments = correlation_series(phi.function, variances) / variances[:, None]
    return _Table(moments, correlation_series(phi.derivative, variances))


def _nested(rows: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in rows)


def _depth_and_gain(table: _Table, sigma_w: Array, sigma_b: Array) -> tuple[Array, Array]:
    moment, slope = table.moments.sum(axis=1), table.slopes.sum(axis=1)
    low, high = math.exp(_LOG_Q[0]), math.exp(_LOG_Q[-1])
    q: Array = np.clip(sigma_w + sigma_b, low, high)
    for _ in range(_LAYERS):
        q = np.clip(q * sigma_w * _at(q, moment) + sigma_b, low, high)
    chi = np.maximum(sigma_w * _at(q, slope), _LEAST)
    gain = np.sqrt(chi)
    chaotic = (np.log(chi) > CRITICAL) & (q > 2.0 * low) & (q < 0.5 * high)
    if chaotic.any():
        chi[chaotic] = _chi_at_fixed_correlation(table, sigma_w[chaotic], sigma_b[chaotic], q[chaotic])
    rate = np.abs(np.log(np.maximum(chi, _LEAST)))
    return np.where(rate > CRITICAL, TRAINABLE / np.maximum(rate, CRITICAL), np.inf), gain


def _chi_at_fixed_correlation(table: _Table, sigma_w: Array, sigma_b: Array, q: Array) -> Array:
    """As `correlation_fixed_point`, for many initialisations at once."""
    shape = sigma_w * _rows(table.moments, q)
    shape[0] += sigma_b / q
    shape /= shape.sum(axis=0)  # C(1) = 1, also where the interpolation is off by a little
    low, high = np.zeros_like(q), np.full_like(q, 1.0 - 1e-9)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        above = _polynomial(shape, middle) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return sigma_w * _polynomial(_rows(table.slopes, q), low)


def _rows(table: Array, q: Array) -> Array:
    """Interpolates the coefficients; the result has one column for each q."""
    place = _at(q, np.arange(len(_LOG_Q), dtype=np.float64))
    below = np.minimum(place.astype(int), len(_LOG_Q) - 2)
    part = (place - below)[:, None]
    return np.transpose((1.0 - part) * table[below] + part * table[below + 1])


def _at(q: Array, values: Array) -> Array:
    """Interpolates what was tabulated over the variance."""
    return cast(Array, _np.interp(np.log(q), _LOG_Q, values))


def _polynomial(coefficients: Array, at: Array) -> Array:
    value = np.zeros_like(at)
    for row in coefficients[::-1]:
        value = value * at + row
    return value


def _edge(phi: Activation, weight_variance: float, bias_variance: float) -> tuple[CriticalPoint, ...]:
    known = [edge_of_chaos(phi, 0.0), *(edge_point(phi, float(q)) for q in _EDGE)]
    return tuple(
        CriticalPoint(point.weight_variance, point.bias_variance, point.stable)
        for point in known
        if point is not None
        and point.weight_variance <= _BEYOND * weight_variance
        and point.bias_variance <= _BEYOND * bias_variance
    )
