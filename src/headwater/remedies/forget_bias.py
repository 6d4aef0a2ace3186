"""Start the gates open: a forget bias (LSTM) or update bias (GRU) of ln(T - 1).

## What it does

A gate that lets the share f of a state through in each step keeps it for about 1 / (1 - f) steps. To keep it for the T
steps that the loss spans,

    1 - sigmoid(b) = 1 / T    =>    b = ln(T - 1)

is the bias that the gate starts with. PyTorch's layers add two biases: one gets b, the other 0. Their gates stand in
the order i, f, g, o (LSTM), and r, z, n (GRU), where z is the share of the old state that stays: in both it is the
second that remembers. An LSTM as PyTorch draws it keeps 0.63 of the gradient a step, with b = 1 0.85, with b = 5 all.

## When not

Not on a layer that was trained: its biases are what it has learnt. Where the lags that matter are short, open gates
bring noise from the past. All units then have the one time scale T; `chrono-init` gives them all scales up to it.

## Safety

Safe: no function of the network changes, only where its weights start.

## References

- Gers, Schmidhuber, Cummins 2000, "Learning to forget: continual prediction with LSTM", Neural Computation 12
- Jozefowicz, Zaremba, Sutskever 2015, "An empirical exploration of recurrent network architectures", ICML
- Tallec, Ollivier 2018, "Can recurrent neural networks warp time?", ICLR, arXiv 1804.11188
"""

from __future__ import annotations

import math

import torch
from torch import nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.records.numbers import number
from headwater.remedies import recurrent
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training

_CODE = "forget-bias"
GATED = (nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell)


@torch.no_grad()
def open_gates(layer: nn.RNNBase | nn.RNNCellBase, bias: float) -> None:
    """Sets the bias of the forget gate of an LSTM, or of the update gate of a GRU."""
    for name, values in layer.named_parameters():
        if name.startswith("bias"):
            gate = slice(layer.hidden_size, 2 * layer.hidden_size)
            values[gate] = bias if "bias_ih" in name else 0.0  # the two are added


def refusal(training: Training) -> str | None:
    """Says why the gates have no bias to set."""
    found = recurrent.refusal(training, "LSTM or GRU", *GATED) or recurrent.refusal_of_lag(training)
    if found is None and not with_bias(training):
        return "no LSTM or GRU of the model has biases"
    return found


def with_bias(training: Training) -> dict[str, tuple[recurrent.Recurrent, int]]:
    """Returns the gated layers that have biases, with the steps that each must remember."""
    found: dict[str, tuple[recurrent.Recurrent, int]] = {}
    for path, layer in recurrent.layers(training, *GATED).items():
        lag = recurrent.lag(training, path)
        if layer.bias and lag is not None and lag >= recurrent.SHORTEST:
            found[path] = layer, lag
    return found


def _apply(training: Training) -> Change:
    places = with_bias(training)
    if not places:
        raise RemedyError(f"{_CODE} looked for an LSTM or a GRU with biases, and steps that it must remember")
    lines = [source(open_gates)]
    for path, (layer, lag) in places.items():
        bias = round(math.log(lag - 1), 2)
        open_gates(layer, bias)
        lines.append(f"open_gates({recurrent.at(path)}, {bias})")
    longest = max(lag for _, lag in places.values())
    return Change(
        remedy=_CODE,
        says=f"the gates of {', '.join(path or 'the model' for path in places)} start with a bias of "
        f"{number(math.log(longest - 1))}, for {longest} steps",
        places=tuple(places),
        code=Code(before="\n".join(lines), imports=("import torch", "from torch import nn")),
    )


REMEDIES = (Remedy(_CODE, "", "safe", 1, refusal, _apply, __doc__ or ""),)
