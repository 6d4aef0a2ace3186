"""What stands between the last layer and the loss, and the ranges of outputs and targets."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from headwater.graph import Graph
from headwater.measure.norms import frobenius
from headwater.measure.structure import is_layer
from headwater.records import HeadOp, HeadRecord, Op, Trace

_MOST_OPS = 64


def head(graph: Graph, trace: Trace, outputs: Any, targets: Any) -> HeadRecord:
    """Returns the operations above every layer, from the loss downward, with the ranges of outputs and targets.

    Args:
        graph: of the pass.
        trace: of the same pass.
        outputs: what the model returned; read when it is a tensor.
        targets: what the loss compares it with; read when it is a tensor.
    """
    above = _above_layers(trace)
    within, alike = frozenset(above), _by_kind(trace, above[:_MOST_OPS])
    ops = tuple(_head_op(graph, trace, index, alike, within) for index in above[:_MOST_OPS])
    record = _with_targets(_with_output(HeadRecord(ops), outputs), targets)
    if targets is None:
        record = replace(record, target_shape=_broadcast_against(record))
    return replace(record, position_spread=_position_spread(outputs, targets))


def _above_layers(trace: Trace) -> list[int]:
    reached = [False] * len(trace.ops)
    reached[0] = True
    for op in trace.ops:
        if reached[op.index] and not is_layer(op):
            for edge in op.edges:
                reached[edge.to] = True
    return [op.index for op in trace.ops if reached[op.index] and not is_layer(op)]


def _by_kind(trace: Trace, indices: Sequence[int]) -> dict[str, list[Op]]:
    """All operations of the kinds that some of them have."""
    found: dict[str, list[Op]] = {trace.ops[index].kind: [] for index in indices}
    for op in trace.ops:
        if op.kind in found:
            found[op.kind].append(op)
    return found


def _head_op(
    graph: Graph, trace: Trace, index: int, alike: Mapping[str, Sequence[Op]], above: Container[int]
) -> HeadOp:
    op = trace.ops[index]
    others = [each for each in alike[op.kind] if each.index not in above or each.shape[1:] != op.shape[1:]]
    return HeadOp(
        kind=op.kind,
        role=op.role,
        shape=op.shape,
        input_shapes=tuple(trace.ops[edge.to].shape for edge in op.edges),
        constant_operand=bool(graph.ops[index].outside),
        file=op.file,
        line=op.line,
        module=op.module,
        shared_module=any(each.module == op.module for each in others),
        shared_line=op.line is not None and any((each.file, each.line) == (op.file, op.line) for each in others),
    )


def _with_output(record: HeadRecord, outputs: Any) -> HeadRecord:
    if not isinstance(outputs, torch.Tensor) or not outputs.is_floating_point() or outputs.numel() == 0:
        return record
    values = outputs.detach().float()
    low, high = values.aminmax()
    spread = float(values.std(dim=0).mean()) if values.dim() > 0 and values.shape[0] > 1 else None
    return replace(
        record,
        output_shape=tuple(outputs.shape),
        output_min=float(low),
        output_max=float(high),
        output_spread=spread,
    )


def _with_targets(record: HeadRecord, targets: Any) -> HeadRecord:
    if not isinstance(targets, torch.Tensor) or targets.is_complex() or targets.numel() == 0:
        return record
    values = targets.detach().double()
    return replace(
        record,
        target_shape=tuple(targets.shape),
        target_dtype=str(targets.dtype).removeprefix("torch."),
        target_min=float(values.min()),
        target_max=float(values.max()),
        target_rms=float(values.square().mean().sqrt()),
        target_std=float(values.std()) if values.numel() > 1 else 0.0,
        target_mean=float(values.mean()),
    )


def _broadcast_against(record: HeadRecord) -> tuple[int, ...] | None:
    """Shape of targets that nobody has shown, where the operations tell it: ``(N, 1)`` has become ``(N, N)`` by them.

    One number for each of N samples grows to a table beside something that no gradient reaches; that can only be one
    target for each, ``(N,)``.
    """
    shape = record.output_shape or ()
    table = (*shape[:1], *shape[:1])
    grown = any(
        op.shape == table and op.input_shapes == (shape,) and (op.constant_operand or op.kind == "Expand")
        for op in record.ops
    )
    return shape[:1] if len(shape) == 2 and shape[0] > 1 == shape[1] and grown else None


def _position_spread(outputs: Any, targets: Any) -> float | None:
    """See `HeadRecord`; the targets are classes, one for each position, negative where none is asked for."""
    if not isinstance(outputs, torch.Tensor) or not isinstance(targets, torch.Tensor) or targets.is_floating_point():
        return None
    if outputs.dim() < 3 or targets.dim() < 2 or not outputs.is_floating_point():
        return None
    classes = targets.flatten(1)
    if not bool(((classes != classes.amax(dim=1, keepdim=True)) & (classes >= 0)).any()):
        return None
    values, orders = outputs.detach().float(), list[torch.Tensor]()
    if targets.shape == outputs.shape[:-1]:
        orders.append(values)
    if targets.shape == outputs.shape[:1] + outputs.shape[2:]:  # classes come second, as in PyTorch's cross-entropy
        orders.append(values.movedim(1, -1))
    return min((spread for each in orders if (spread := _within(each.flatten(1, -2))) is not None), default=None)


def _within(values: torch.Tensor) -> float | None:
    total = frobenius(values - values.mean(dim=(0, 1)))
    return frobenius(values - values.mean(dim=1, keepdim=True)) / total if total > 0 else None
