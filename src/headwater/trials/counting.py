"""How many optimizer steps a diagnosis or a look at a candidate took."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from headwater.monitor.stepping import under_way

_theirs: list[None] = []
"""One for each piece of the user's own code that runs, in whatever thread; a process does one trial at a time."""


class StepCount:
    """Counts the steps of all optimizers, but for those that are `theirs`."""

    def __init__(self) -> None:
        self.steps = 0

    @contextmanager
    def counting(self) -> Generator[None]:
        """Counts what runs inside."""
        hook = register_optimizer_step_post_hook(self._count)
        try:
            yield
        finally:
            hook.remove()

    def _count(self, _optimizer: Optimizer, *_: Any) -> None:
        if not _theirs:
            self.steps += under_way() <= 1  # that of a base class, or of an optimizer inside, is no step of its own


@contextmanager
def theirs() -> Generator[None]:
    """Marks the steps inside as the user's own, such as those of a function that pretrains its network."""
    _theirs.append(None)
    try:
        yield
    finally:
        _theirs.pop()
