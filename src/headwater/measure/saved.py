"""Reads the tensors that autograd saved for the backward pass, and only where that is harmless."""

from __future__ import annotations

import torch

from headwater.graph import GraphOp
from headwater.graph.kinds import SAVED_INPUT


def saved(op: GraphOp, name: str) -> torch.Tensor | None:
    """Returns the saved tensor ``_saved_<name>`` of an operation; ``None`` when it has none or it must not be read.

    A tensor packed by saved-tensor hooks (activation checkpointing, offloading) is not read: unpacking it would run
    the forward pass again, and a checkpointed one may be unpacked only once.
    """
    raw = getattr(op.node, f"_raw_saved_{name}", None)
    if raw is None:
        return None
    try:
        if raw.unpack_hook is not None:
            return None
        value = getattr(op.node, f"_saved_{name}")
    except RuntimeError:  # freed, or changed in place since
        return None
    return value.detach() if isinstance(value, torch.Tensor) else None


def layer_input(op: GraphOp) -> torch.Tensor | None:
    """Returns the tensor that an operation applied its weight to, when autograd kept it."""
    name = SAVED_INPUT.get(op.kind)
    return saved(op, name.removeprefix("_saved_")) if name else None
