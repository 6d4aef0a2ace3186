"""A model that is asked the same twice in a row answers once: a loss and a score of one batch cost one forward pass."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from headwater.measure.objective import tensors


@dataclass(frozen=True)
class _Answer:
    inputs: Any
    outputs: Any
    versions: list[int]

    @property
    def is_as_given(self) -> bool:
        """Whether nobody wrote into it; of a form that is not known nobody can tell."""
        return bool(self.versions) and self.versions == _versions(self.outputs)


@contextmanager
def asked_once(model: nn.Module) -> Generator[None]:
    """Within it, a model that gets the inputs of its last call returns what it returned then.

    For evaluations: between two calls nothing may change in the model.
    """
    if isinstance(model, torch.jit.ScriptModule):  # takes no other forward
        yield
        return
    own = vars(model).get("forward")
    forward = model.forward
    last: _Answer | None = None

    def answer(*args: Any, **kwargs: Any) -> Any:
        nonlocal last
        if last is None or not last.is_as_given or not _same(last.inputs, (args, kwargs)):
            outputs = forward(*args, **kwargs)
            last = _Answer((args, kwargs), outputs, _versions(outputs))
        return last.outputs

    model.forward = answer
    try:
        yield
    finally:
        if own is None:
            del model.forward
        else:
            model.forward = own


def _versions(outputs: Any) -> list[int]:
    found = tensors(outputs)
    return [] if any(each.is_inference() for each in found) else [each._version for each in found]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        kinds = [(each.shape, each.dtype, each.device, each.layout) for each in (one, other)]
        return one is other or (kinds[0] == kinds[1] and torch.equal(one, other))
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        left, right = cast("Mapping[Any, Any]", one), cast("Mapping[Any, Any]", other)
        return list(left) == list(right) and all(_same(left[key], right[key]) for key in left)
    if isinstance(one, list | tuple):
        ours, theirs = cast("list[Any]", one), cast("list[Any]", other)
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return one is other
