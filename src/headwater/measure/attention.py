"""What each attention looks at, from the queries and keys (or the softmax) that autograd saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from headwater.graph import AttentionSite, Graph, GraphOp, attention_sites, normalised_stream
from headwater.measure.norms import frobenius
from headwater.measure.saved import saved
from headwater.measure.units import feeders
from headwater.records import AttentionRecord, Trace

ONE_HOT = 0.99
"""A row is one-hot when one key gets more than this (science: logits of standard deviation 10 make 29 % so)."""
COLLAPSED = 0.9
"""A map is collapsed when this share of its rows is one-hot."""

_MOST_MAPS, _MOST_ROWS = 128, 64
_JOINT = -1


@dataclass(frozen=True)
class _Rows:
    """What the rows of one attention say; ``None`` where every row may look at one key only."""

    entropy: float | None
    relative: float | None
    one_hot: float | None
    collapsed: float | None


@dataclass(frozen=True)
class _Seen:
    rows: _Rows
    queries: int
    keys: int
    token_spread: float | None


class Attention:
    """Reads the attentions of one forward and backward pass: `observe` each operation, then `records`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._sites = attention_sites(graph)
        self._cores = {site.core.index: site for site in self._sites}
        self._values = {site.value.op.index: site for site in self._sites}
        self._maps: dict[int, torch.Tensor] = {}
        self._spreads: dict[int, float] = {}
        self._lengths: dict[int, tuple[int, int]] = {}
        self._allowed: dict[int, torch.Tensor] = {}

    def observe(self, op: GraphOp) -> None:
        """Reads what autograd saved, while it can still be read."""
        site = self._values.get(op.index)
        if site is not None:
            value = _value(site)
            if value is not None and value.shape[-2] > 1:
                self._spreads[site.core.index] = _spread_over_positions(value)
        if op.index in self._cores:
            found = _fused_rows(op) if self._cores[op.index].fused else _softmax_rows(op)
            if found is not None:
                self._maps[op.index], self._allowed[op.index], self._lengths[op.index] = found

    def records(
        self, trace: Trace, norms: Mapping[tuple[int, int], float], names: Mapping[int, str]
    ) -> tuple[AttentionRecord, ...]:
        """Returns one record for each attention, input to output.

        Args:
            trace: of the same pass.
            norms: by (operation, slot), as `backward` returned them.
            names: names of the layers, by operation.
        """
        below = feeders(self._graph)
        found: list[AttentionRecord] = []
        for site in self._sites:
            index = site.core.index
            if index not in self._maps:
                continue
            rows = _judge(self._maps[index], self._allowed[index])
            queries, keys = self._lengths[index]
            layer, op = below[index].layer, trace.ops[index]
            found.append(
                AttentionRecord(
                    name=op.module,
                    layer=names.get(layer) if layer is not None else None,
                    queries=queries,
                    keys=keys,
                    entropy=rows.entropy,
                    relative_entropy=rows.relative,
                    one_hot=rows.one_hot,
                    collapsed=rows.collapsed,
                    token_spread=self._spreads.get(index),
                    query_gradient=norms.get((site.query.op.index, site.query.slot)),
                    key_gradient=norms.get((site.key.op.index, site.key.slot)),
                    value_gradient=norms.get((site.value.op.index, site.value.slot)),
                    output_gradient=norms.get((site.value.op.index, _JOINT), 0.0),
                    normalised_stream=normalised_stream(self._graph, site),
                    file=op.file,
                    line=op.line,
                )
            )
        return tuple(found)


def with_lines(records: tuple[AttentionRecord, ...], first: tuple[AttentionRecord, ...]) -> tuple[AttentionRecord, ...]:
    """Returns records with the source lines of the first step, the only one that knows them."""
    if [each.name for each in records] != [each.name for each in first]:
        return records
    return tuple(replace(now, file=then.file, line=then.line) for now, then in zip(records, first, strict=True))


def _value(site: AttentionSite) -> torch.Tensor | None:
    """The values, shape (..., keys, features)."""
    if site.fused:
        return saved(site.core, "value")
    op = site.value.op
    first = "self" if op.kind == "Bmm" else "batch1"
    second = "mat2" if op.kind == "Bmm" else "batch2"
    is_second = site.value.slot == (1 if op.kind == "Bmm" else 2)
    value = saved(op, second if is_second else first)
    return value if value is None or is_second else value.mT  # weights @ values, or values' @ weights'


def _spread_over_positions(value: torch.Tensor) -> float:
    """``|v - mean over the positions| / |v|``, jointly over samples and heads.

    Padded positions count as they are; they are few, or else they are alike and the spread is only larger.
    """
    value = _thinned(value).float()
    norm = frobenius(value)
    return frobenius(value - value.mean(dim=-2, keepdim=True)) / norm if norm > 0 else 0.0


_Found = tuple[torch.Tensor, torch.Tensor, tuple[int, int]]


def _fused_rows(op: GraphOp) -> _Found | None:
    """Rows of a fused attention, computed anew from queries and keys for some samples, heads and queries."""
    query, key = saved(op, "query"), saved(op, "key")
    if query is None or key is None or query.dim() < 3:
        return None
    queries, keys = query.shape[-2], key.shape[-2]
    if key.shape[-3] != query.shape[-3]:  # grouped queries share keys
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    chosen = _every(queries, _MOST_ROWS)
    scale = getattr(op.node, "_saved_scale", None) or 1.0 / math.sqrt(query.shape[-1])
    mask = saved(op, "attn_mask") if hasattr(op.node, "_saved_attn_mask") else saved(op, "attn_bias")
    shape = (*query.shape[:-1], keys)
    rows = _thinned(query[..., chosen, :]).float() @ _thinned(key).float().mT * scale
    barred = torch.zeros(rows.shape[-2:], dtype=torch.bool, device=rows.device)
    if getattr(op.node, "_saved_is_causal", False):
        barred = torch.arange(keys, device=rows.device) > chosen.to(rows.device)[:, None]
    if mask is not None:
        added = _thinned(mask.expand(shape)[..., chosen, :])
        rows = rows + (torch.zeros_like(rows).masked_fill(~added, -math.inf) if added.dtype == torch.bool else added)
    rows = rows.masked_fill(barred, -math.inf)
    allowed = (rows > torch.finfo(torch.float16).min).sum(dim=-1)  # masks are minus infinity or the dtype's lowest
    return rows.softmax(dim=-1), allowed, (queries, keys)


def _softmax_rows(op: GraphOp) -> _Found | None:
    """Rows of an attention that was written out, as autograd saved them."""
    result = saved(op, "result")
    if result is None or result.dim() < 3:
        return None
    dim = op.node._saved_dim
    dim = dim - 2**64 if dim >= 2**63 else dim  # autograd keeps it as an unsigned number
    maps = result.movedim(dim, -1)
    queries, keys = maps.shape[-2:]
    chosen = _every(queries, _MOST_ROWS)
    rows = _thinned(maps[..., chosen, :]).float()
    return rows, _allowed(maps, chosen, rows), (queries, keys)


def _allowed(maps: torch.Tensor, chosen: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """How many keys each row may look at. A mask is no longer there: only a causal one shows in the zeros.

    Other zeros are taken for what they may be, weights too small to hold.
    """
    queries, keys = maps.shape[-2:]
    allowed = torch.full(rows.shape[:-1], keys, device=rows.device)
    if queries == keys and queries > 1 and not bool(_thinned(maps).triu(1).any()):
        allowed = (chosen.to(rows.device) + 1).expand(rows.shape[:-1])
    return allowed


def _judge(rows: torch.Tensor, allowed: torch.Tensor) -> _Rows:
    """Sums rows up, shape (..., queries, keys); those with a choice of one key are left out."""
    free = (allowed > 1) & rows.isfinite().all(dim=-1)
    if not bool(free.any()):
        return _Rows(None, None, None, None)
    entropy = -torch.xlogy(rows, rows).sum(dim=-1)
    hot = (rows.amax(dim=-1) > ONE_HOT) & free
    per_map = hot.sum(dim=-1) / free.sum(dim=-1).clamp(min=1)
    with_rows = free.any(dim=-1)
    return _Rows(
        entropy=float(entropy[free].mean()),
        relative=float((entropy[free] / allowed[free].log()).mean()),
        one_hot=float(hot.sum() / free.sum()),
        collapsed=float((per_map >= COLLAPSED)[with_rows].float().mean()),
    )


def _thinned(tensor: torch.Tensor) -> torch.Tensor:
    """Some of the maps, evenly: from (samples, heads, ...) or (samples times heads, ...) to (maps, ...)."""
    maps = tensor.reshape(-1, *tensor.shape[-2:])
    return maps[_every(maps.shape[0], _MOST_MAPS).to(maps.device)]


def _every(length: int, most: int) -> torch.Tensor:
    """Indices, evenly spaced, of at most `most` out of `length`."""
    return torch.arange(0, length, max(1, math.ceil(length / most)))
