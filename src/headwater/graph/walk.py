"""Reads the autograd graph behind a loss: which operations carry the signal, and along which edges.

The graph holds data and parameters alike. An operation is *on the parameter side* when its value does not depend on
the batch: a parameter, its transpose, a product of two parameters, a standardised weight. Everything else carries
the signal. Inputs that need no gradient are missing from the graph (an empty edge), so the distinction rests on the
operations' signatures and, where those are symmetric, on shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from headwater.graph.kinds import ALWAYS_DATA, DATA_SLOT, NORMALISATIONS, kind_of

# autograd's nodes have no public type with the members used here
Node = Any

_LEAF = "AccumulateGrad"


@dataclass
class GraphOp:
    """One operation that carries the signal.

    Attributes:
        index: position in backward order.
        node: the autograd node.
        kind: its name without suffix.
        edges: pairs (slot among the node's inputs, index of the operation that receives the gradient).
        outside: slots whose tensor needs no gradient (data, masks, constants).
        parameters: tensors on its parameter edges.
        consumers: number of edges that bring it a gradient.
        shape, numel, dtype: of its outputs (`shape` of the first one, `numel` of all).
    """

    index: int
    node: Node
    kind: str
    edges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    outside: tuple[int, ...] = ()
    parameters: tuple[torch.Tensor, ...] = ()
    consumers: int = 0
    shape: tuple[int, ...] = ()
    numel: int = 0
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Graph:
    """The operations that carry the signal, in backward order: every edge leads to a later operation."""

    ops: list[GraphOp]


def walk(loss: torch.Tensor) -> Graph:
    """Reads the graph behind `loss`, which must have a ``grad_fn``. Runs nothing and changes nothing."""
    post_order = _post_order(loss.grad_fn)
    sides = _sides(post_order)
    carriers = _reachable(loss.grad_fn, post_order, sides)
    index = {node: i for i, node in enumerate(carriers)}
    ops = [_graph_op(i, node, index, sides) for i, node in enumerate(carriers)]
    for op in ops:
        for _, to in op.edges:
            ops[to].consumers += 1
    return Graph(ops)


def _post_order(root: Node) -> list[Node]:
    """Returns all nodes, each after those that it sends gradient to."""
    order: list[Node] = []
    seen = {root}
    stack: list[tuple[Node, Iterator[tuple[Node, int]]]] = [(root, iter(root.next_functions))]
    while stack:
        node, children = stack[-1]
        for child, _ in children:
            if child is not None and child not in seen:
                seen.add(child)
                stack.append((child, iter(child.next_functions)))
                break
        else:
            order.append(node)
            stack.pop()
    return order


@dataclass(frozen=True)
class _Side:
    """What a node's value depends on.

    Attributes:
        leaves: the parameters below it.
        signal: whether it carries the signal.
        certain: whether that is sure: some operation below it is applied to data only. A product of a parameter and
            a tensor outside the graph is not: ``x @ w`` looks like the power iteration of spectral normalisation.
    """

    leaves: tuple[torch.Tensor, ...]
    signal: bool
    certain: bool


def _sides(post_order: list[Node]) -> dict[Node, _Side]:
    leaves = [node.variable for node in post_order if kind_of(node.name()) == _LEAF]
    # purely functional code has plain tensors for weights; elsewhere a plain leaf is an input that asks for a gradient
    functional = not any(isinstance(leaf, torch.nn.Parameter) for leaf in leaves)
    sides: dict[Node, _Side] = {}
    for node in post_order:
        kind = kind_of(node.name())
        if kind == _LEAF:
            is_weight = functional or isinstance(node.variable, torch.nn.Parameter)
            sides[node] = _Side((node.variable,) if is_weight else (), not is_weight, not is_weight)
        else:
            sides[node] = _side(node, kind, sides)
    return sides


def _side(node: Node, kind: str, sides: dict[Node, _Side]) -> _Side:
    children = [child for child, _ in node.next_functions]
    below = [sides[child] for child in children if child is not None]
    if kind in ALWAYS_DATA or not below or any(side.certain for side in below):
        return _Side((), signal=True, certain=True)
    leaves = tuple({id(leaf): leaf for side in below for leaf in side.leaves}.values())
    outside = len(below) < len(children)
    signal = any(side.signal for side in below) or (outside and not _constant_operand(node, kind, children))
    return _Side(leaves, signal, certain=False)


def _constant_operand(node: Node, kind: str, children: list[Node | None]) -> bool:
    """Whether the operands outside the graph are constants of the parameter (a mask, a scale) and not data.

    A product with data broadcasts the parameter over the batch, so that the result is larger than the parameter.
    """
    if kind in DATA_SLOT:
        return False
    if kind in NORMALISATIONS:
        return children[0] is not None
    sizes = [_numel(child) for child in children if child is not None]
    return _numel(node) <= max(sizes)


def _carries(kind: str, slot: int, side: _Side) -> bool:
    """Whether the edge at `slot` is a signal edge. In the slot of a weight only what surely depends on data is."""
    in_weight_slot = kind in DATA_SLOT and kind in ALWAYS_DATA and slot != DATA_SLOT[kind]
    return side.certain if in_weight_slot else side.signal


def _reachable(root: Node, post_order: list[Node], sides: dict[Node, _Side]) -> list[Node]:
    """Returns the nodes that signal edges reach from the loss, in backward order."""
    reached = {root}
    order: list[Node] = []
    for node in reversed(post_order):
        if node in reached:
            order.append(node)
            kind = kind_of(node.name())
            for slot, (child, _) in enumerate(node.next_functions):
                if child is not None and _carries(kind, slot, sides[child]):
                    reached.add(child)
    return order


def _graph_op(i: int, node: Node, index: dict[Node, int], sides: dict[Node, _Side]) -> GraphOp:
    kind = "Input" if kind_of(node.name()) == _LEAF else kind_of(node.name())
    op = GraphOp(i, node, kind)
    parameters: dict[int, torch.Tensor] = {}
    outside: list[int] = []
    for slot, (child, _) in enumerate(node.next_functions):
        if child is None:
            outside.append(slot)
        elif _carries(kind, slot, sides[child]):
            op.edges.append((slot, index[child]))
        else:
            parameters.update({id(leaf): leaf for leaf in sides[child].leaves})
    op.outside, op.parameters = tuple(outside), tuple(parameters.values())
    if kind == "Input":
        op.shape, op.numel, op.dtype = tuple(node.variable.shape), node.variable.numel(), node.variable.dtype
    else:
        outputs = node._input_metadata
        op.shape, op.numel, op.dtype = tuple(outputs[0].shape), _numel(node), outputs[0].dtype
    return op


def _numel(node: Node) -> int:
    if kind_of(node.name()) == _LEAF:
        return int(node.variable.numel())
    total = 0
    for output in node._input_metadata:
        size = 1
        for extent in output.shape:
            size *= extent
        total += size
    return total
