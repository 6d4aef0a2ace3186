"""Lower the optimizer's epsilon, to 1e-15.

## What it does

Adam's step on a constant gradient g is ``rate * g / (|g| + epsilon)``. Below epsilon (1e-8 as it comes) it is plain
gradient descent with a rate of ``rate / epsilon``, and its promise that the scale of the loss does not matter no longer
holds. With 1e-15 it holds again down to gradients of 1e-14: digits with the loss times 1e-8 then reach 0.0140, as with
the loss as it is; with 1e-8 they stay at 2.22.

## When not

Never 0: the first element without a gradient would be 0/0. Not for float16 weights, whose moments hold nothing below
6e-8. Where the gradient is small because it vanishes on its way, mend that first. Adadelta and Adafactor use their
epsilon otherwise.

## Safety

Safe: no function of the network changes.

## References

- Kingma, Ba 2015, "Adam: a method for stochastic optimization", ICLR, arXiv 1412.6980
- Wortsman et al. 2023, "Small-scale proxies for large-scale Transformer training instabilities", arXiv 2309.14322
"""

from __future__ import annotations

from typing import Any

import torch

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies.options import Group, set_options
from headwater.remedies.remedy import Remedy, Training

_CODE = "lower-epsilon"
_EPSILON = 1e-15
"""Its square is far above the smallest number of float32 (1e-45), in which the second moment is kept."""


def _refusal(training: Training) -> str | None:
    groups: list[dict[str, Any]] = training.optimizer.param_groups
    if not any(map(_has_epsilon, groups)):
        return f"{type(training.optimizer).__name__} adds no epsilon to the root of a second moment"
    if all(group["eps"] <= _EPSILON for group in groups if _has_epsilon(group)):
        return f"epsilon is {number(groups[0].get('eps'))} already"
    if any(p.dtype == torch.float16 for group in groups for p in group["params"]):
        return "the moments of float16 weights are kept in float16, which has no number below 6e-8"
    return None


def _has_epsilon(group: Group) -> bool:
    return isinstance(group.get("eps"), float) and "rho" not in group  # Adadelta has a rho


def _apply(training: Training) -> Change:
    before = max(group["eps"] for group in training.optimizer.param_groups if _has_epsilon(group))
    says = f"an epsilon of {number(_EPSILON)} in place of {number(before)}"
    return set_options(training, _CODE, says, lambda group: {"eps": _EPSILON})


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
