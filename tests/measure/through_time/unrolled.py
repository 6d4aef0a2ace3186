"""Recurrent modules written out, step by step: slow, obvious, and open to a nudge of any h_t."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Place = tuple[int, int, int, int]
"""Layer, direction (0 or 1), step in time, sequence."""


def states(module: nn.RNNBase, x: Tensor, hx: Any, b: int, masks: Any, nudge: dict[Place, Tensor]) -> Any:
    """Outputs (T, D P) and final states [(layers D, units), ...] of the sequence `x` (T, inputs), number `b`."""
    directions = 2 if module.bidirectional else 1
    signal, finals = list(x), []
    for layer in range(module.num_layers):
        columns = []
        for d in range(directions):
            state = tuple(each[layer * directions + d] for each in hx)
            order = range(len(signal)) if d == 0 else reversed(range(len(signal)))
            seen = {}
            for t in order:
                state = cell(module, layer, d, signal[t], state)
                state = (state[0] + nudge.get((layer, d, t, b), 0.0), *state[1:])
                seen[t] = state[0]
            columns.append([seen[t] for t in range(len(signal))])
            finals.append(state)
        signal = [torch.cat(row) for row in zip(*columns, strict=True)]
        if masks is not None and layer < module.num_layers - 1:
            signal = [h * masks[layer][t] for t, h in enumerate(signal)]
    return torch.stack(signal), [torch.stack(each) for each in zip(*finals, strict=True)]


def cell(module: nn.RNNBase, layer: int, d: int, x: Tensor, state: Any) -> Any:
    tail = f"_l{layer}" + "_reverse" * d
    w, u = getattr(module, "weight_ih" + tail), getattr(module, "weight_hh" + tail)
    zero = w.new_zeros(len(w))
    a, b = (getattr(module, f"bias_{each}" + tail) if module.bias else zero for each in ("ih", "hh"))
    h = state[0]
    if module.mode.startswith("RNN"):
        z = w @ x + a + u @ h + b
        return (z.tanh() if module.mode == "RNN_TANH" else z.relu(),)
    if module.mode == "LSTM":
        i, f, g, o = (w @ x + a + u @ h + b).chunk(4)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        out = o.sigmoid() * c.tanh()
        return (getattr(module, "weight_hr" + tail) @ out if module.proj_size else out), c
    (xr, xz, xn), (hr, hz, hn) = (w @ x + a).chunk(3), (u @ h + b).chunk(3)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    return ((1 - z) * (xn + r * hn).tanh() + z * h,)
