"""The negative log-likelihood of a script, of what its outputs stand for and not of what it takes them for.

Scripts hand over no loss function. But autograd keeps what the loss was computed from.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from headwater.remedies.reading import Reading

_LIKELIHOODS = frozenset(["NllLossBackward0", "NllLoss2DBackward0"])
_SCALED = frozenset(["MulBackward0", "DivBackward0"])
"""What loss scaling and accumulated gradients put above it."""
_REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}
"""By the number that ATen gives them."""


def as_read(loss: Tensor, reading: Reading) -> Tensor | None:
    """Returns the loss with its outputs read as they are meant; ``None`` where it is not such a loss alone."""
    node: Any = loss.grad_fn
    while node is not None and node.name() in _SCALED and sum(each is not None for each, _ in node.next_functions) == 1:
        node = next(each for each, _ in node.next_functions if each is not None)
    if node is None or node.name() not in _LIKELIHOODS:
        return None
    with torch.no_grad():
        outputs = node._saved_self
        own, meant = (_likelihood(node, each) for each in (outputs, reading.read(outputs)))
        return loss.detach() * (meant / own) if own else None


def _likelihood(node: Any, outputs: Tensor) -> Tensor:
    ignored, reduction = int(node._saved_ignore_index), int(node._saved_reduction)
    ignored -= 2**64 * (ignored >= 2**63)  # autograd gives -100 as an unsigned number
    return F.nll_loss(
        outputs,
        node._saved_target,
        node._saved_weight,
        ignore_index=ignored,
        reduction=_REDUCTIONS[reduction],
    )
