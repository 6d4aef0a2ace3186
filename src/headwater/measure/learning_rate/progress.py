"""Did the steps lower the loss of one and the same batch, and by as much as their gradient promised?"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from headwater.measure.objective import Objective
from headwater.measure.updates import Updates

DOWNHILL = 0.1
"""Least cosine between a step and the negative gradient at which its first-order prediction is worth comparing with."""
RESOLVED = 256 * torch.finfo(torch.float32).eps
"""Least decrease, as a share of the loss, of which float32 still shows a hundredth."""


@dataclass(frozen=True)
class RandomState:
    """Where every random number generator stood, so that dropout can draw the same masks again."""

    torch: torch.Tensor
    cuda: dict[int, torch.Tensor]
    numpy: Any
    python: Any

    @classmethod
    def now(cls, model: nn.Module | None = None) -> RandomState:
        """Reads the generators of the CPU and of the model's devices."""
        parameters = model.parameters() if model is not None else ()
        devices = {p.device.index or 0 for p in parameters if p.device.type == "cuda"}
        on_cuda = {device: torch.cuda.get_rng_state(device) for device in devices}
        return cls(torch.get_rng_state(), on_cuda, np.random.get_state(), random.getstate())

    def again(self) -> None:
        """Puts the generators back to there."""
        torch.set_rng_state(self.torch)
        for device, state in self.cuda.items():
            torch.cuda.set_rng_state(state, device)
        np.random.set_state(self.numpy)
        random.setstate(self.python)


class Progress:
    """Follows a training: `before_forward` of every step, then `after_last`."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        self._loss: Callable[[Any], torch.Tensor] = lambda batch: objective(model, batch).loss
        self._model = model
        self._first: tuple[Any, RandomState] | None = None
        self._last: tuple[Any, RandomState] | None = None
        self.rho: float | None = None
        self.fell: float | None = None

    def before_forward(self, batch: Any) -> None:
        """Remembers the batch and the state of the random numbers."""
        self._last = (batch, RandomState.now(self._model))
        self._first = self._first or self._last

    def after_last(self, first_loss: float, last_loss: float, updates: Updates) -> None:
        """Runs the first and the last batch forward once more; the last step's gradients must still be there."""
        predicted, cosine = updates.descent()
        if cosine > DOWNHILL and predicted > RESOLVED * abs(last_loss):
            rho = (last_loss - self._repeat(self._last)) / predicted
            self.rho = rho if math.isfinite(rho) else None
        fell = (first_loss - self._repeat(self._first)) / abs(first_loss) if first_loss else math.nan
        self.fell = fell if math.isfinite(fell) else None

    def _repeat(self, pass_: tuple[Any, RandomState] | None) -> float:
        assert pass_ is not None, "before_forward was not called"
        batch, state = pass_
        here = RandomState.now(self._model)
        state.again()
        loss = float(self._loss(batch).detach())  # not under no_grad: a forward pass may take derivatives itself
        here.again()
        return loss
