"""How much curvature an optimizer can bear: the preconditioner and the stability threshold of each.

On a quadratic of curvature h in some direction the optimizer's iteration is linear, and it diverges along that
direction from a certain ``rate * h`` on. For

    gradient descent                 2 / rate
    momentum b (heavy ball)          (2 + 2 b) / ((1 - d) rate)          d: dampening
    Nesterov momentum b              (2 + 2 b) / ((1 + 2 b) rate)

(Cohen, Kaur, Li, Kolter, Talwalkar 2021, "Gradient descent on neural networks typically occurs at the edge of
stability", appendix B). An optimizer that divides the gradient by ``P = sqrt(v) + eps`` bears the same of ``P^-1 H``;
Adam's momentum is an average, ``d = b``, which makes ``(2 + 2 b1) / ((1 - b1) rate)``, 38 / rate at ``b1 = 0.9``
(Cohen, Ghorbani, Krishnan, Agarwal, Medapati, Badura, Suo, Cardoso, Nado, Dahl, Gilmer 2022, "Adaptive gradient methods
at the edge of stability").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop


def bearable(group: Mapping[str, Any], kind: type[Optimizer]) -> float | None:
    """Returns ``rate * threshold`` of a parameter group: 2 for gradient descent, 38 for Adam as it comes.

    ``None`` for an optimizer whose threshold is not known here.
    """
    if group.get("maximize"):
        return None
    if kind in (Adam, AdamW):
        beta = float(group["betas"][0])
        return (2.0 + 2.0 * beta) / (1.0 - beta)
    if kind in (SGD, RMSprop):
        beta = float(group.get("momentum") or 0.0)
        if group.get("nesterov"):
            return (2.0 + 2.0 * beta) / (1.0 + 2.0 * beta)
        return (2.0 + 2.0 * beta) / (1.0 - float(group.get("dampening") or 0.0) * bool(beta))
    return 2.0 if kind is Adagrad else None


def preconditioner(optimizer: Optimizer, parameter: nn.Parameter, group: Mapping[str, Any]) -> torch.Tensor | None:
    """Returns ``P``, by which the optimizer divides each element of the gradient; ``None`` when it divides by nothing.

    Raises:
        LookupError: the optimizer divides by something that it has not gathered yet: it has not taken a step.
    """
    read = _PRECONDITIONERS.get(type(optimizer))
    if read is None:
        return None
    if parameter not in optimizer.state:
        raise LookupError("the optimizer has not taken a step")
    return read(optimizer.state[parameter], group)


def _adam(state: Mapping[str, Any], group: Mapping[str, Any]) -> torch.Tensor:
    square = state["max_exp_avg_sq"] if group.get("amsgrad") else state["exp_avg_sq"]
    correction = 1.0 - float(group["betas"][1]) ** float(state["step"])
    return (square / correction).sqrt() + float(group["eps"])


def _rmsprop(state: Mapping[str, Any], group: Mapping[str, Any]) -> torch.Tensor:
    square = state["square_avg"]
    if group.get("centered"):
        square = (square - state["grad_avg"].square()).clamp_min(0.0)
    return square.sqrt() + float(group["eps"])


def _adagrad(state: Mapping[str, Any], group: Mapping[str, Any]) -> torch.Tensor:
    slowed = 1.0 + (float(state["step"]) - 1.0) * float(group["lr_decay"])
    return (state["sum"].sqrt() + float(group["eps"])) * slowed


_PRECONDITIONERS: dict[type[Optimizer], Callable[[Mapping[str, Any], Mapping[str, Any]], torch.Tensor]] = {
    Adam: _adam,
    AdamW: _adam,
    RMSprop: _rmsprop,
    Adagrad: _adagrad,
}
