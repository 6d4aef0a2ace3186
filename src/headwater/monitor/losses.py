"""The loss, as the arguments of a backward pass tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch


def loss_of(tensors: Any, gradients: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Returns where a backward pass begins, and the loss there; ``None`` where that is not one tensor.

    Of several numbers with a gradient for each the loss is ``(tensor * gradient).sum()``.
    """
    tensor, gradient = _single(tensors), _single(gradients)
    if not isinstance(tensor, torch.Tensor) or tensor.grad_fn is None:
        return None
    value = tensor.detach()
    if value.numel() == 1:
        return tensor, value
    if not isinstance(gradient, torch.Tensor) or gradient.shape != value.shape or not value.is_floating_point():
        return None
    return (tensor, (value * gradient.detach()).sum(dtype=torch.float32)) if value.layout == torch.strided else None


def _single(given: Any) -> Any:
    """What is alone in a list or tuple."""
    several = cast("Sequence[Any]", given) if isinstance(given, list | tuple) else (given,)
    return several[0] if len(several) == 1 else None
