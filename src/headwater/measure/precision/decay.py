"""Weight decay against the gradient: what of a step is decay, and what it takes of the weight."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop

from headwater.measure.norms import frobenius
from headwater.measure.optimizers import rate_of

_COUPLED = (Adam, Adamax, Adagrad, NAdam, RAdam, RMSprop)

LOOK = 1.0
"""Where decay is larger than the gradient, the step is looked at."""
TAKES = 3e-3
"""Share of the weight that decay takes in a step, beside the gradient's part, from which the step is looked at."""


def coupled_decay(optimizer: Optimizer, group: dict[str, Any]) -> float:
    """Returns the decay that a group adds to the gradient before it is normalised; 0 where it does not.

    ``Adam(weight_decay=d)`` steps along ``g + d w``, divided by its own size: where g is gone, what is left is the sign
    of w, at the full rate. Decoupled decay (Loshchilov and Hutter 2019, AdamW) takes ``lr d w``, whatever g is.
    """
    if not isinstance(optimizer, _COUPLED) or isinstance(optimizer, AdamW) or group.get("decoupled_weight_decay"):
        return 0.0
    return float(group.get("weight_decay") or 0.0)


def plain_decay(optimizer: Optimizer, group: dict[str, Any]) -> float:
    """Returns the share of the weight that decay takes in a step by itself, ``lr d / (1 - momentum)``; else 0."""
    if coupled_decay(optimizer, group):
        return 0.0
    momentum = float(group.get("momentum") or 0.0) if not group.get("decoupled_weight_decay") else 0.0
    kept = max(1.0 - momentum, torch.finfo(torch.float64).eps)
    return (rate_of(group) or 0.0) * float(group.get("weight_decay") or 0.0) / kept


def decay_to_gradient(decay: float, parameter: torch.Tensor) -> float | None:
    """Returns ``|d w| / |g|`` over the elements that have a gradient; ``None`` when none has."""
    gradient = parameter.grad
    if gradient is None or gradient.is_sparse:
        return None
    size = frobenius(gradient)
    if size == 0:
        return None
    everywhere = decay * frobenius(parameter) / size
    if everywhere < LOOK:
        return everywhere
    return decay * frobenius(parameter.detach()[gradient != 0]) / size


def toward_zero(before: torch.Tensor, after: torch.Tensor) -> tuple[float, float]:
    """Returns the cosine between a step and ``-w``, and the share of the norm that the step took away."""
    start = before.double()
    change = after.double() - start
    along, size = -float((change * start).sum()), frobenius(start)
    moved = frobenius(change)
    if size == 0 or moved == 0:
        return 0.0, 0.0
    return along / (moved * size), along / size**2
