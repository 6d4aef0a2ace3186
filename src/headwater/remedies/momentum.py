"""Add momentum, or Nesterov's, to plain gradient descent.

## What it does

    v <- 0.9 v + g          w <- w - rate v                      (Polyak 1964, in PyTorch's form)
    v <- 0.9 v + g          w <- w - rate (g + 0.9 v)            (Nesterov)

The steps along a narrow valley of the loss add up, up to ten times the plain one, and those across it cancel. Of a
quadratic loss with condition number k, gradient descent needs of the order of k steps, and with momentum sqrt(k).

## When not

It rescales all layers alike, and so does not mend a gradient that vanishes on its way to some of them. Where the rate
is already as large as the loss bears, steps that add up to ten times of it are too long: ten times less goes with it.

## Safety

Safe: no function of the network changes.

## References

- Polyak 1964, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics 4
- Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum in deep learning", ICML
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import SGD

from headwater.records import Change
from headwater.remedies.options import set_options
from headwater.remedies.remedy import Remedy, Training

_CODE = "momentum"
_MOMENTUM = 0.9
"""Sutskever et al. 2013: 0.9 to 0.999, the smallest of them where the training is short."""


def _refusal(training: Training) -> str | None:
    optimizer = training.optimizer
    if not isinstance(optimizer, SGD):
        return f"the optimizer is {type(optimizer).__name__}, not plain gradient descent"
    if any(group["momentum"] for group in optimizer.param_groups):
        return "it has momentum already"
    return None


def _apply(key: str, says: str, options: dict[str, Any]) -> Callable[[Training], Change]:
    return lambda training: set_options(training, key, says, lambda group: options)


REMEDIES = (
    Remedy(
        _CODE,
        "",
        "safe",
        1,
        _refusal,
        _apply(_CODE, f"momentum of {_MOMENTUM}", {"momentum": _MOMENTUM}),
        __doc__ or "",
    ),
    Remedy(
        _CODE,
        "nesterov",
        "safe",
        1,
        _refusal,
        _apply(
            f"{_CODE}:nesterov",
            f"Nesterov momentum of {_MOMENTUM}",
            {"momentum": _MOMENTUM, "dampening": 0, "nesterov": True},
        ),
        __doc__ or "",
    ),
)
