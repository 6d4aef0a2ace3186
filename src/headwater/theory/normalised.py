"""Layers whose pre-activations are kept at variance one: what remains of the gradient there.

Normalisation, data-dependent initialisation (Mishkin and Matas 2016, "All you need is a good init") and weights chosen
for the forward pass all keep ``E[z^2] = 1``. The gradient is then multiplied by ``sqrt(E[phi'^2] / E[phi^2])`` a layer,
which is near one for most activations and 0.39 for a sigmoid: its mean takes up variance and carries no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headwater.errors import InputError
from headwater.theory.activations import Activation, activation
from headwater.theory.gaussian import mean, second_moment, slope


@dataclass(frozen=True)
class UnitVarianceGains:
    """Factors on weights of variance ``1 / fan_in`` at pre-activations of variance one.

    Attributes:
        backward: the factor (sigma_w) that keeps the norm of the gradient.
        forward: the factor that keeps the variance of the pre-activations.
        remaining: norm gain of the gradient per layer when the forward variance is kept, ``forward / backward``.
    """

    backward: float
    forward: float
    remaining: float


def unit_variance_gains(what: str | Activation | Callable[..., Any]) -> UnitVarianceGains:
    """Returns the gains for an activation at q = 1."""
    phi = activation(what)
    backward, forward = 1.0 / slope(phi, 1.0), 1.0 / math.sqrt(second_moment(phi, 1.0))
    return UnitVarianceGains(backward, forward, forward / backward)


def layer_norm_gain(what: str | Activation | Callable[..., Any]) -> float:
    """Returns the gain per layer of a deep network of Linear, LayerNorm, activation: ``sqrt(E[phi'^2] / E[phi^2])``."""
    return unit_variance_gains(what).remaining


def batch_norm_gain(what: str | Activation | Callable[..., Any], batch: float = math.inf) -> float:
    """Returns the gain per layer of a deep network of Linear, BatchNorm, activation: always above one.

    The mean over the batch is subtracted, so that only the variance of the activation counts:
    ``sqrt(E[phi'^2] / Var[phi])`` in a large batch, for ReLU ``sqrt(pi / (pi - 1)) = 1.21``; for a linear network
    ``sqrt((B - 2) / (B - 3))`` in a batch of B (Yang, Pennington, Rao, Sohl-Dickstein and Schoenholz 2019, "A mean
    field theory of batch normalization"). A smaller batch raises the gain; for what is not linear the formula is given
    for large batches only.

    Raises:
        InputError: a finite batch for an activation that is not linear, or one of 3 or less.
    """
    phi = activation(what)
    if batch == math.inf:
        return slope(phi, 1.0) / math.sqrt(second_moment(phi, 1.0) - mean(phi, 1.0) ** 2)
    if phi.name != "linear":
        raise InputError(
            f"The gain under BatchNorm in a batch of {batch:g} is known for 'linear' only, not for {phi.name!r}: "
            "leave the batch out for that of a large one."
        )
    if batch <= 3:
        raise InputError(f"Expected a batch of more than 3, got {batch:g}: below, the gradient's mean square diverges.")
    return math.sqrt((batch - 2.0) / (batch - 3.0))
