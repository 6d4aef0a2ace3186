"""Mean field of a deep fully connected network at initialisation: variances forward, gradient norms backward.

In a wide network the pre-activations of layer l are Gaussian with a variance q_l that follows

    q_{l+1} = sigma_w^2 E[phi(sqrt(q_l) z)^2] + sigma_b^2

(Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli 2016, "Exponential expressivity in deep neural networks through
transient chaos"), and the squared norm of the gradient changes from layer l + 1 to layer l by

    chi_1(q_l) = sigma_w^2 E[phi'(sqrt(q_l) z)^2]

(Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017, "Deep Information Propagation", arXiv 1611.01232).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from scipy import optimize

from headwater.errors import InputError
from headwater.theory.activations import Activation, activation
from headwater.theory.gaussian import grid, second_moment, slope
from headwater.theory.initialisations import Initialisation

_SMALLEST, _LARGEST = 1e-8, 1e8
"""A variance outside of them stands for one that falls to zero, or grows without end."""
_STEP = 10.0**0.05
_SAME, _ROUNDING = 1e-9, 1e-13
"""Relative change by a layer below which a variance counts as one that stays, at the start and further on.

Further on only rounding is forgiven: under He initialisation softplus grows by less and less, and never stops."""
_optimize: Any = optimize


@dataclass(frozen=True)
class FixedPoint:
    """Where the variance of the pre-activations ends up with depth.

    Attributes:
        q: the variance; zero where the signal dies out, infinite where it grows without end.
        stability: ``dq'/dq`` there: below one, deviations shrink from layer to layer; ``None`` where q is not a
            positive number.
    """

    q: float
    stability: float | None


def gain(what: str | Activation | Callable[..., Any], weight_variance: float, q: float, mean: float = 0.0) -> float:
    """Returns the norm gain of a layer, ``sqrt(chi_1) = sigma_w * slope``, at pre-activations ``Normal(mean, q)``."""
    return math.sqrt(weight_variance) * slope(what, q, mean)


def next_variance(what: str | Activation | Callable[..., Any], init: Initialisation, q: float) -> float:
    """Returns ``sigma_w^2 E[phi^2] + sigma_b^2``, the variance in the next layer."""
    return init.weight_variance * second_moment(what, q) + init.bias_variance


def variances(
    what: str | Activation | Callable[..., Any], init: Initialisation, depth: int, inputs: float = 1.0
) -> tuple[float, ...]:
    """Returns the variance of the pre-activations of the layers 1 to `depth`.

    Args:
        what: the activation.
        init: the initialisation.
        depth: number of layers.
        inputs: mean square of the input's elements.

    Raises:
        InputError: the activation grows so fast that a variance is beyond floating point.
    """
    phi = activation(what)
    found = [init.weight_variance * inputs + init.bias_variance]
    while len(found) < depth:
        following = next_variance(phi, init, min(found[-1], _LARGEST**4))
        if not math.isfinite(following):
            raise InputError(
                f"Expected an activation that grows no faster than a power of its input; with {phi.name} the signal "
                f"explodes: its variance in layer {len(found) + 1} is beyond what floating point holds."
            )
        if math.isclose(following, found[-1], rel_tol=1e-14):
            return (*found, *[following] * (depth - len(found)))
        found.append(following)
    return tuple(found)


def gains(
    what: str | Activation | Callable[..., Any], init: Initialisation, depth: int, inputs: float = 1.0
) -> tuple[float, ...]:
    """Returns ``sqrt(chi_1(q_l))`` for l = 1 to ``depth - 1``: the step from layer l + 1 down to layer l.

    A network of `depth` layers has one gain less: there is none from the first layer to the next.
    """
    phi = activation(what)
    along = variances(phi, init, depth - 1, inputs)
    known = {q: gain(phi, init.weight_variance, q) for q in dict.fromkeys(along)}
    return tuple(known[q] for q in along)


def fixed_point(what: str | Activation | Callable[..., Any], init: Initialisation, inputs: float = 1.0) -> FixedPoint:
    """Returns the variance that layers settle on when they start from inputs of mean square `inputs`.

    The variance of the next layer grows with that of the last, so the sequence moves in one direction until it meets
    the first variance that stays. That one is bracketed by steps in this direction and then found as a root.
    """
    phi = activation(what)

    def drift(log_q: float) -> float:
        return next_variance(phi, init, math.exp(log_q)) * math.exp(-log_q) - 1.0

    start = init.weight_variance * inputs + init.bias_variance
    if start == 0.0:
        return FixedPoint(0.0, None)
    direction = drift(math.log(start))
    if abs(direction) < _SAME:
        return FixedPoint(start, stability(phi, init, start))
    for here, there in pairwise(_steps(start, upward=direction > 0)):
        further = drift(there)
        if abs(further) < _ROUNDING:
            return FixedPoint(math.exp(there), stability(phi, init, math.exp(there)))
        if further * direction < 0:
            q = math.exp(cast(float, _optimize.brentq(drift, here, there, xtol=1e-13)))
            return FixedPoint(q, stability(phi, init, q))
    return FixedPoint(math.inf if direction > 0 else 0.0, None)


def stability(what: str | Activation | Callable[..., Any], init: Initialisation, q: float) -> float:
    """Returns ``dq'/dq = sigma_w^2 E[phi phi' z] / sqrt(q)``; above one, a fixed point repels."""
    phi = activation(what)
    z, weights = grid()
    at = math.sqrt(q) * z
    return float(init.weight_variance * (weights * z) @ (phi.function(at) * phi.derivative(at)) / math.sqrt(q))


def _steps(start: float, *, upward: bool) -> Iterator[float]:
    """Logarithms of variances, from the start to the end of what is looked at."""
    end = max(_LARGEST, 10.0 * start) if upward else min(_SMALLEST, 0.1 * start)
    factor = _STEP if upward else 1.0 / _STEP
    count = math.ceil(abs(math.log(end / start)) / math.log(_STEP))
    return (math.log(start) + i * math.log(factor) for i in range(count + 1))


def limit(q: float) -> float:
    """A variance at which the limit toward zero or infinity can be computed."""
    return float(np.clip(q, _SMALLEST**2, _LARGEST**2))
