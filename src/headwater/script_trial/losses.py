"""The loss of each optimizer step, as the backward passes before it show it."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import Any

import torch

from headwater.monitor import loss_of
from headwater.remedies.reading import Reading
from headwater.script_trial.likelihood import as_read


class Losses:
    """Listens at PyTorch's doors (`headwater.monitor.patches.Listener`).

    Of several backward passes before a step (accumulated gradients, a closure that is evaluated again) the mean counts.
    Where several optimizers train, a step takes the passes since the one before it, whosever that was; without any,
    those of that step.

    Attributes:
        of: losses of each optimizer, one for each of its steps.
        resting: never: each step's loss counts.
    """

    resting = False

    def __init__(self, reading: Reading | None = None) -> None:
        """Listens.

        Args:
            reading: how outputs are read before the loss, if not as the script does it.
        """
        self._reading = reading
        self.of: defaultdict[int, list[float]] = defaultdict(list)
        self._heard: list[torch.Tensor] = []
        self._newest: float | None = None
        self._scale: Any = None

    def stepped(self, optimizer: int) -> None:
        """An optimizer, by its number, has taken a step."""
        if self._heard:
            scale = 1.0 if self._scale is None else float(self._scale)
            self._newest = fmean(map(float, self._heard)) / scale
        if self._newest is not None:
            self.of[optimizer].append(self._newest)
        self._forget()

    def before_backward(self, tensors: Any, gradients: Any) -> None:
        """Takes note of the loss."""
        begins = loss_of(tensors, gradients)
        if begins is None:
            return
        read = as_read(begins[0], self._reading) if self._reading else None
        self._heard.append(begins[1].detach().clone() if read is None else read)

    def after_backward(self, completed: bool) -> None:
        """Nothing more is to be learnt."""

    def clipped(self, parameters: Any, norm: Any, limit: float | None) -> None:
        """The loss does not change by it."""

    def before_scaled_step(self, optimizer: Any, scaler: Any) -> None:
        """Takes note of what the loss was multiplied by."""
        self._scale = scaler._scale

    def after_scaled_step(self, optimizer: Any) -> None:
        """A step that the scaler left out is none: what was heard for it is dropped."""
        self._forget()

    def _forget(self) -> None:
        self._heard, self._scale = [], None
