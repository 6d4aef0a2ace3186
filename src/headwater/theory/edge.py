"""The edge of chaos: the initialisations at which the gradient neither vanishes nor explodes with depth.

Hayou, Doucet and Rousseau 2019 ("On the impact of the activation function on deep neural networks training") give it in
terms of q: at ``sigma_w^2 = 1 / E[phi'^2]`` and ``sigma_b^2 = q - sigma_w^2 E[phi^2]`` the variance q stays and chi_1
is one. It exists where sigma_b^2 is not negative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import optimize

from headwater.theory.activations import Activation, activation
from headwater.theory.gaussian import second_moment, slope
from headwater.theory.initialisations import Initialisation
from headwater.theory.meanfield import stability

_SCAN = np.logspace(-6.0, 4.0, 101)
_HOMOGENEOUS = 1e-7
"""Of q: a bias variance below it at every q is zero but for rounding, as for ReLU."""
_NEAR_ZERO = 1e-3
"""Where it is seen whether a variance near zero goes back to it; at zero itself ``dq'/dq`` is one."""
_optimize: Any = optimize


@dataclass(frozen=True)
class EdgePoint:
    """A point of the critical line.

    Attributes:
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.
        q: the variance of the pre-activations that stays there; one where every variance does (ReLU).
        stability: ``dq'/dq``; above one the variance drifts away from q with depth, and the edge is left.
    """

    weight_variance: float
    bias_variance: float
    q: float
    stability: float

    @property
    def stable(self) -> bool:
        """Whether a network that is initialised there stays there (or drifts in no direction)."""
        return self.stability <= 1.0 + 1e-6


def edge_point(what: str | Activation | Callable[..., Any], q: float) -> EdgePoint | None:
    """Returns the point of the critical line at the variance q; ``None`` when it would need a negative variance."""
    phi = activation(what)
    bias = _bias_variance(phi, q)
    if bias < -_HOMOGENEOUS * q:
        return None
    weight = slope(phi, q) ** -2
    init = Initialisation("edge of chaos", weight, max(0.0, bias) if bias > _HOMOGENEOUS * q else 0.0)
    return EdgePoint(weight, init.bias_variance, q, stability(phi, init, q))


def edge_of_chaos(what: str | Activation | Callable[..., Any], bias_variance: float = 0.0) -> EdgePoint | None:
    """Returns the critical initialisation with this bias variance; that of the least q, when there are several.

    Returns:
        The point; ``None`` when the activation has no edge of chaos at this bias variance. Softplus has none at all,
        and a sigmoid needs weights so large (sigma_w about 10) that it is no use.
    """
    phi = activation(what)
    if bias_variance == 0.0 and (special := _at_any_or_no_variance(phi)) is not None:
        return special

    def excess(log_q: float) -> float:
        return _bias_variance(phi, math.exp(log_q)) - bias_variance

    low, below = -math.inf, True
    for high in np.log(_SCAN):
        was, below = below, excess(high) < 0.0
        if was != below and math.isfinite(low):
            return edge_point(phi, math.exp(cast(float, _optimize.brentq(excess, low, high, xtol=1e-12))))
        low = high
    return None


def _bias_variance(phi: Activation, q: float) -> float:
    """What bias the critical line needs at q; no bias makes up for an activation that is flat there."""
    steep = slope(phi, q)
    return q - second_moment(phi, q) / steep**2 if steep > 0.0 else -math.inf


def _at_any_or_no_variance(phi: Activation) -> EdgePoint | None:
    """Without a bias every variance can stay (ReLU), or the line ends in a variance of zero (tanh)."""
    one = edge_point(phi, 1.0)
    if one is not None and one.bias_variance == 0.0:
        return one
    near = edge_point(phi, _NEAR_ZERO)
    if near is None or second_moment(phi, 0.0) > 1e-12:
        return None
    return EdgePoint(slope(phi, 0.0) ** -2, 0.0, 0.0, near.stability)
