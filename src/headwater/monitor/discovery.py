"""Finds the models that an optimizer trains, in a script that never told us of them."""

from __future__ import annotations

import gc
from collections.abc import Iterable

import torch
from torch import nn

from headwater.monitor.names import Together


def models_of(parameters: Iterable[torch.Tensor]) -> list[nn.Module]:
    """Returns the outermost living modules that hold the parameters; those with more of them first.

    A module inside another one is left out, except where the outer one holds none of the parameters itself (nothing
    does) or is a container of losses and metrics around several models, which is as good a root as any.
    """
    wanted = {id(p) for p in parameters}
    modules = [each for each in gc.get_objects() if _is_module(each)]
    holding = [each for each in modules if _holds(each, wanted)]
    inside = {id(child) for each in holding for child in each.modules() if child is not each}
    outermost = [each for each in holding if id(each) not in inside]
    outermost.sort(key=lambda each: -sum(id(p) in wanted for p in each.parameters()))
    found: list[nn.Module] = []
    covered: set[int] = set()
    for each in outermost:
        own = {id(p) for p in each.parameters()} & wanted
        if not own <= covered:
            found.append(each)
            covered |= own
    return found


def _is_module(each: object) -> bool:
    """Asks the type: some objects answer ``isinstance`` by doing things. Our own container does not count."""
    return issubclass(type(each), nn.Module) and type(each) is not Together


def _holds(module: nn.Module, wanted: set[int]) -> bool:
    try:
        return any(id(p) in wanted for p in module.parameters())
    except (AttributeError, RuntimeError):  # half-built, or torn down
        return False
