"""One backward pass, itemised: hooks on the graph's nodes see the gradient on both sides of every operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from headwater.errors import LossError, NonFiniteLossError
from headwater.graph import Graph, GraphOp, Guard, Owners, role_of, source_line, unguarded, walk
from headwater.graph.kinds import ISOMETRIES
from headwater.measure.norms import NormBook
from headwater.records import Edge, Op, Trace

Gradients = tuple[torch.Tensor | None, ...]
Observer = Callable[[GraphOp, Gradients], None]
"""Called for each operation, with the gradient that reaches it, while its saved tensors can still be read."""

_JOINT = -1
_FOREIGN = "CppFunction"
"""A user's function in C++; those in Python have a class to be known by. Some write in the gradient that they get."""
# A gradient whose root mean square has fewer than four bits left above its dtype's smallest number
_LOST_BITS = 16


def trace(loss: torch.Tensor, *, model: nn.Module | None = None, owners: Owners | None = None) -> Trace:
    """Runs ``loss.backward()`` once and returns the backward pass, itemised.

    The gain of an operation is the Frobenius norm (over the whole batch) of the gradient that it hands on toward the
    input, divided by that of the gradient that reaches it from the loss: one factor of the chain rule. Gradients land
    in ``.grad`` exactly as ``loss.backward()`` leaves them.

    Args:
        loss: a scalar tensor with a ``grad_fn``.
        model: names the parameters; without it they are named by their shapes.
        owners: module paths and call numbers, learned with ``headwater.graph.owners(model)`` around the forward pass.
            Run the forward pass inside ``headwater.graph.source_lines()`` to have file and line of each operation.

    Returns:
        The trace: operations in backward order, the loss first. Where a gradient underflows to exact zero,
        ``trace.underflow_at`` says from which operation on, and gains are given up to there.

    Raises:
        LossError: `loss` is no scalar tensor, or nothing that needs a gradient leads to it.
        NonFiniteLossError: `loss` is NaN or infinite.
    """
    check_loss(loss)
    graph = walk(loss)
    norms = backward(loss, graph)
    return itemise(graph, norms, float(loss.detach()), parameter_names(model), owners)


def check_loss(loss: Any) -> None:
    """Raises `LossError` unless `loss` is a finite scalar that a backward pass can start from."""
    if not isinstance(loss, torch.Tensor):
        raise LossError(f"Expected the loss as a scalar tensor, got {type(loss).__name__}. Pass the tensor itself.")
    if loss.numel() != 1:
        shape = tuple(loss.shape)
        raise LossError(f"Expected a scalar loss, got a tensor of shape {shape}. Reduce it, e.g. loss.mean().")
    if loss.grad_fn is None:
        raise LossError(
            "The loss has no grad_fn: nothing that needs a gradient leads to it. Compute it outside torch.no_grad(), "
            "without .detach(), .item() or argmax on the way, and from parameters with requires_grad=True."
        )
    if not math.isfinite(float(loss.detach())):
        raise NonFiniteLossError(
            f"The loss is {float(loss.detach())}: its gradient says nothing. Look for NaN or infinity in the batch and "
            "the weights first, then for log, sqrt or division of zero, and for overflow of exp or of half precision."
        )


def backward(loss: torch.Tensor, graph: Graph, observe: Observer | None = None) -> dict[tuple[int, int], float]:
    """Runs the backward pass and returns norms by (operation, slot); slot -1 is the gradient that reaches it.

    Both sides of every operation are measured, since a hook of the user's can change a gradient between two of them;
    only operations that lay numbers out anew are trusted to keep the norm.
    """
    with listening(graph, observe) as book:
        loss.backward()
    return book.read()


@contextmanager
def listening(graph: Graph, observe: Observer | None = None, guard: Guard = unguarded) -> Generator[NormBook]:
    """Measures in the book what a backward pass through `graph` that runs inside hands on; it changes nothing."""
    book = NormBook()
    handles = [op.node.register_hook(guard(_hook(op, book, observe))) for op in graph.ops if op.kind != "Input"]
    try:
        yield book
    finally:
        for handle in handles:
            handle.remove()


def _hook(op: GraphOp, book: NormBook, observe: Observer | None) -> Callable[[Any, Any], None]:
    index, isometric = op.index, op.kind in ISOMETRIES and len(op.edges) == 1
    slots = () if isometric else tuple(slot for slot, _ in op.edges)
    foreign = isinstance(op.node, torch.autograd.function.BackwardCFunction) or type(op.node).__name__ == _FOREIGN

    def hook(gradients_out: Gradients, gradients_in: Gradients) -> None:
        if observe is not None:
            observe(op, gradients_in)
        for gradient in gradients_in:
            if gradient is not None:
                book.add((index, _JOINT), gradient)
        for slot in slots:
            gradient = gradients_out[slot]
            if gradient is not None:
                book.add((index, slot), gradient, anew=foreign)

    return hook


def parameter_names(model: nn.Module | None) -> dict[int, str]:
    """Maps the identity of each parameter of `model` to its name, and that of what stands for it in a graph."""
    if model is None:
        return {}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return names | {id(whole): names[id(part)] for part, whole in _gathered(model) if id(part) in names}


def _gathered(model: nn.Module) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
    """Yields the parameters that FSDP2 holds in shards, each with the whole one that it shows to the forward pass."""
    for module in model.modules():
        state: Any = getattr(module, "_get_fsdp_state", lambda: None)()
        group = getattr(state, "_fsdp_param_group", None)
        for each in getattr(state, "_fsdp_param_groups", None) or filter(None, [group]):
            for held in each.fsdp_params:
                if hasattr(held, "_unsharded_param"):  # from the first forward pass on
                    yield held.sharded_param, held._unsharded_param


def itemise(
    graph: Graph,
    norms: Mapping[tuple[int, int], float],
    loss: float,
    names: Mapping[int, str],
    owners: Owners | None,
) -> Trace:
    """Builds the record from the graph and the norms that `backward` measured."""
    arriving = _arriving(graph, norms)
    lost = _lost(graph, arriving)
    ops = tuple(_op(op, norms, arriving, lost, names, owners) for op in graph.ops)
    gone = (op.index for op in ops if op.underflow and op.norm_in == 0.0)
    return Trace(loss, ops, next(gone, None))


def _arriving(graph: Graph, norms: Mapping[tuple[int, int], float]) -> list[float]:
    """Norm of the gradient that reaches each operation; that of an input is what its edges carried."""
    arriving = [norms.get((op.index, _JOINT), 0.0) for op in graph.ops]
    for op in graph.ops:
        for slot, to in op.edges:
            if graph.ops[to].kind == "Input":
                carried = norms.get((op.index, slot), arriving[op.index] if op.kind in ISOMETRIES else 0.0)
                arriving[to] = math.hypot(arriving[to], carried)
    return arriving


def _lost(graph: Graph, arriving: list[float]) -> list[bool]:
    """Whether the gradient that reaches each operation is too small for its dtype, or zero because of that."""
    lost = [False] * len(graph.ops)
    zero_after_loss = [False] * len(graph.ops)
    for op in graph.ops:
        norm = arriving[op.index]
        if norm == 0.0:
            lost[op.index] = zero_after_loss[op.index]
        elif op.dtype.is_floating_point:
            smallest = torch.finfo(op.dtype).tiny * torch.finfo(op.dtype).eps
            lost[op.index] = norm / math.sqrt(max(op.numel, 1)) < _LOST_BITS * smallest
        if lost[op.index]:
            for _, to in op.edges:
                zero_after_loss[to] = True
    return lost


def _op(
    op: GraphOp,
    norms: Mapping[tuple[int, int], float],
    arriving: list[float],
    lost: list[bool],
    names: Mapping[int, str],
    owners: Owners | None,
) -> Op:
    norm_in = arriving[op.index]
    missing = norm_in if op.kind in ISOMETRIES and len(op.edges) == 1 else 0.0
    edges = tuple(Edge(to, norms.get((op.index, slot), missing)) for slot, to in op.edges)
    norm_out = math.hypot(*(edge.norm for edge in edges)) if edges else None
    module, call = owners.module(op.node) if owners and op.kind != "Input" else ("", 0)
    place, inside = source_line(op.node) if op.kind != "Input" else (None, None)
    return Op(
        index=op.index,
        kind=op.kind,
        role=role_of(
            op.kind,
            has_weight=any(parameter.dim() > 1 for parameter in op.parameters),
            module_class=owners.classes.get(module, "") if owners and module else "",
        ),
        norm_in=norm_in,
        norm_out=norm_out,
        gain=norm_out / norm_in if norm_out is not None and norm_in > 0 else None,
        edges=edges,
        dtype=str(op.dtype).removeprefix("torch."),
        shape=op.shape,
        numel=op.numel,
        finite=math.isfinite(norm_in) and (norm_out is None or math.isfinite(norm_out)),
        underflow=lost[op.index],
        module=module,
        call=call,
        parameters=tuple(names.get(id(p), str(list(p.shape))) for p in op.parameters),
        file=place.file if place else None,
        line=place.line if place else None,
        inside=inside,
    )
