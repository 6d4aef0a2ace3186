"""One step of each recurrent cell, forward and backward, with the chain rule written out.

Fused kernels hide their steps. Autograd could replay them cell by cell, but it would compute the gradient of every
weight as well; written out, only what leads from state to state is computed, in float64 and without a graph.

Shapes: B sequences, H units, P units of the output (H unless an LSTM projects it), G gates (1, 4 or 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

State = tuple[torch.Tensor, ...]
"""(h,) or, for an LSTM, (h, c)."""


@dataclass(frozen=True)
class Weights:
    """Weights of one layer in one direction.

    Attributes:
        inner: W_ih, (G H, inputs).
        recurrent: W_hh, (G H, P).
        bias_inner, bias_recurrent: (G H,).
        projection: W_hr, (P, H); ``None`` without one.
    """

    inner: torch.Tensor
    recurrent: torch.Tensor
    bias_inner: torch.Tensor
    bias_recurrent: torch.Tensor
    projection: torch.Tensor | None = None


Forward = Callable[[torch.Tensor, State, Weights], tuple[State, State]]
"""From ``W_ih x + b_ih`` and a state to the next state and what the backward step needs."""
Backward = Callable[[State, State, Weights], tuple[State, torch.Tensor]]
"""From what was kept and the gradient of the next state to that of the state and that of ``W_ih x + b_ih``."""


def _rnn(slope: Callable[[torch.Tensor], torch.Tensor], act: Callable[[torch.Tensor], torch.Tensor]) -> _Cell:
    """``h' = phi(W_ih x + b_ih + W_hh h + b_hh)`` (Elman 1990); `slope` is phi' as a function of h'."""

    def forward(x: torch.Tensor, state: State, w: Weights) -> tuple[State, State]:
        h = act(torch.addmm(x + w.bias_recurrent, state[0], w.recurrent.t()))
        return (h,), (h,)

    def backward(kept: State, gradient: State, w: Weights) -> tuple[State, torch.Tensor]:
        inner = gradient[0] * slope(kept[0])
        return (inner @ w.recurrent,), inner

    return _Cell(forward, backward)


def _lstm_forward(x: torch.Tensor, state: State, w: Weights) -> tuple[State, State]:
    """``c' = f c + i g``, ``h' = W_hr (o tanh c')`` (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""
    h, c = state
    i, f, g, o = torch.addmm(x + w.bias_recurrent, h, w.recurrent.t()).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    new_c = f * c + i * g
    squashed = new_c.tanh()
    out = o * squashed
    return (out if w.projection is None else out @ w.projection.t(), new_c), (i, f, g, o, c, squashed)


def _lstm_backward(kept: State, gradient: State, w: Weights) -> tuple[State, torch.Tensor]:
    i, f, g, o, c, squashed = kept
    d_h, d_c = gradient
    d_out = d_h if w.projection is None else d_h @ w.projection
    d_c = d_c + d_out * o * (1 - squashed * squashed)
    d_gates = torch.cat(
        [
            d_c * g * i * (1 - i),
            d_c * c * f * (1 - f),
            d_c * i * (1 - g * g),
            d_out * squashed * o * (1 - o),
        ],
        1,
    )
    return (d_gates @ w.recurrent, d_c * f), d_gates


def _gru_forward(x: torch.Tensor, state: State, w: Weights) -> tuple[State, State]:
    """``h' = (1 - z) n + z h``, ``n = tanh(x_n + r (W_hn h + b_hn))`` (Cho et al. 2014, in PyTorch's form)."""
    (h,) = state
    x_r, x_z, x_n = x.chunk(3, 1)
    h_r, h_z, h_n = torch.addmm(w.bias_recurrent, h, w.recurrent.t()).chunk(3, 1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return (n + z * (h - n),), (r, z, n, h, h_n)


def _gru_backward(kept: State, gradient: State, w: Weights) -> tuple[State, torch.Tensor]:
    r, z, n, h, h_n = kept
    (d_h,) = gradient
    d_n = d_h * (1 - z) * (1 - n * n)
    d_z = d_h * (h - n) * z * (1 - z)
    d_r = d_n * h_n * r * (1 - r)
    before = torch.cat([d_r, d_z, d_n * r], 1) @ w.recurrent + d_h * z
    return (before,), torch.cat([d_r, d_z, d_n], 1)


@dataclass(frozen=True)
class _Cell:
    forward: Forward
    backward: Backward


CELLS: dict[str, _Cell] = {
    "RNN_TANH": _rnn(lambda h: 1 - h * h, torch.tanh),
    "RNN_RELU": _rnn(lambda h: (h > 0).to(h.dtype), torch.relu),
    "LSTM": _Cell(_lstm_forward, _lstm_backward),
    "GRU": _Cell(_gru_forward, _gru_backward),
}
"""By the name that PyTorch's recurrent modules give to their mode."""
