"""Where attention stands in a graph: fused operations, softmaxes between two products, and softmaxes that pool."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.graph.kinds import ISOMETRIES, NORMALISATIONS, WEIGHTED
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
        query, key, value: the operands; where scores are no product (pooling), query and key are the softmax's own.
        between: what stands between the scores and the softmax, where attention is written out.
    """

    core: GraphOp
    query: Operand
    key: Operand
    value: Operand
    between: tuple[GraphOp, ...] = ()

    @property
    def fused(self) -> bool:
        """Whether one operation does all of it."""
        return self.core.kind.startswith(FUSED)

    @property
    def scored(self) -> bool:
        """Whether a layer gives each item its score, and not a product of queries and keys."""
        return self.core is self.query.op and not self.fused


def attention_sites(graph: Graph) -> tuple[AttentionSite, ...]:
    """Returns the attentions of a graph, input to output.

    An attention written out is a softmax whose input comes from a batched product of two signals (queries and keys),
    and whose output enters another one (with the values). Or a layer gives each item its score, and the softmax over
    the items weighs their sum (attention pooling, additive attention). Mixture weights, gates and class probabilities
    do neither: theirs is a softmax over the features of the layer that made the scores.
    """
    uses: list[list[Operand]] = [[] for _ in graph.ops]
    for op in graph.ops:
        for slot, to in op.edges:
            uses[to].append(Operand(op, slot))
    found = (_site(graph, uses, op) for op in reversed(graph.ops))
    return tuple(site for site in found if site is not None)


def _site(graph: Graph, uses: list[list[Operand]], op: GraphOp) -> AttentionSite | None:
    if op.kind.startswith(FUSED):
        return AttentionSite(op, Operand(op, 0), Operand(op, 1), Operand(op, 2))
    if op.kind not in _SOFTMAX:
        return None
    path, used = _to_the_scores(graph, op), _product_above(uses, op)
    if path is None:
        return _scored(graph, uses, op, used)
    if used is None:
        return None
    *between, scores = path
    query, key = _PRODUCTS[scores.kind]
    (value,) = set(_PRODUCTS[used.op.kind]) - {used.slot}
    return AttentionSite(op, Operand(scores, query), Operand(scores, key), Operand(used.op, value), tuple(between))


def _to_the_scores(graph: Graph, softmax: GraphOp) -> list[GraphOp] | None:
    """The operations from the softmax, without it, down to the product that made the scores."""
    frontier, above = [softmax], {softmax.index: softmax}
    while frontier:
        op = frontier.pop()
        for _, to in op.edges:
            below = graph.ops[to]
            if below.kind in _PRODUCTS and len(below.edges) > 1:
                path = [below]
                while op is not softmax:
                    path.append(op)
                    op = above[op.index]
                return path[::-1]
            if below.kind in _TO_THE_SCORES and to not in above:
                above[to] = op
                frontier.append(below)
    return None


def _scored(graph: Graph, uses: list[list[Operand]], softmax: GraphOp, product: Operand | None) -> AttentionSite | None:
    """The attention whose scores a layer makes, item by item."""
    layer = _layer_below(graph, softmax)
    if layer is None or layer.shape[-1] == softmax.shape[softmax_dim(softmax)]:
        return None
    used, operands = (product, _PRODUCTS.get(product.op.kind)) if product else (_weighed_sum(uses, softmax), (0, 1))
    if used is None or operands is None:
        return None
    (value,) = set(operands) - {used.slot}
    scores = Operand(softmax, 0)
    return AttentionSite(softmax, scores, scores, Operand(used.op, value))


def softmax_dim(op: GraphOp) -> int:
    """Returns the dimension along which a softmax adds up to one; negative where it was given so."""
    dim = int(op.node._saved_dim)  # autograd keeps it as an unsigned number
    return dim - 2**64 if dim >= 2**63 else dim


def _layer_below(graph: Graph, softmax: GraphOp) -> GraphOp | None:
    op = softmax
    while len(op.edges) == 1 and (op is softmax or op.kind in _TO_THE_SCORES):
        op = graph.ops[op.edges[0][1]]
    return op if op.kind in WEIGHTED and op.shape else None


def _weighed_sum(uses: list[list[Operand]], softmax: GraphOp) -> Operand | None:
    """The multiplication by the items, of which a sum follows, and the slot by which the weights enter it."""
    op = softmax
    while len(uses[op.index]) == 1:
        user = uses[op.index][0]
        if user.op.kind == "Mul" and len(user.op.edges) > 1:
            return user if any(above.op.kind == "Sum" for above in uses[user.op.index]) else None
        if user.op.kind not in _TO_THE_VALUES:
            return None
        op = user.op
    return None


def _product_above(uses: list[list[Operand]], softmax: GraphOp) -> Operand | None:
    """The product that weighs the values, and the slot by which the weights enter it."""
    frontier, seen = [softmax], {softmax.index}
    while frontier:
        op = frontier.pop()
        for user in uses[op.index]:
            if user.op.kind in _PRODUCTS:
                return user if user.slot in _PRODUCTS[user.op.kind] else None
            if user.op.kind in _TO_THE_VALUES and user.op.index not in seen:
                seen.add(user.op.index)
                frontier.append(user.op)
    return None


@dataclass(frozen=True)
class Stream:
    """Where the output of an attention joins the stream around it.

    Attributes:
        op: the sum.
        normalised: whether the sum goes into a normalisation, and nowhere else. So it is with post-norm; with pre-norm
            it also goes around the next branch. ``None`` where no normalisation follows.
    """

    op: GraphOp
    normalised: bool | None


def users(graph: Graph) -> list[list[GraphOp]]:
    """Returns, for each operation, those that take its result."""
    found: list[list[GraphOp]] = [[] for _ in graph.ops]
    for op in graph.ops:
        for _, to in op.edges:
            found[to].append(op)
    return found


def joined_stream(above: list[list[GraphOp]], site: AttentionSite) -> Stream | None:
    """Returns the sum that takes the attention's output; ``None`` where no such sum follows.

    Args:
        above: as `users` returns it.
        site: an attention of the same graph.
    """
    op = site.value.op
    while len(above[op.index]) == 1:
        op = above[op.index][0]
        if op.kind == "Add" and len(op.edges) > 1:
            onward = [_past_layout(above, user) for user in above[op.index]]
            normalised = [user.kind in NORMALISATIONS for user in onward]
            return Stream(op, all(normalised) if any(normalised) else None)
    return None


def _past_layout(above: list[list[GraphOp]], op: GraphOp) -> GraphOp:
    while op.kind in _LAYOUT and len(above[op.index]) == 1:
        op = above[op.index][0]
    return op
