"""Steps of which nothing is kept, and that are only counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headwater.monitor.shield import Guarded, Shield

LONGEST = 100
"""Steps: also where each comes to take far longer than those before, somebody looks now and then."""


@dataclass(slots=True)
class Sleep:
    """How long an optimizer's steps need nobody, and how deep inside of them the program is.

    Attributes:
        under_way: counts the optimizer's steps on the stack.
        left: steps that are still only counted.
        slept: steps that were, and are not on any account yet.
        depth: how many of the optimizer's steps have begun and not ended.
        nests: whether a step was seen to run inside another one, which cannot be slept through.
    """

    under_way: Callable[[], int]
    left: int = 0
    slept: int = 0
    depth: int = 0
    nests: bool = False

    def begin(self, steps: int) -> None:
        """Sleeps for some steps, at most `LONGEST`."""
        self.left = max(0, min(steps, LONGEST)) if not self.nests else 0

    def end(self) -> int:
        """Wakes, and returns how many steps were counted."""
        slept, self.left, self.slept = self.slept, 0, 0
        return slept

    def enter(self) -> int:
        """A step begins; returns how deep it is."""
        self.depth += 1
        if self.depth > 1:  # a step inside a step; or one before it raised, and never came to its end
            self.depth = max(1, self.under_way())
            self.nests = self.nests or self.depth > 1
        return self.depth

    def leave(self) -> bool:
        """A step ends; returns whether no other one is under way."""
        self.depth = max(0, self.depth - 1)
        return self.depth == 0


class _OnSteps(Guarded):
    """A hook on an optimizer's steps that are slept through now and then."""

    def __init__(self, shield: Shield, hook: Callable[..., Any], sleep: Sleep) -> None:
        super().__init__(shield, hook)
        self._sleep = sleep


class Before(_OnSteps):
    """Before steps; while they are slept through it only knows that one has begun."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Does what the hook does, unless the step is slept through."""
        sleep = self._sleep
        if not sleep.left:
            return super().__call__(*args, **kwargs)
        if sleep.depth:
            self._shield.run(sleep.enter)
        else:  # as `enter`: most steps of a training do no more than this and what stands in `After`
            sleep.depth = 1
        return None


class After(_OnSteps):
    """After steps; while they are slept through it only counts them."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Does what the hook does, unless the step is slept through."""
        sleep = self._sleep
        if not sleep.left:
            return super().__call__(*args, **kwargs)
        sleep.depth -= 1
        if sleep.depth <= 0:
            sleep.depth = 0
            sleep.left -= 1
            sleep.slept += 1
        return None
