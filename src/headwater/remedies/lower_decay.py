"""Lower the weight decay.

## What it does

Decay takes the share ``rate * decay`` of a weight in each step, ``rate * decay / (1 - momentum)`` with the momentum of
gradient descent. What a weight has learned is gone after the inverse of it. The decay of each group is lowered until a
step takes 1e-4; or it is turned off (the variant `none`).

## When not

Under Adam and others that put the decay through their normalised step: there a smaller one does the same, as long as it
is larger than the gradient, and AdamW is the remedy (`decoupled-decay`); turning it off helps there as well. Where the
decay is all that holds a network from learning its data by heart, lower it less, and look at data that it has not seen.

## Safety

Safe: no function of the network changes.

## References

- Loshchilov, Hutter 2019, "Decoupled weight decay regularization", ICLR, arXiv 1711.05101
- Wang, Aitchison 2024, "How to set AdamW's weight decay as you scale model and dataset size", arXiv 2405.13698
"""

from __future__ import annotations

from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies.decoupled_decay import coupled
from headwater.remedies.options import Group, rounded, set_options
from headwater.remedies.remedy import Remedy, Training

_CODE = "lower-decay"
_TAKES = 1e-4
"""Share of the weight in a step, which ten thousand steps remember: a tenth of what HW504's page allows at most."""


def _decay(training: Training) -> float:
    return max((float(group.get("weight_decay") or 0.0) for group in training.optimizer.param_groups), default=0.0)


def _refusal_of_none(training: Training) -> str | None:
    return None if _decay(training) else "there is no weight decay"


def _refusal(training: Training) -> str | None:
    if any(coupled(training.optimizer, group) for group in training.optimizer.param_groups):
        return f"{type(training.optimizer).__name__} normalises the decay with the gradient: a smaller one does as much"
    if _decay(training) and all(map(_little, training.optimizer.param_groups)):
        return f"the decay takes no more than {number(_TAKES)} of a weight in a step"
    return _refusal_of_none(training)


def _little(group: Group) -> bool:
    return float(group.get("weight_decay") or 0.0) <= _allowed(group)


def _allowed(group: Group) -> float:
    """The decay that takes `_TAKES` in a step; a decoupled one does not pass through the momentum."""
    momentum = 0.0 if group.get("decoupled_weight_decay") else float(group.get("momentum") or 0.0)
    rate = float(group.get("lr") or 0.0)
    return rounded(_TAKES * (1.0 - momentum) / rate) if rate else float("inf")


def _apply(training: Training) -> Change:
    before = _decay(training)

    def new(group: Group) -> dict[str, float]:
        return {"weight_decay": min(float(group.get("weight_decay") or 0.0), _allowed(group))}

    lowered = max(new(group)["weight_decay"] for group in training.optimizer.param_groups)
    says = f"a weight decay of {number(lowered)} in place of {number(before)}"
    return set_options(training, _CODE, says, new)


def _apply_none(training: Training) -> Change:
    says = f"no weight decay in place of {number(_decay(training))}"
    return set_options(training, f"{_CODE}:none", says, lambda group: {"weight_decay": 0.0})


REMEDIES = (
    Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),
    Remedy(_CODE, "none", "safe", 1, _refusal_of_none, _apply_none, __doc__ or ""),
)
