"""Where attention stands in a graph: fused operations, and softmaxes between two matrix products."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.graph.kinds import ISOMETRIES, NORMALISATIONS
from headwater.graph.walk import Graph, GraphOp

FUSED = "ScaledDotProduct"
_SOFTMAX = frozenset(["Softmax", "SafeSoftmax"])
_PRODUCTS = {"Bmm": (0, 1), "Baddbmm": (1, 2)}
"""Slots of the two operands of a batched matrix product."""
_LAYOUT = ISOMETRIES | {"Expand", "ToCopy", "Slice", "Select"}
_TO_THE_SCORES = _LAYOUT | {"Div", "Mul", "Add", "Sub", "MaskedFill", "Where", "Tanh", "Clamp"}
"""Scale, mask, bias and soft cap stand between the scores and their softmax."""
_TO_THE_VALUES = _LAYOUT | {"Mul", "NativeDropout", "MaskedFill"}
"""Dropout stands between the softmax and the product with the values."""


@dataclass(frozen=True)
class Operand:
    """One operand of an operation: which operation, and which of its slots the gradient leaves by."""

    op: GraphOp
    slot: int


@dataclass(frozen=True)
class AttentionSite:
    """One attention.

    Attributes:
        core: the fused operation, or the softmax.
        query, key, value: the operands.
    """

    core: GraphOp
    query: Operand
    key: Operand
    value: Operand

    @property
    def fused(self) -> bool:
        """Whether one operation does all of it."""
        return self.core is self.query.op


def attention_sites(graph: Graph) -> tuple[AttentionSite, ...]:
    """Returns the attentions of a graph, input to output.

    An attention written out is a softmax whose input comes from a batched product of two signals (queries and keys),
    and whose output enters another one (with the values). Mixture weights, gates and class probabilities do neither.
    """
    users: list[list[Operand]] = [[] for _ in graph.ops]
    for op in graph.ops:
        for slot, to in op.edges:
            users[to].append(Operand(op, slot))
    found = (_site(graph, users, op) for op in reversed(graph.ops))
    return tuple(site for site in found if site is not None)


def _site(graph: Graph, users: list[list[Operand]], op: GraphOp) -> AttentionSite | None:
    if op.kind.startswith(FUSED):
        return AttentionSite(op, Operand(op, 0), Operand(op, 1), Operand(op, 2))
    if op.kind not in _SOFTMAX:
        return None
    scores, used = _scores(graph, op), _product_above(users, op)
    if scores is None or used is None:
        return None
    query, key = _PRODUCTS[scores.kind]
    (value,) = set(_PRODUCTS[used.op.kind]) - {used.slot}
    return AttentionSite(op, Operand(scores, query), Operand(scores, key), Operand(used.op, value))


def _scores(graph: Graph, softmax: GraphOp) -> GraphOp | None:
    """The product that made the scores, behind scale, mask and bias."""
    frontier, seen = [softmax], {softmax.index}
    while frontier:
        op = frontier.pop()
        for _, to in op.edges:
            below = graph.ops[to]
            if below.kind in _PRODUCTS and len(below.edges) > 1:
                return below
            if below.kind in _TO_THE_SCORES and to not in seen:
                seen.add(to)
                frontier.append(below)
    return None


def _product_above(users: list[list[Operand]], softmax: GraphOp) -> Operand | None:
    """The product that weighs the values, and the slot by which the weights enter it."""
    frontier, seen = [softmax], {softmax.index}
    while frontier:
        op = frontier.pop()
        for user in users[op.index]:
            if user.op.kind in _PRODUCTS:
                return user if user.slot in _PRODUCTS[user.op.kind] else None
            if user.op.kind in _TO_THE_VALUES and user.op.index not in seen:
                seen.add(user.op.index)
                frontier.append(user.op)
    return None


def normalised_stream(graph: Graph, site: AttentionSite) -> bool | None:
    """Whether the sum of the attention's output and the stream goes into a normalisation, and nowhere else.

    So it is with post-norm; with pre-norm the sum also goes around the next branch. ``None`` where no such sum follows.
    """
    users: list[list[GraphOp]] = [[] for _ in graph.ops]
    for op in graph.ops:
        for _, to in op.edges:
            users[to].append(op)
    op = site.value.op
    while len(users[op.index]) == 1:
        op = users[op.index][0]
        if op.kind == "Add" and len(op.edges) > 1:
            onward = [_past_layout(users, user) for user in users[op.index]]
            normalised = [user.kind in NORMALISATIONS for user in onward]
            return all(normalised) if any(normalised) else None
    return None


def _past_layout(users: list[list[GraphOp]], op: GraphOp) -> GraphOp:
    while op.kind in _LAYOUT and len(users[op.index]) == 1:
        op = users[op.index][0]
    return op
