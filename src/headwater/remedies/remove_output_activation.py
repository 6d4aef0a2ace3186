"""Drop the activation on the output, which keeps targets out of reach or classes from learning.

## What it does

A sigmoid ends at 0 and 1, a tanh at -1 and 1, a ReLU at 0. Targets beyond can never be reached, and towards them the
output is pushed to where the activation has no slope. Before a cross-entropy a ReLU cuts off every logit below 0. The
activation falls away: its module becomes an ``nn.Identity``, its call gives way to what it was applied to. A module
that serves hidden layers as well stays, and is left out on the line that calls it for the output.

## When not

Not where the targets lie within its limits: then it says something true of them. Not where it makes probabilities for a
loss that expects them, where a bound is needed (actions, variances, pixels), or where other code relies on it.

## Safety

Unsafe: the output is no longer bounded.

## References

- Bishop 2006, "Pattern recognition and machine learning", section 5.2 (the output's activation follows from the loss:
  the identity for squared error, softmax or sigmoid for cross-entropy)
"""

from __future__ import annotations

from headwater.errors import RemedyError
from headwater.records import Change, HeadOp, HeadRecord
from headwater.records.head_ops import LIMITS, compares_like, regression
from headwater.remedies.output import output_operation, refusal, removed, words
from headwater.remedies.remedy import Remedy, Training

_CODE = "remove-output-activation"


def _refusal(training: Training) -> str | None:
    head = training.measurement.head
    op = _operation(training)
    if op is None:
        return "no activation with limits makes the output"
    if not _is_in_the_way(head, op):
        return f"the {words(op)} on the output keeps no target out of reach"
    return refusal(training, op)


def _operation(training: Training) -> HeadOp | None:
    return output_operation(training.measurement.head, LIMITS)


def _is_in_the_way(head: HeadRecord, op: HeadOp) -> bool:
    """Whether targets lie beyond its limits, or it cuts off logits."""
    above = {other.kind for other in head.ops[: head.ops.index(op)]}
    if op.kind == "Relu" and "LogSoftmax" in above:
        return True
    index = regression(head)
    if index is None or not compares_like(head, index) or head.target_min is None or head.target_max is None:
        return False
    low, high = LIMITS[op.kind]
    return head.target_min < low or head.target_max > high


def _apply(training: Training) -> Change:
    op = _operation(training)
    if op is None:
        raise RemedyError("Removing the activation of the output found none.")
    swap = removed(training, op)
    says = f"the {words(op)} on the output falls away"
    return Change(_CODE, says, (swap.place,), swap.edits, swap.instead)


REMEDIES = (Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),)
