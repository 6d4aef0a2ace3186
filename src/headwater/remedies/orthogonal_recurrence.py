"""Start the recurrent weights orthogonal, or at the identity under ReLU.

## What it does

The gradient is multiplied by the recurrent weights in every step back in time. PyTorch draws them from
``U(+-1 / sqrt(H))``, whose singular values have a root mean square of 0.58: an `nn.RNN` keeps 0.54 of the gradient a
step. Orthogonal weights have the singular value 1 only, and what is lost is the slope of the tanh (0.84 a step is
kept, measured). Of an LSTM or a GRU the weights of each gate become orthogonal. Under ReLU the identity with biases of
0 keeps a state as it is until something is added to it (the variant `identity`, 0.99 a step).

## When not

Not on weights that were trained. The identity under ReLU is unstable at a large rate: clip the gradient. Gates hold a
state for longer than a plain layer can (`gated-recurrence`).

## Safety

Safe: no function of the network changes, only where its weights start.

## References

- Saxe, McClelland, Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
  networks", ICLR, arXiv 1312.6120
- Le, Jaitly, Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units", arXiv 1504.00941
- Henaff, Szlam, LeCun 2016, "Recurrent orthogonal networks and long-memory tasks", ICML, arXiv 1602.06662
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies import recurrent
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training

_CODE = "orthogonal-recurrence"


@torch.no_grad()
def orthogonal_recurrence(layer: nn.RNNBase | nn.RNNCellBase) -> None:
    """Draws the recurrent weights of each gate as an orthogonal matrix."""
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            for begin in range(0, len(weight), layer.hidden_size):
                gate = weight[begin : begin + layer.hidden_size]
                gate.copy_(nn.init.orthogonal_(torch.empty(gate.shape)))


@torch.no_grad()
def identity_recurrence(layer: nn.RNNBase | nn.RNNCellBase) -> None:
    """Sets the recurrent weights to the identity and the biases to zero."""
    for name, values in layer.named_parameters():
        if name.startswith("weight_hh"):
            nn.init.eye_(values)
        elif name.startswith("bias"):
            nn.init.zeros_(values)


def _all(training: Training) -> dict[str, recurrent.Recurrent]:
    return recurrent.layers(training, nn.RNNBase, nn.RNNCellBase)


def _rectified(training: Training) -> dict[str, recurrent.Recurrent]:
    plain = recurrent.layers(training, nn.RNN, nn.RNNCell)
    return {path: layer for path, layer in plain.items() if getattr(layer, "nonlinearity", "") == "relu"}


def _refusal(training: Training) -> str | None:
    return recurrent.refusal(training, "recurrent layer", nn.RNNBase, nn.RNNCellBase)


def _refusal_of_identity(training: Training) -> str | None:
    refused = recurrent.refusal(training, "plain recurrent layer", nn.RNN, nn.RNNCell)
    if refused is None and not _rectified(training):
        return "the recurrent layers squash their state (tanh): the identity keeps it only under ReLU"
    return refused


def _apply(
    key: str,
    says: str,
    chosen: Callable[[Training], dict[str, recurrent.Recurrent]],
    initialise: Callable[[nn.RNNBase | nn.RNNCellBase], None],
) -> Callable[[Training], Change]:
    def apply(training: Training) -> Change:
        places = chosen(training)
        if not places:
            raise RemedyError(f"{key} looked for recurrent weights that are drawn and not learnt")
        lines = [source(initialise)]
        for path, layer in places.items():
            initialise(layer)
            lines.append(f"{initialise.__name__}({recurrent.at(path)})")
        says_where = f"{says} in {', '.join(path or 'the model' for path in places)}"
        code = Code(before="\n".join(lines), imports=("import torch", "from torch import nn"))
        return Change(key, says_where, tuple(places), code=code)

    return apply


REMEDIES = (
    Remedy(
        _CODE,
        "",
        "safe",
        1,
        _refusal,
        _apply(_CODE, "orthogonal recurrent weights", _all, orthogonal_recurrence),
        __doc__ or "",
    ),
    Remedy(
        _CODE,
        "identity",
        "safe",
        1,
        _refusal_of_identity,
        _apply(f"{_CODE}:identity", "the identity as recurrent weights", _rectified, identity_recurrence),
        __doc__ or "",
    ),
)
