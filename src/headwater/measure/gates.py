"""Activations whose range is meant, because they weigh another signal, where no plain product of two signals shows it.

A positive activation (sigmoid, softplus) is a weight, a scale or a variance where it is

| how | where |
| --- | --- |
| the third operand of ``lerp(a, b, g)`` | highway networks, gated cells |
| a factor of ``addcmul`` or of a product of two matrices that both carry the signal | attention by sigmoids, pooling |
| a factor of data that ask for no gradient | the deviation of a latent times noise, a gate on the input |
| a divisor | the scale of an error |

and not where the other factor is a parameter, a number, a constant matrix (neighbours in a graph) or a mask: dropout
and padding have one value beside zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

from headwater.graph import GraphOp
from headwater.graph.kinds import ISOMETRIES
from headwater.measure.sampling import evenly
from headwater.measure.saved import saved

LIKE_THE_GATE = ISOMETRIES | {"Rsub", "Sub", "Neg", "Mul", "Expand", "ToCopy", "Select", "Split", "Slice"}
"""Operations behind which a gate is one still: it is laid out anew, scaled, or ``1 - gate``."""

_LIKE_THE_WEIGHT = LIKE_THE_GATE | {"Div", "Sqrt", "NativeDropout"}
_POSITIVE = frozenset(["Sigmoid", "Hardsigmoid", "Softplus"])
_FACTORS = {
    "Mul": (0, 1),
    "Mm": (0, 1),
    "Bmm": (0, 1),
    "Mv": (0, 1),
    "Dot": (0, 1),
    "Addcmul": (1, 2),
    "Addmm": (1, 2),
    "Addmv": (1, 2),
    "Baddbmm": (1, 2),
    "Addbmm": (1, 2),
}
"""Operands that are multiplied with one another."""
_SAVED = {("Mul", 0): "self", ("Mul", 1): "other", ("Addcmul", 1): "tensor1", ("Addcmul", 2): "tensor2"}
_MASK = 2
"""A mask has so many values at most."""
_FEW = 4096
"""Numbers that are looked at to tell data from a mask."""


def weighs(op: GraphOp, consumers: Sequence[Sequence[tuple[GraphOp, int]]]) -> bool:
    """Returns whether an activation is a weight, a scale or a variance by what reads it.

    Args:
        op: the activation; any operation else is none.
        consumers: of each operation of the graph, with the slot in which they read it.
    """
    if op.kind not in _POSITIVE:
        return False
    waiting, seen = [op.index], {op.index}
    while waiting:
        for user, slot in consumers[waiting.pop()]:
            if _weighed(user, slot):
                return True
            if _passes_on(user) and user.index not in seen:
                seen.add(user.index)
                waiting.append(user.index)
    return False


def _passes_on(user: GraphOp) -> bool:
    shifted = user.kind == "Add" and len(user.edges) == 1 and not user.parameters
    return shifted or user.kind in _LIKE_THE_WEIGHT


def _weighed(user: GraphOp, slot: int) -> bool:
    """Whether an operation multiplies or divides something that carries the signal, or data, by what is in a slot."""
    if user.kind == "Lerp":
        return slot == 2
    if user.kind == "Div":
        return slot == 1
    factors = _FACTORS.get(user.kind, ())
    if slot not in factors:
        return False
    other = sum(factors) - slot
    if any(each == other for each, _ in user.edges):
        return True
    name = _SAVED.get((user.kind, other))
    return name is not None and other in user.outside and _is_data(saved(user, name), user.shape)


def _is_data(factor: torch.Tensor | None, shape: tuple[int, ...]) -> bool:
    """Whether a factor has numbers for each sample, and is no mask."""
    if factor is None or factor.dim() != len(shape) or factor.shape[:1] != shape[:1]:
        return False
    values = cast(torch.Tensor, torch.unique(evenly(factor, _FEW)))
    return values.numel() > _MASK
