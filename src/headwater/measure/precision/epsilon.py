"""How much of an adaptive step epsilon leaves."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.optim import Adamax, Optimizer, RAdam

TEN = 10.0
"""Below ten epsilons a step is at least 9 % shorter than the rate says."""

_WARM_UP_OF_RADAM = 6
"""Before this step RAdam does not adapt (Liu et al. 2020: rho_t <= 5, with beta_2 = 0.999)."""


def epsilon_of(group: dict[str, Any]) -> float | None:
    """The epsilon that a group adds to the root of its second moment; Adadelta's and Adafactor's stand elsewhere."""
    epsilon = group.get("eps")
    return float(epsilon) if isinstance(epsilon, int | float) and "rho" not in group and epsilon > 0 else None


def epsilon_effect(optimizer: Optimizer, group: dict[str, Any], parameter: torch.Tensor) -> tuple[float, float] | None:
    """Returns the share of elements with ``r < 10 eps``, and the mean of ``r / (r + eps)``, where ``r = sqrt(v_hat)``.

    A step of Adam on a constant gradient g is ``lr g / (g + eps)`` (Kingma and Ba 2015, "Adam", algorithm 1): the
    second number is what is left of the rate. Both are over the elements that ever received a gradient: a row of a
    lookup table that no batch touched, or a weight behind a dead unit, says nothing about epsilon.
    """
    epsilon = epsilon_of(group)
    state = cast("dict[str, Any]", optimizer.state.get(parameter, {}))
    found = _root(optimizer, group, state, epsilon) if epsilon is not None else None
    if epsilon is None or found is None:
        return None
    first: Any = state.get("exp_avg", state.get("momentum_buffer"))
    touched = found > 0 if first is None else (found > 0) | (first != 0)
    root = found[touched]
    if root.numel() == 0:
        return None
    return float((root < TEN * epsilon).float().mean()), float((root / (root + epsilon)).mean())


def _root(
    optimizer: Optimizer, group: dict[str, Any], state: dict[str, Any], epsilon: float | None
) -> torch.Tensor | None:
    """The root of the second moment, as the step divides by it (without epsilon)."""
    if isinstance(optimizer, Adamax) and "exp_inf" in state:
        return (state["exp_inf"].float() - (epsilon or 0.0)).clamp_min(0.0)  # epsilon is inside the maximum
    if "square_avg" in state or "sum" in state:  # RMSprop, Adagrad
        return torch.sqrt(state["square_avg" if "square_avg" in state else "sum"].float())
    if "exp_avg_sq" not in state or "betas" not in group or "step" not in state:
        return None
    taken = float(state["step"])
    if taken < 1 or (isinstance(optimizer, RAdam) and taken < _WARM_UP_OF_RADAM):
        return None
    moment = state["max_exp_avg_sq"] if group.get("amsgrad") and "max_exp_avg_sq" in state else state["exp_avg_sq"]
    correction = 1.0 if isinstance(optimizer, RAdam) else 1.0 - float(group["betas"][1]) ** taken
    return torch.sqrt(moment.float() / correction)
