"""The activations that are known by name, with their derivatives, in numpy: a prediction by name needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Elementwise = Callable[[Array], Array]
"""A function of each element of an array."""

LEAKY_SLOPE = 0.01
"""PyTorch's default slope of the leaky ReLU below zero."""
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer, Unterthiner, Mayr and Hochreiter 2017, "Self-normalizing neural networks"."""
_GELU_CUBIC = 0.044715
_TWO_OVER_PI = float(np.sqrt(2.0 / np.pi))
_special: Any = special


def _expit(z: Array) -> Array:
    return _special.expit(z)


def _gaussian(z: Array) -> Array:
    """Density and distribution function of the standard normal are the parts of GELU's derivative."""
    return np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


def _expm1_below(z: Array) -> Array:
    return np.expm1(np.minimum(z, 0.0))


def _exp_below(z: Array) -> Array:
    return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0.0)))


def _softplus(z: Array) -> Array:
    return np.logaddexp(0.0, z)


def _gelu_slope(z: Array) -> Array:
    return _special.ndtr(z) + z * _gaussian(z)


def _gelu_tanh_slope(z: Array) -> Array:
    t = np.tanh(_TWO_OVER_PI * (z + _GELU_CUBIC * z**3))
    return 0.5 * (1.0 + t) + 0.5 * z * (1.0 - t * t) * _TWO_OVER_PI * (1.0 + 3.0 * _GELU_CUBIC * z * z)


def _silu_slope(z: Array) -> Array:
    s = _expit(z)
    return s * (1.0 + z * (1.0 - s))


def _mish_slope(z: Array) -> Array:
    t = np.tanh(_softplus(z))
    return t + z * (1.0 - t * t) * _expit(z)


def _inside(z: Array, low: float, high: float) -> Array:
    return ((z > low) & (z < high)).astype(np.float64)


def _hardswish_slope(z: Array) -> Array:
    return np.where(z <= -3.0, 0.0, np.where(z >= 3.0, 1.0, (2.0 * z + 3.0) / 6.0))


NAMED: dict[str, tuple[Elementwise, Elementwise]] = {
    "linear": (lambda z: z, lambda z: np.ones_like(z)),
    "sigmoid": (_expit, lambda z: _expit(z) * _expit(-z)),
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0).astype(np.float64)),
    "leaky_relu": (lambda z: np.where(z > 0, z, LEAKY_SLOPE * z), lambda z: np.where(z > 0, 1.0, LEAKY_SLOPE)),
    "relu6": (lambda z: np.clip(z, 0.0, 6.0), lambda z: _inside(z, 0.0, 6.0)),
    "elu": (lambda z: np.maximum(z, 0.0) + _expm1_below(z), _exp_below),
    "selu": (
        lambda z: SELU_SCALE * (np.maximum(z, 0.0) + SELU_ALPHA * _expm1_below(z)),
        lambda z: SELU_SCALE * np.where(z > 0, 1.0, SELU_ALPHA * _exp_below(z)),
    ),
    "gelu": (lambda z: z * _special.ndtr(z), _gelu_slope),
    "gelu_tanh": (
        lambda z: 0.5 * z * (1.0 + np.tanh(_TWO_OVER_PI * (z + _GELU_CUBIC * z**3))),
        _gelu_tanh_slope,
    ),
    "silu": (lambda z: z * _expit(z), _silu_slope),
    "mish": (lambda z: z * np.tanh(_softplus(z)), _mish_slope),
    "softplus": (_softplus, _expit),
    "logsigmoid": (lambda z: -_softplus(-z), lambda z: _expit(-z)),
    "hardtanh": (lambda z: np.clip(z, -1.0, 1.0), lambda z: _inside(z, -1.0, 1.0)),
    "hardsigmoid": (lambda z: np.clip(z / 6.0 + 0.5, 0.0, 1.0), lambda z: _inside(z, -3.0, 3.0) / 6.0),
    "hardswish": (lambda z: z * np.clip(z / 6.0 + 0.5, 0.0, 1.0), _hardswish_slope),
    "softsign": (lambda z: z / (1.0 + np.abs(z)), lambda z: (1.0 + np.abs(z)) ** -2.0),
    "tanhshrink": (lambda z: z - np.tanh(z), lambda z: np.tanh(z) ** 2),
    "erf": (_special.erf, lambda z: 2.0 / np.sqrt(np.pi) * np.exp(-z * z)),
    "sin": (np.sin, np.cos),
}
"""Name -> the function and its derivative; the parameters are PyTorch's defaults."""

ALIASES = {
    "identity": "linear",
    "none": "linear",
    "logistic": "sigmoid",
    "swish": "silu",
    "leaky": "leaky_relu",
    "celu": "elu",  # they agree at PyTorch's default alpha of 1
    "sine": "sin",
}
