"""What a user can choose about watching."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headwater.errors import InputError

BUDGET = 0.01
"""Share of the training's time that watching may take."""
FIRST = (3,)
"""Steps, from 0, that are probed whatever it costs: the first at which what starts at zero by design has moved."""
OF_A_SCRIPT = tuple(range(9))
"""Those of a script: one after the other at the beginning, eight and the one that they have led to, as a diagnosis."""
AT_LEAST_EVERY = 600.0
"""Seconds after which a step is probed whatever it costs."""


@dataclass(frozen=True)
class Settings:
    """How a training is watched.

    Attributes:
        budget: share of the time that watching may take on average; infinite: everything is measured on every step.
        first: steps, counted from 0, that are probed at any cost.
        at_least_every: seconds after which the next probe is made at any cost.

    Raises:
        InputError: the budget or the time is not positive.
    """

    budget: float = BUDGET
    first: tuple[int, ...] = FIRST
    at_least_every: float = AT_LEAST_EVERY

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise InputError(
                f"Expected budget as a positive share of the training's time, got {self.budget!r}. 0.01 is one per "
                "cent; math.inf measures everything on every step."
            )
        if not self.at_least_every > 0:
            raise InputError(f"Expected at_least_every as seconds above 0, got {self.at_least_every!r}.")

    @property
    def everything(self) -> bool:
        """Whether nothing is left out to save time."""
        return math.isinf(self.budget)
