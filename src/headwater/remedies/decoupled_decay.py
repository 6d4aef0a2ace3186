"""Use AdamW: its weight decay does not pass through the normalised step.

## What it does

``torch.optim.Adam(weight_decay=d)`` adds ``d w`` to the gradient and divides the sum by its own size. Where the
gradient is much smaller than ``d w``, what is left is the sign of w at the full learning rate, and the weights are
wiped out. AdamW takes ``rate * d * w`` from the weight, beside the normalised gradient. Adam becomes AdamW with all its
options, RMSprop and Adamax with their rate and decay; NAdam and RAdam get ``decoupled_weight_decay=True``.

## When not

AdamW's usual decay is larger than Adam's (0.01 to 0.1): the same number decays less, which may want to be raised once
the training stands.

## Safety

Safe: no function of the network changes.

## References

- Loshchilov, Hutter 2019, "Decoupled weight decay regularization", ICLR, arXiv 1711.05101
"""

from __future__ import annotations

from torch.optim import Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop

from headwater.records import Change
from headwater.remedies.options import Group, exchange, set_options
from headwater.remedies.remedy import Remedy, Training

_CODE = "decoupled-decay"
_COUPLED = (Adam, Adamax, Adagrad, NAdam, RAdam, RMSprop)
_BECOME_ADAMW = (Adam, Adamax, RMSprop)
"""Those whose steps are of the size of the rate, as AdamW's are; Adagrad's become ever smaller."""
_OPTIONS = ("lr", "betas", "eps", "weight_decay", "amsgrad")


def coupled(optimizer: Optimizer, group: Group) -> bool:
    """Whether a group has a decay that its optimizer divides by the size of the gradient."""
    through = isinstance(optimizer, _COUPLED) and not isinstance(optimizer, AdamW)
    return through and not group.get("decoupled_weight_decay") and bool(group.get("weight_decay"))


def _refusal(training: Training) -> str | None:
    optimizer = training.optimizer
    name = type(optimizer).__name__
    if not any(coupled(optimizer, group) for group in optimizer.param_groups):
        return f"{name} has no weight decay that passes through its normalised step"
    if type(optimizer) not in (*_BECOME_ADAMW, NAdam, RAdam):
        return f"there is no {name} with decoupled weight decay: build AdamW, at a rate of its own"
    return None


def _apply(training: Training) -> Change:
    name = type(training.optimizer).__name__
    if type(training.optimizer) in _BECOME_ADAMW:
        keep = _OPTIONS if name == "Adam" else ("lr", "weight_decay")
        return exchange(training, _CODE, f"AdamW in place of {name}, at the same rate and decay", AdamW, keep=keep)
    says = f"the weight decay of {name} stands beside its normalised step"
    return set_options(training, _CODE, says, lambda group: {"decoupled_weight_decay": True})


REMEDIES = (Remedy(_CODE, "", "safe", 2, _refusal, _apply, __doc__ or ""),)
