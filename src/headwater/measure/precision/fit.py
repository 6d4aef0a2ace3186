"""Has the network converged? Its loss against the loss that it has when the targets are shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from headwater.measure.objective import Objective

_SEED = 0
_TARGETS = ("labels", "label", "targets", "target", "y")


def fit(model: nn.Module, objective: Objective, batch: Any) -> float | None:
    """Returns ``loss / loss with the targets moved on by one``; ``None`` where targets cannot be told from the batch.

    Small gradients are natural at convergence, and a fault where nothing has been learnt. No absolute size of loss or
    gradient tells the two apart, since both scale with the loss; this ratio does not.
    """
    shifted = _shifted(batch)
    if shifted is None:
        return None
    torch.manual_seed(_SEED)
    own = float(objective(model, batch).loss.detach())  # not under no_grad: a forward pass may take derivatives itself
    torch.manual_seed(_SEED)
    other = float(objective(model, shifted).loss.detach())
    return own / other if own >= 0 and other > 0 else None


def _shifted(batch: Any) -> Any:
    if isinstance(batch, tuple | list):
        parts = list(cast("list[Any]", batch))
        if len(parts) == 2 and _movable(parts[1]):
            return parts[0], parts[1].roll(1, 0)
    if isinstance(batch, Mapping):
        named = dict(cast("Mapping[str, Any]", batch))
        for name in _TARGETS:
            if _movable(named.get(name)):
                return named | {name: named[name].roll(1, 0)}
    return None


def _movable(targets: Any) -> bool:
    return isinstance(targets, torch.Tensor) and targets.dim() > 0 and targets.shape[0] > 1
