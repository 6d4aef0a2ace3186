"""Do the outputs follow the targets? The loss against the loss with the targets of other samples of the batch.

A ratio, so that neither the scale of the loss nor its reduction matters. Near one the outputs do not follow the
targets; near zero they fit them: small gradients are natural there, and a fault where nothing has been learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from headwater.measure.guard import seed_torch
from headwater.measure.objective import Objective

_SEED = 0
_TARGETS = ("labels", "label", "targets", "target", "y")


def outputs_fit(loss_fn: Callable[[Any, Any], torch.Tensor] | None, outputs: Any, targets: Any) -> float | None:
    """Returns the ratio for outputs at hand.

    ``None`` where outputs or targets are not one tensor each, over the same batch, and where the loss needs the
    pass that the outputs came from.
    """
    others = moved(targets)
    if loss_fn is None or others is None or not isinstance(outputs, torch.Tensor) or outputs.dim() == 0:
        return None
    if len(others) != len(outputs):
        return None
    outputs = outputs.detach()
    try:
        return _ratio(loss_fn(outputs, targets), loss_fn(outputs, others))
    except RuntimeError:  # it differentiates the outputs, or holds on to the pass that they came from
        return None


def model_fit(model: nn.Module, objective: Objective, batch: Any) -> float | None:
    """Returns the ratio on a batch, for which the model runs twice; ``None`` where it holds no targets to tell."""
    others = with_other_targets(batch)
    if others is None:
        return None
    seed_torch(_SEED)
    own = objective(model, batch).loss.detach()  # not under no_grad: a forward pass may take derivatives itself
    seed_torch(_SEED)
    return _ratio(own, objective(model, others).loss.detach())


def with_other_targets(batch: Any) -> Any:
    """Returns the batch with targets of other samples; ``None`` when it is not clear which part the targets are."""
    if isinstance(batch, Mapping):
        named = cast("Mapping[str, Any]", batch)
        key = next((key for key in _TARGETS if key in named), None)
        others = moved(named[key]) if key else None
        return None if others is None else {**named, key: others}
    if isinstance(batch, Sequence) and len(cast("Sequence[Any]", batch)) == 2:
        inputs, targets = cast("Sequence[Any]", batch)
        others = moved(targets)
        return None if others is None else (inputs, others)
    return None


def moved(targets: Any) -> torch.Tensor | None:
    """Returns the targets moved on by half a batch, so that sorted ones change too; ``None`` when there are none."""
    if not isinstance(targets, torch.Tensor) or targets.dim() == 0 or len(targets) < 2:
        return None
    return targets.roll(len(targets) // 2, 0)


def _ratio(own: Any, others: Any) -> float | None:
    own, others = float(own), float(others)
    return own / others if own >= 0 and others > 0 and math.isfinite(own / others) else None
