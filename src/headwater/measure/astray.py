"""Whether a training that broke off was on its way out of the finite numbers; code may guard itself against them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from headwater.records import LOSS_RISES


def went_astray(losses: Sequence[float], model: nn.Module) -> bool:
    """Returns whether a training that crashed had gone astray: its loss had risen, or its weights are no numbers."""
    return has_risen(losses) or not has_numbers(model)


def has_risen(losses: Sequence[float]) -> bool:
    """Returns whether the last loss is far above the first.

    That is a sign where a training broke off. In one that came to its end it is none: an actor's loss begins near zero,
    a term of the loss is phased in, a curriculum becomes harder.
    """
    return bool(losses) and 0 < LOSS_RISES * losses[0] < losses[-1]


def has_numbers(model: nn.Module) -> bool:
    """Returns whether the weights are numbers that can be squared, as far as they can be read.

    A device on which an assertion failed, or without memory, computes nothing: what is told then is that, and not the
    error of a second look.
    """
    weights = (parameter.detach().float() for parameter in model.parameters() if parameter.requires_grad)
    try:
        return all(bool(torch.isfinite((each * each).sum())) for each in weights)
    except RuntimeError:
        return True
