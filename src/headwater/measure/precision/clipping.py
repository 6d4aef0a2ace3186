"""What clipping leaves of the gradient: its norm as the backward pass left it, and as the optimizer consumed it.

Clipping hides in a hook before the step, in the step of a subclass, or in a function that either of them calls. A hook
of our own, registered last, sees the gradient behind all other hooks; in a subclass that calls ``super().step()`` it
runs once more, behind whatever the subclass did. For a step that does everything itself there are only the calls of
``torch.nn.utils.clip_grad_*_`` to go by: they are watched while the step runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import utils

from headwater.measure.norms import frobenius

_FUNCTIONS = ("clip_grad_norm_", "clip_grad_value_")
_HOLDERS = (utils, utils.clip_grad)


class Clipping:
    """Follows the gradient's norm from step to step: `before`, then `consumed` (of several calls the last counts)."""

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        self._parameters = parameters
        self._stamps: tuple[tuple[int, int], ...] = ()
        self._suspected = False
        self._norm: float | None = None
        self._consumed: float | None = None
        self._later: list[float] = []

    def before(self) -> None:
        """Reads the gradient as the backward pass left it.

        Norms are taken only once something was seen to change gradients: until then their version counters are
        compared, which costs nothing.
        """
        self._stamps = self._stamp()
        self._norm = self._total() if self._suspected else None
        self._consumed, self._later = None, []

    def consumed(self) -> None:
        """Reads the gradient as the optimizer is about to use it."""
        self._later = []
        self._suspected = self._suspected or self._stamp() != self._stamps
        if self._norm is not None:
            self._consumed = self._total()

    def norms(self) -> tuple[float, float] | None:
        """Returns the two norms of this step; ``None`` while nothing changes gradients."""
        if self._later:
            self._suspected = True
        if self._norm is None or self._consumed is None:
            return None
        return self._norm, self._consumed * math.prod(self._later)

    @contextmanager
    def calls(self) -> Generator[None]:
        """Watches the calls of PyTorch's clipping functions; they do what they always do."""
        originals = {name: getattr(utils.clip_grad, name) for name in _FUNCTIONS}
        try:
            for name, original in originals.items():
                _put(name, self._watched(original))
            yield
        finally:
            for name, original in originals.items():
                _put(name, original)

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            given = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
            before = _total(given)
            result = original(given, *args, **kwargs)
            after = _total(given)
            self._later.append(after / before if before > 0 and math.isfinite(before) else 1.0)
            return result

        return clip

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        gradients = (p.grad for p in self._parameters)
        return tuple((id(g), g._version) for g in gradients if g is not None)

    def _total(self) -> float:
        return _total(self._parameters)


def _total(parameters: Iterable[torch.Tensor]) -> float:
    return math.hypot(*(frobenius(p.grad) for p in parameters if p.grad is not None))


def _put(name: str, function: Callable[..., Any]) -> None:
    for holder in _HOLDERS:
        setattr(holder, name, function)
