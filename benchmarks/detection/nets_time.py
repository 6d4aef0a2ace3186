"""Recurrent networks and synthetic sequences whose lags are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.detection.data import Data, standard_digits

FUSED = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {"rnn-cell": nn.RNNCell, "lstm-cell": nn.LSTMCell, "gru-cell": nn.GRUCell}


class Fused(nn.Module):
    """A fused recurrent layer. `read`: the head sees the ``last`` output, their ``mean``, or ``every`` one."""

    def __init__(self, kind: str, inputs: int, width: int, outputs: int, *, read: str = "last", layers: int = 1):
        super().__init__()
        relu = {"nonlinearity": "relu"} if kind == "rnn-relu" else {}
        self.rnn = FUSED[kind.removesuffix("-relu")](inputs, width, layers, batch_first=True, **relu)
        self.head, self.read = nn.Linear(width, outputs), read

    def forward(self, x: Tensor) -> Tensor:
        out = self.rnn(x)[0]
        return self.head(out if self.read == "every" else out.mean(1) if self.read == "mean" else out[:, -1])


class Loop(nn.Module):
    """A cell in a Python loop: one of PyTorch's, or written out (``tanh``, ``relu``)."""

    def __init__(self, kind: str, inputs: int, width: int, outputs: int):
        super().__init__()
        self.kind, self.width = kind, width
        if kind in CELLS:
            self.cell = CELLS[kind](inputs, width)
        else:
            self.inner, self.recur = nn.Linear(inputs, width), nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), self.width)
        for t in range(x.shape[1]):
            if self.kind == "lstm-cell":
                h, c = self.cell(x[:, t], (h, c))
            elif self.kind in CELLS:
                h = self.cell(x[:, t], h)
            else:
                h = getattr(torch, self.kind)(self.inner(x[:, t]) + self.recur(h))
        return self.head(h)


@torch.no_grad()
def start(model: nn.Module, how: str | None, amount: float, lag: int) -> None:
    """Changes the recurrent weights, or the gates' biases.

    ``orthogonal`` or ``identity`` times `amount`, ``normal`` of that deviation; ``gates`` at `amount`, or ``chrono``
    for lags up to `lag` (Tallec and Ollivier 2018).
    """
    for name, parameter in model.named_parameters():
        rows, width = parameter.shape[0], model.head.in_features
        recurrent = "weight_hh" in name or name == "recur.weight"
        if recurrent and how in ("orthogonal", "identity"):
            nn.init.orthogonal_(parameter) if how == "orthogonal" else nn.init.eye_(parameter)
            parameter.mul_(amount)
        elif recurrent and how == "normal":
            parameter.normal_(std=amount)
        elif how in ("gates", "chrono") and "bias_hh" in name:
            parameter.zero_()
        elif how in ("gates", "chrono") and "bias_ih" in name:
            open_gate = (
                torch.empty(width).uniform_(1, lag - 1).log() if how == "chrono" else torch.full((width,), amount)
            )
            parameter.zero_()
            parameter[width : 2 * width] = open_gate
            if how == "chrono" and rows == 4 * width:
                parameter[:width] = -open_gate


def recall(steps: int, amount: int, tokens: int = 4) -> Data:
    """Random tokens; the answer is the first one."""
    order = torch.Generator().manual_seed(0)
    x = torch.randint(0, tokens, (amount, steps), generator=order)
    return _split(F.one_hot(x, tokens).float(), x[:, 0])


def quiet_recall(steps: int, amount: int, tokens: int = 4) -> Data:
    """One token, then silence; the answer is the token."""
    order = torch.Generator().manual_seed(0)
    y = torch.randint(0, tokens, (amount,), generator=order)
    x = torch.zeros(amount, steps, tokens)
    x[:, 0] = F.one_hot(y, tokens).float()
    return _split(x + 0.1 * torch.randn(x.shape, generator=order), y)


def adding(steps: int, amount: int) -> Data:
    """The adding problem (Hochreiter and Schmidhuber 1997): the sum of two marked numbers, standardised."""
    order = torch.Generator().manual_seed(0)
    values, marks = torch.rand(amount, steps, generator=order), torch.zeros(amount, steps)
    rows = torch.arange(amount)
    first = torch.randint(0, steps // 2, (amount,), generator=order)
    second = torch.randint(steps // 2, steps, (amount,), generator=order)
    marks[rows, first] = marks[rows, second] = 1.0
    total = values[rows, first] + values[rows, second]
    return _split(torch.stack([values, marks], 2), ((total - 1.0) * math.sqrt(6.0))[:, None])


def majority(steps: int, amount: int, tokens: int = 3) -> Data:
    """Which token is the most frequent?"""
    order = torch.Generator().manual_seed(0)
    x = F.one_hot(torch.randint(0, tokens, (amount, steps), generator=order), tokens).float()
    return _split(x, x.sum(1).argmax(1))


def recent(steps: int, amount: int) -> Data:
    """The sum of the last three inputs: a long sequence that needs a short memory."""
    order = torch.Generator().manual_seed(0)
    x = torch.randn(amount, steps, 3, generator=order)
    return _split(x, x[:, -3:].sum((1, 2))[:, None] / 3.0)


def delayed(steps: int, amount: int, lag: int = 2) -> Data:
    """At every step, the input of `lag` steps before."""
    order = torch.Generator().manual_seed(0)
    x = torch.randn(amount, steps, 1, generator=order)
    return _split(x, torch.cat([torch.zeros(amount, lag, 1), x[:, :-lag]], 1))


def pixels(steps: int, amount: int) -> Data:
    """The digits, one pixel after the other: 64 steps."""
    del steps, amount
    return standard_digits().map(lambda x: x.view(-1, 64, 1))


def _split(x: Tensor, y: Tensor) -> Data:
    test = min(500, len(x) // 4)
    return Data(x[test:], y[test:], x[:test], y[:test])


Make = Callable[[int, int], Data]
DATA: dict[str, tuple[Make, int, int]] = {
    "recall": (recall, 4, 4),
    "quiet": (quiet_recall, 4, 4),
    "adding": (adding, 2, 1),
    "majority": (majority, 3, 3),
    "recent": (recent, 3, 1),
    "delayed": (delayed, 1, 1),
    "pixels": (pixels, 1, 10),
}
"""By name: the data, inputs, outputs."""
