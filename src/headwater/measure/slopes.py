"""The slope of each activation as a share of its largest, from what autograd saved of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from headwater.graph import GraphOp
from headwater.measure.saved import saved

Slope = Callable[[Any, torch.Tensor], torch.Tensor]
"""From autograd's node and the tensor that it saved to the slope, in numbers or, if exact, in truth values."""


def slope(op: GraphOp, read: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor | None:
    """Returns ``phi'(z) / max |phi'|`` of an activation; ``None`` where autograd did not keep what that needs.

    Of a kind in `EXACT` as truth values: whether it is one or zero.

    Args:
        op: an operation whose kind is among `SLOPES`.
        read: chooses samples and lays them out, before anything is computed from them.
    """
    name, function = SLOPES[op.kind]
    tensor = saved(op, name)
    return None if tensor is None else function(op.node, read(tensor))


def _within(z: torch.Tensor, low: float | torch.Tensor | None, high: float | torch.Tensor | None) -> torch.Tensor:
    inside = torch.ones_like(z, dtype=torch.bool)
    if low is not None:
        inside &= z > low
    if high is not None:
        inside &= z < high
    return inside


def _limits(low: str, high: str) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    return lambda node, z: _within(z, getattr(node, low, None), getattr(node, high, None))


def _derivative(function: Callable[[Any, torch.Tensor], torch.Tensor], largest: float) -> Slope:
    """Slope by autograd; `largest` is the maximum of ``|phi'|`` over all z (found on a grid, see the tests)."""

    def found(node: Any, z: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            z = z.float().requires_grad_()
            (derivative,) = torch.autograd.grad(function(node, z).sum(), z)
        return derivative / largest

    return found


def _elu(node: Any, z: torch.Tensor) -> torch.Tensor:
    alpha, steep = float(node._saved_alpha), float(node._saved_input_scale)  # SELU is an ELU with a scale of its own
    below = abs(alpha * steep) * torch.exp(torch.clamp(z.float() * steep, max=0.0))
    return torch.where(z > 0, torch.ones_like(below), below) / max(1.0, abs(alpha * steep))


def _celu(node: Any, z: torch.Tensor) -> torch.Tensor:
    return torch.exp(torch.clamp(z.float() / float(node._saved_alpha), max=0.0))


EXACT: dict[str, tuple[str, Slope]] = {
    "Relu": ("result", lambda _, y: y.bool()),  # four times as fast as a comparison: the result is never negative
    "Hardtanh": ("self", _limits("_saved_min_val", "_saved_max_val")),
    "Clamp": ("self", _limits("_saved_min", "_saved_max")),
    "ClampMin": ("self", _limits("_saved_min", "_saved_max")),
    "Threshold": ("self", lambda node, z: z > node._saved_threshold),
}
"""Whether the slope is one, inside a range, or exactly zero, outside."""

TWO_SIDED: dict[str, tuple[str, Slope]] = {
    "Sigmoid": ("result", lambda _, y: 4.0 * y * (1.0 - y)),
    "Tanh": ("result", lambda _, y: 1.0 - y * y),
    "Hardsigmoid": ("self", lambda _, z: (z.abs() < 3.0).float()),
}
"""Flat on both sides: decided units have no slope, so the mean over the samples judges them."""

ONE_SIDED: dict[str, tuple[str, Slope]] = {
    "Elu": ("self", _elu),
    "Celu": ("self", _celu),
    "Softplus": ("self", lambda node, z: torch.sigmoid(node._saved_beta * z.float())),
    "Silu": ("self", _derivative(lambda _, z: F.silu(z), 1.0998)),
    "Gelu": ("self", _derivative(lambda node, z: F.gelu(z, approximate=node._saved_approximate), 1.1290)),
    "Mish": ("self", _derivative(lambda _, z: F.mish(z), 1.0885)),
    "Hardswish": ("self", _derivative(lambda _, z: F.hardswish(z), 1.5)),
}
"""Smooth relatives of the ReLU, flat on one side: as with the ReLU, a unit may rest there on most samples."""

SLOPES: dict[str, tuple[str, Slope]] = EXACT | TWO_SIDED | ONE_SIDED
"""Kind of operation -> the tensor that autograd saved, and the slope at it."""
