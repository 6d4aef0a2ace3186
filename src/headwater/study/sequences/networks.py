"""Seven recurrent networks that differ in their cell, or in nothing but the weights that they start with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from headwater.remedies.chrono_init import chrono_initialise
from headwater.remedies.forget_bias import open_gates
from headwater.remedies.orthogonal_recurrence import identity_recurrence, orthogonal_recurrence
from headwater.study.sequences.tasks import Task

_IRNN_INPUTS = 0.001
"""Standard deviation of an IRNN's input weights (Le, Jaitly and Hinton 2015, section 4)."""
_FORGET_BIAS = 1.0
"""Jozefowicz, Zaremba and Sutskever 2015, "An empirical exploration of recurrent network architectures"."""

Start = Callable[[nn.RNNBase, int], None]
"""Sets the first weights of a layer, for lags up to the given one."""


@dataclass(frozen=True)
class Kind:
    """A recurrent layer and how it starts.

    Attributes:
        title: what the reader sees.
        layer: makes it from the number of inputs and of units.
        start: changes the weights that PyTorch drew; ``None`` leaves them.
        options: further arguments.
    """

    title: str
    layer: Callable[..., nn.RNNBase]
    start: Start | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


def _orthogonal(layer: nn.RNNBase, lag: int) -> None:
    del lag
    orthogonal_recurrence(layer)


def _identity(layer: nn.RNNBase, lag: int) -> None:
    """Le, Jaitly and Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units"."""
    del lag
    identity_recurrence(layer)
    nn.init.normal_(layer.get_parameter("weight_ih_l0"), std=_IRNN_INPUTS)


def _forgets_less(layer: nn.RNNBase, lag: int) -> None:
    del lag
    open_gates(layer, _FORGET_BIAS)


def _chrono(layer: nn.RNNBase, lag: int) -> None:
    """Tallec and Ollivier 2018, "Can recurrent neural networks warp time?", section 2."""
    chrono_initialise(layer, lag)


KINDS: dict[str, Kind] = {
    "rnn": Kind("RNN", nn.RNN),
    "rnn-orthogonal": Kind("RNN orthogonal", nn.RNN, _orthogonal),
    "irnn": Kind("IRNN", nn.RNN, _identity, {"nonlinearity": "relu"}),
    "lstm": Kind("LSTM", nn.LSTM),
    "lstm-forget-bias": Kind("LSTM bias 1", nn.LSTM, _forgets_less),
    "lstm-chrono": Kind("LSTM chrono", nn.LSTM, _chrono),
    "gru": Kind("GRU", nn.GRU),
}
"""By name."""


class Recurrent(nn.Module):
    """One recurrent layer, and a linear readout of its last state or of all of them.

    Inputs are (steps, batch, features).
    """

    def __init__(self, layer: nn.RNNBase, outputs: int, *, last: bool) -> None:
        super().__init__()
        self.rnn, self.last = layer, last
        self.head = nn.Linear(layer.hidden_size, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns the answer at the last step (batch, outputs), or at every step."""
        states: torch.Tensor = self.rnn(inputs)[0]
        return self.head(states[-1] if self.last else states)


def recurrent(name: str, task: Task, *, width: int, seed: int) -> Recurrent:
    """Builds one of `KINDS` for a task; the global random state is left as it was.

    Args:
        name: key of `KINDS`.
        task: what it will learn; chrono's time scales go up to the task's length.
        width: units of the recurrent layer.
        seed: of the weights.
    """
    kind = KINDS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = kind.layer(task.inputs, width, **kind.options)
        network = Recurrent(layer, task.outputs, last=task.last)
        if kind.start is not None:
            with torch.no_grad():
                kind.start(layer, task.steps)
    return network
