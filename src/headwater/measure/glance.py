"""The gradient along the trunk in one pass, of a network in the middle of a training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from headwater.graph import owners, walk
from headwater.measure.guard import untouched
from headwater.measure.layers import uses
from headwater.measure.objective import Objective
from headwater.measure.profile import profile
from headwater.measure.structure import structure
from headwater.measure.trace import backward, itemise, parameter_names
from headwater.records import Profile


def glance(model: nn.Module, objective: Objective, batch: Any, seed: int = 0) -> Profile | None:
    """Returns the profile of one batch; ``None`` where the loss is not finite or reaches no weight.

    The model, its buffers and gradients and every random number generator are left as they were.
    """
    with untouched(model, seed):
        with owners(model) as learned:
            loss = objective(model, batch).loss
        if loss.grad_fn is None or not torch.isfinite(loss).all():
            return None
        graph = walk(loss)
        norms = backward(loss, graph)
        model.zero_grad(set_to_none=True)
    trace = itemise(graph, norms, float(loss.detach()), parameter_names(model), learned)
    shape = structure(trace)
    return profile(trace, shape, uses(trace, shape))
