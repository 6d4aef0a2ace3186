"""Other initial weights, and nothing else: the control that says how much of a difference is chance."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

OTHER = 104_729
"""Added to a seed for the weights alone."""


def redraw_weights(seed: int) -> Callable[[], None]:
    """Lets every function of ``torch.nn.init`` draw from random numbers of its own; returns what ends that.

    Each one draws twice: first as ever, so that the script's own random numbers (its data, their order, dropout) go on
    exactly as in the original, then once more from the other ones, and that stays. PyTorch's modules initialise
    themselves by these functions, and so do scripts. What a script fills by other means (``torch.randn``, a checkpoint
    that it loads) stays as it is.
    """
    draws = _Draws(torch.Generator().manual_seed(seed + OTHER).get_state())
    functions = {
        name: each
        for name, each in vars(nn.init).items()
        if name.endswith("_") and not name.startswith("_") and inspect.isfunction(each)
    }
    for name, function in functions.items():
        setattr(nn.init, name, draws.twice(function))

    def undo() -> None:
        for name, function in functions.items():
            setattr(nn.init, name, function)

    return undo


class _Draws:
    """The other random numbers."""

    def __init__(self, state: torch.Tensor) -> None:
        self._state = state
        self._inside = False

    def twice(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function that draws twice; those that it calls itself draw once each time."""

        @functools.wraps(function)
        def drawn(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if self._inside:
                return result
            here, self._inside = torch.get_rng_state(), True
            torch.set_rng_state(self._state)
            try:
                return function(*args, **kwargs | ({"generator": None} if "generator" in kwargs else {}))
            finally:
                self._state, self._inside = torch.get_rng_state(), False
                torch.set_rng_state(here)

        return drawn
