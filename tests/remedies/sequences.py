"""Recurrent networks to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer

from headwater.records import Measurement, SourceLine, TimeProfile
from headwater.remedies import Training
from tests.builders import layer, measurement

BUILT = SourceLine("net.py", 3)


class Reader(nn.Module):
    """Reads a sequence and answers from the last state."""

    def __init__(self, kind: str, hidden: int = 12, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.ModuleDict({"rnn": getattr(nn, kind)(2, hidden, batch_first=True, **options)})
        ways = 2 if options.get("bidirectional") else 1
        self.head = nn.Linear(ways * (options.get("proj_size") or hidden), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output, state = self.body["rnn"](x)
        if not isinstance(self.body["rnn"], nn.LSTM) or not isinstance(state, tuple):
            output = output + 0.0 * state[-1][:, None].mean()
        return self.head(output[:, -1])


class Loop(nn.Module):
    """The same with a cell, which is shared by two names."""

    def __init__(self, kind: str, hidden: int = 12, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell = getattr(nn, kind)(2, hidden, **options)
        self.again = self.cell
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x.new_zeros(len(x), self.cell.hidden_size)
        state = (h, h) if isinstance(self.cell, nn.LSTMCell) else h
        for t in range(x.shape[1]):
            state = self.again(x[:, t], state)
        return self.head(state[0] if isinstance(state, tuple) else state)


def remembering(path: str, steps: int, built: bool = True) -> Measurement:
    """A measurement of a layer under a loss that spans so many steps."""
    profile = TimeProfile(path, "LSTM", "forward", steps + 1, (0, steps), (-9.0, 0.0), 0.6, 2.0, "loss", needed=steps)
    known = [replace(layer(f"{path}.weight_ih_l0"), built=BUILT)] if built else []
    return measurement(known, through_time=(profile,))


def training(model: nn.Module, steps: int = 100, path: str = "body.rnn", *, built: bool = True) -> Training:
    return Training(model, sgd(model), remembering(path, steps, built), (), 10)


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.1, momentum=0.9)


def trained(model: nn.Module, optimizer: Optimizer) -> list[torch.Tensor]:
    """Takes two steps; the weights after them."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        x = torch.randn(4, 6, 2, generator=generator)
        optimizer.zero_grad()
        (model(x) - x[:, 0, :1]).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]
