"""Gradients that are zero because their dtype has no smaller number: told by scaling the loss up and looking again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from headwater.measure.guard import seed_torch
from headwater.measure.norms import dense, frobenius
from headwater.measure.objective import Objective
from headwater.records import Trace

_NARROW = ("float16", "float8")
_SMALL = 1e-5
"""Root mean square of a gradient below which a noticeable share of float16's numbers is lost (2.4 % at 1e-6)."""
_ZEROS = 0.01
"""Share of zeros in a weight's gradient from which on it is asked where they come from."""
_SEED = 0
"""Of both passes, on every device: with another mask of dropout other elements would be zero."""
_EXPONENTS = (96, 64, 48, 36, 24, 16, 12, 8, 4)


@dataclass(frozen=True)
class Lost:
    """One weight: share of its elements lost, what is captured of its gradient, and whether scaling brought it back."""

    share: float
    captured: float
    recovered: bool


def suspicious(trace: Trace, weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether a gradient may have underflowed: it is small for its dtype, or holds zeros in a narrow one."""
    if any(op.underflow for op in trace.ops):
        return True
    narrow = [op for op in trace.ops if is_narrow(op.dtype)]
    if any(op.norm_in < _SMALL * math.sqrt(max(op.numel, 1)) for op in narrow):
        return True
    return is_narrow(narrowest(trace, weights)) and any(_zeros(p) > _ZEROS for p in weights.values())


def narrowest(trace: Trace, weights: Mapping[str, torch.Tensor]) -> str:
    """The dtype among those of the gradients, also of weights, whose smallest number is the largest."""
    dtypes = {op.dtype for op in trace.ops} | {str(p.dtype).removeprefix("torch.") for p in weights.values()}
    return max(sorted(dtypes), key=_smallest, default="")


def is_narrow(dtype: str) -> bool:
    """Whether ordinary gradients are too small for a dtype: float16 and the float8 ones, not bfloat16."""
    return dtype.startswith(_NARROW)


def lost_gradients(
    model: nn.Module, objective: Objective, batch: Any, weights: Mapping[str, torch.Tensor], *, narrow: bool
) -> tuple[float | None, dict[str, Lost]]:
    """Returns the loss scale that was used, and what each weight lost without it.

    The same pass is run twice, with the loss as it is and multiplied by a power of two, the largest of a few with
    which everything stays finite (loss scaling: Micikevicius et al. 2018, "Mixed precision training"). An element that
    is zero in the first and not in the second was lost to underflow. A zero by design (the mask of a ReLU, an expert
    without tokens) stays zero.
    """
    plain = _gradients(model, objective, batch, weights, 0)
    if not plain:
        return None, {}
    largest = max(float(g.abs().max()) for g in plain.values() if g.numel())
    room = torch.finfo(torch.float16 if narrow else torch.float32).max
    for exponent in (e for e in _EXPONENTS if largest * 2.0**e < room):
        scaled = _gradients(model, objective, batch, weights, exponent)
        if scaled and all(math.isfinite(frobenius(g)) for g in scaled.values()):
            found = {name: _lost(plain[name], scaled[name], exponent) for name in plain if name in scaled}
            return 2.0**exponent, found
    return None, {}


def _lost(plain: torch.Tensor, scaled: torch.Tensor, exponent: int) -> Lost:
    reached = scaled != 0
    count = int(reached.sum())
    if count == 0:
        return Lost(0.0, 1.0, recovered=bool(plain.any()))
    wanted = scaled.double() * 2.0**-exponent
    largest = wanted.abs().max()  # squares of numbers below 1e-162 are zero in float64 too
    along = float((plain.double() / largest * (wanted / largest)).sum())
    size = float((wanted / largest).square().sum())
    return Lost(float(((plain == 0) & reached).sum()) / count, along / size, recovered=True)


def _gradients(
    model: nn.Module,
    objective: Objective,
    batch: Any,
    weights: Mapping[str, torch.Tensor],
    exponent: int,
) -> dict[str, torch.Tensor]:
    """The weights' gradients with the loss scaled by ``2^exponent``; empty where the loss cannot hold that number."""
    seed_torch(_SEED)
    loss = objective(model, batch).loss
    if loss.grad_fn is None or not bool(loss.isfinite()) or 2.0**exponent > torch.finfo(loss.dtype).max:
        return {}
    model.zero_grad(set_to_none=True)
    loss.backward(torch.full_like(loss, 2.0**exponent))
    found = {name: dense(p.grad).clone() for name, p in weights.items() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def _zeros(parameter: torch.Tensor) -> float:
    if parameter.grad is None:
        return 0.0
    gradient = dense(parameter.grad)
    return 1.0 - int(torch.count_nonzero(gradient)) / max(gradient.numel(), 1)


def _smallest(name: str) -> float:
    dtype = getattr(torch, name)
    return torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps if dtype.is_floating_point else 0.0
