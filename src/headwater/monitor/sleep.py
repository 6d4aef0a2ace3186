"""Steps of which nothing is kept, and that are only counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headwater.monitor.shield import Guarded, Shield
from headwater.monitor.stepping import under_way

LONGEST = 100
"""Steps: also where each comes to take far longer than those before, somebody looks now and then."""


@dataclass
class Sleep:
    """How long an optimizer's steps need nobody.

    Attributes:
        left: steps that are still only counted.
        slept: steps that were, and are not on any account yet.
        nests: whether a step was seen to run inside another one, which cannot be counted so.
        depth: how many of the optimizer's steps are under way.
    """

    left: int = 0
    slept: int = 0
    nests: bool = False
    depth: int = 0

    def begin(self, steps: int) -> None:
        """Sleeps for some steps, at most `LONGEST`."""
        self.left, self.depth = (max(0, min(steps, LONGEST)) if not self.nests else 0), 0

    def end(self) -> int:
        """Wakes, and returns how many steps were counted."""
        slept, self.left, self.slept = self.slept, 0, 0
        return slept

    def deeper(self, optimizer: Any) -> None:
        """Looks how deep it is: inside another step, or one before it raised, and never came to its end."""
        self.depth = max(1, under_way(optimizer))
        self.nests = self.nests or self.depth > 1


class Before(Guarded):
    """A hook before steps, which does nothing while they are slept through."""

    def __init__(self, shield: Shield, hook: Callable[..., Any], sleep: Sleep) -> None:
        super().__init__(shield, hook)
        self._sleep = sleep

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Does what the hook does, unless the step is slept through."""
        sleep = self._sleep
        if not sleep.left:
            return super().__call__(*args, **kwargs)
        sleep.depth += 1
        if sleep.depth > 1:
            self._shield.run(sleep.deeper, *args[:1])
        return None


class After(Guarded):
    """A hook after steps, which only counts them meanwhile. Most steps of a training do no more than these two."""

    def __init__(self, shield: Shield, hook: Callable[..., Any], sleep: Sleep) -> None:
        super().__init__(shield, hook)
        self._sleep = sleep

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
