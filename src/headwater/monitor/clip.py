"""Clipping of gradients in a live training, as it was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from headwater.monitor.figures import Figures


@dataclass(frozen=True)
class Clip:
    """Norm of the gradient before clipping, and what it was shortened to; ``None``: the gradients at the step tell."""

    norm: Any
    limit: float | None


def factor(clip: Clip | None, figures: Figures) -> Any:
    """By what clipping multiplies the gradient: ``min(1, limit / (norm + 1e-6))``, as PyTorch does."""
    if clip is None:
        return None
    if clip.limit is None:
        return figures.total() / clip.norm
    if isinstance(clip.norm, torch.Tensor):
        return torch.clamp(clip.limit / (clip.norm.detach() + 1e-6), max=1.0)
    return min(1.0, clip.limit / (float(clip.norm) + 1e-6))
