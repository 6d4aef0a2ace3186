"""What the outputs of a network say, where its loss takes them for log-probabilities that they are not (HW603).

Mending that changes what the loss means. The negative log-likelihood of raw outputs falls to minus infinity while
nothing is learned, that of probabilities ends at -1, and that of log-probabilities at 0: side by side the broken one
wins. So the network as it is trains on its own loss, and is judged by the same loss of what its outputs stand for,

    raw outputs      o    ->    log softmax(o)
    a softmax        p    ->    log p
    a sigmoid        p    ->    log softmax(log p - log(1 - p))

which is what the mended network puts out for the same weights. A softmax that `cross_entropy` applies a second time
needs none of this: with it and without, the loss is bounded by 0, and it is the one that the user reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from headwater.records import Finding, Measurement
from headwater.records.head_ops import SOFTMAX
from headwater.remedies.match_loss import CLASSES, expects_logarithms
from headwater.remedies.output import output_operation

MENDING = "match-loss"
"""Code of the remedy after which the loss reads what it expects."""


@dataclass(frozen=True)
class Reading:
    """How outputs are read before the loss.

    Attributes:
        says: what is read, to follow "its loss on".
        read: from the outputs to what the loss expects.
    """

    says: str
    read: Callable[[Tensor], Tensor]


def as_meant(measurement: Measurement, findings: Sequence[Finding]) -> Reading | None:
    """Returns how the outputs of the original are to be read; ``None`` where they are what the loss expects."""
    if not any(each.code == "HW603" and each.severity != "info" for each in findings):
        return None
    if not expects_logarithms(measurement.head):
        return None
    made_by = output_operation(measurement.head, SOFTMAX | {"Sigmoid"})
    if made_by is None:
        return Reading("the log-softmax of its outputs", _log_softmax)
    if made_by.kind in SOFTMAX:
        return Reading("the logarithm of its probabilities", _log)
    return Reading("the log-softmax of its logits", _log_softmax_of_logits)


def _log_softmax(outputs: Tensor) -> Tensor:
    return outputs.log_softmax(CLASSES)


def _log(p: Tensor) -> Tensor:
    return p.clamp_min(torch.finfo(p.dtype).tiny).log()


def _log_softmax_of_logits(p: Tensor) -> Tensor:
    return _log_softmax(p.logit(eps=torch.finfo(p.dtype).eps))
