"""Use Adam, AdamW, RMSprop or Adagrad, which rescale each layer's step.

## What it does

An adaptive optimizer divides each gradient by its own size. A layer that gets a thousandth of the gradient then moves
as far as any other. The optimizer object stays, with its groups, the ratio of their rates and the hooks on it, and
becomes one of another class:

| variant | rate | from |
| --- | --- | --- |
| adam | 1e-3 | Kingma and Ba 2015, and PyTorch's own |
| adam-1e-4 | 1e-4 | for deep networks: 30 normalised layers of ReLU reach a loss of 0.17 on digits with it |
| adamw | 1e-3, decay 0.01 | Loshchilov and Hutter 2019, and PyTorch's own |
| rmsprop | 1e-3 | Tieleman and Hinton 2012 (PyTorch's own is 1e-2) |
| adagrad | 1e-2 | Duchi et al. 2011, and PyTorch's own |

A weight decay is kept by AdamW, where it takes the share ``rate * decay`` of a weight in each step as it does in SGD.
The others would put it through their normalisation, where it is another thing (HW504): there it falls away.

## When not

It does not bring back a gradient that is gone: between 1e-6 and 1e-3 of it at the first layer Adam trains what SGD does
not; below, both fail, and the structure is what must change. Not with sparse gradients, which only Adagrad takes.

## Safety

Safe: no function of the network changes.

## References

- Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12
- Tieleman, Hinton 2012, "Lecture 6.5: RMSprop", Coursera, "Neural networks for machine learning"
- Kingma, Ba 2015, "Adam: a method for stochastic optimization", ICLR, arXiv 1412.6980
- Loshchilov, Hutter 2019, "Decoupled weight decay regularization", ICLR, arXiv 1711.05101
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
    SparseAdam,
)

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies.options import Group, exchange, rates, rounded
from headwater.remedies.remedy import Remedy, Training

_CODE = "adaptive-optimizer"
_ADAPTIVE = (Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rprop, SparseAdam)

_USUAL: dict[type[Optimizer], float] = {SGD: 1e-2, Adam: 1e-3, AdamW: 1e-3, RMSprop: 1e-3, Adagrad: 1e-2}
"""Rates to begin with: those of the table above, and 0.01 for gradient descent (Bengio 2012, arXiv 1206.5533)."""
_DECAY = 0.01
"""Of AdamW where no group of the user's has one; beside one that has, a group without (biases, norms) stays so."""


def usual_rate(kind: type[Optimizer]) -> float:
    """Returns the rate to begin with for a class of optimizers; Adam's for one that is not known."""
    return next((rate for known, rate in _USUAL.items() if issubclass(kind, known)), _USUAL[Adam])


def adaptive(training: Training) -> bool:
    """Whether the step of the optimizer does not depend on the scale of the gradient."""
    kind = type(training.optimizer)
    measured = training.measurement.precision.adaptive and kind.__name__ == training.measurement.optimizer.kind
    return measured or issubclass(kind, _ADAPTIVE)


def _swap(variant: str, to: type[Optimizer], rate: float) -> Remedy:
    def refusal(training: Training) -> str | None:
        if adaptive(training):
            return f"{type(training.optimizer).__name__} divides each step by the size of the gradient already"
        if to is not Adagrad and any(getattr(module, "sparse", False) for module in _tables(training.model)):
            return f"{to.__name__} takes no sparse gradients, which a lookup table of the model gives"
        return None

    def apply(training: Training) -> Change:
        highest = max(rates(training.optimizer), default=0.0)
        decays = any(group.get("weight_decay") for group in training.optimizer.param_groups)

        def new(group: Group) -> dict[str, Any]:
            share = float(group["lr"]) / highest if highest else 1.0
            decay = (group.get("weight_decay") or 0.0) if decays else _DECAY
            return {"lr": rounded(rate * share), **({"weight_decay": decay} if to is AdamW else {})}

        kind = type(training.optimizer).__name__
        lost = ", without its decay" if decays and to is not AdamW else ""
        says = f"{to.__name__} at a rate of {number(rate)} in place of {kind}{lost}"
        return exchange(training, f"{_CODE}:{variant}", says, to, new=new)

    return Remedy(_CODE, variant, "safe", 2, refusal, apply, __doc__ or "")


def _tables(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]


REMEDIES = (
    _swap("adam", Adam, usual_rate(Adam)),
    _swap("adam-1e-4", Adam, usual_rate(Adam) / 10),
    _swap("adamw", AdamW, usual_rate(AdamW)),
    _swap("rmsprop", RMSprop, usual_rate(RMSprop)),
    _swap("adagrad", Adagrad, usual_rate(Adagrad)),
)
