"""Rows of an attention: to which keys each query gives how much, and what that says."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from headwater.graph import AttentionSite, GraphOp, softmax_dim
from headwater.measure.saved import saved

ONE_HOT = 0.99
"""A row is one-hot when one key gets more than this (science: logits of standard deviation 10 make 29 % so)."""
COLLAPSED = 0.9
"""A map is collapsed when this share of its rows is one-hot."""

_MOST_MAPS, _MOST_ROWS = 128, 64
_UNDERFLOW = 87.0
"""Logits that lie less than this under the largest leave more than zero in float32 (``exp(-87.3)`` is its ``tiny``)."""


@dataclass(frozen=True)
class Maps:
    """Some rows of some samples.

    Attributes:
        rows: probabilities, shape (samples, heads, queries, keys).
        allowed: how many keys each row may look at.
        queries, keys: number of positions on either side, all of them.
        heads: ``None`` where samples and heads are one dimension.
    """

    rows: torch.Tensor
    allowed: torch.Tensor
    queries: int
    keys: int
    heads: int | None


@dataclass(frozen=True)
class Rows:
    """What the rows of one attention say; see `AttentionRecord`. ``None`` where every row may look at one key only."""

    entropy: float | None = None
    relative: float | None = None
    one_hot: float | None = None
    collapsed: float | None = None
    by_head: tuple[float, ...] = ()
    runners_up: float | None = None


def fused_maps(op: GraphOp) -> Maps | None:
    """Rows of a fused attention, computed anew from queries and keys for some samples and queries."""
    query, key = saved(op, "query"), saved(op, "key")
    if query is None or key is None or query.dim() < 3:
        return None
    queries, keys = query.shape[-2], key.shape[-2]
    if query.dim() > 3 and key.shape[-3] != query.shape[-3]:  # grouped queries share keys
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    chosen = _every(queries, _MOST_ROWS).to(query.device)
    scale = getattr(op.node, "_saved_scale", None) or 1.0 / math.sqrt(query.shape[-1])
    mask = saved(op, "attn_mask") if hasattr(op.node, "_saved_attn_mask") else saved(op, "attn_bias")
    rows = sampled(query[..., chosen, :]).float() @ sampled(key).float().mT * scale
    barred = torch.zeros(rows.shape[-2:], dtype=torch.bool, device=rows.device)
    if getattr(op.node, "_saved_is_causal", False):
        barred = torch.arange(keys, device=rows.device) > chosen[:, None]
    if mask is not None:
        added = sampled(mask.expand(*query.shape[:-1], keys)[..., chosen, :])
        rows = rows + (torch.zeros_like(rows).masked_fill(~added, -math.inf) if added.dtype == torch.bool else added)
    rows = rows.masked_fill(barred, -math.inf)
    allowed = (rows > torch.finfo(torch.float16).min).sum(dim=-1)  # masks are minus infinity or the dtype's lowest
    return Maps(rows.softmax(dim=-1), allowed, queries, keys, query.shape[-3] if query.dim() > 3 else None)


def written_maps(site: AttentionSite) -> Maps | None:
    """Rows of an attention that was written out, as autograd saved them."""
    result = saved(site.core, "result")
    if result is None or result.dim() < (2 if site.scored else 3):
        return None
    maps = result.movedim(softmax_dim(site.core), -1)
    if maps.dim() == 2:  # one weight for each item of a sample: one query
        maps = maps.unsqueeze(1)
    queries, keys = maps.shape[-2:]
    chosen = _every(queries, _MOST_ROWS).to(maps.device)
    rows = sampled(maps[..., chosen, :]).float()
    heads = maps.shape[-3] if maps.dim() > 3 else None
    return Maps(rows, _allowed(site, maps, chosen, rows), queries, keys, heads)


def judge(maps: Maps) -> Rows:
    """Sums rows up; those with a choice of one key are left out."""
    rows = maps.rows
    free = (maps.allowed > 1) & rows.sum(dim=-1).isfinite()  # of probabilities: a sum is finite where each is
    if not bool(free.any()):
        return Rows()
    entropy = -torch.xlogy(rows, rows).sum(dim=-1)
    hot = (rows.amax(dim=-1) > ONE_HOT) & free
    per_map = hot.sum(dim=-1) / free.sum(dim=-1).clamp(min=1)
    by_head = hot.sum(dim=(0, -1)) / free.sum(dim=(0, -1)).clamp(min=1)
    heads = [float(share) for share in by_head] if maps.heads is not None else []
    return Rows(
        entropy=float(entropy[free].mean()),
        relative=float((entropy[free] / maps.allowed[free].log()).mean()),
        one_hot=float(hot.sum() / free.sum()),
        collapsed=float((per_map >= COLLAPSED)[free.any(dim=-1)].float().mean()),
        by_head=tuple(heads),
        runners_up=_runners_up(rows[hot], maps.allowed[hot]),
    )


def sampled(tensor: torch.Tensor) -> torch.Tensor:
    """Some of the samples, evenly, with all of their heads: shape (samples, heads, ...)."""
    tensor = tensor.flatten(0, -4) if tensor.dim() > 3 else tensor.unsqueeze(1)
    return tensor[_every(len(tensor), max(1, _MOST_MAPS // tensor.shape[1])).to(tensor.device)]


def _runners_up(rows: torch.Tensor, allowed: torch.Tensor) -> float | None:
    """Mean relative entropy of one-hot rows without the key that they look at.

    Where the winner alone stands out, as in a head that has learnt to copy, the others are about even. Where all logits
    are far apart the next one stands out among the rest just as much.
    """
    several = allowed > 2
    if not bool(several.any()):
        return None
    rows, allowed = rows[several].double(), allowed[several]
    rows = rows.scatter(-1, rows.argmax(dim=-1, keepdim=True), 0.0)
    rest = rows.sum(dim=-1, keepdim=True)
    rows = torch.where(rest > 0, rows / rest, 0.0)  # nothing left: the next one is out of reach
    return float((-torch.xlogy(rows, rows).sum(dim=-1) / (allowed - 1).log()).mean())


def _allowed(site: AttentionSite, maps: torch.Tensor, chosen: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """How many keys each row may look at.

    A mask is no longer there, only the zeros that it left. Weights too small to hold are zeros as well, but these need
    logits farther apart than the norms of queries and keys may allow; where they do allow it, only a causal mask is
    told, by its shape.
    """
    queries, keys = maps.shape[-2:]
    if _reach(site) < _UNDERFLOW:
        return (rows > 0).sum(dim=-1)
    allowed = torch.full(rows.shape[:-1], keys, device=rows.device)
    if queries == keys and queries > 1 and not bool(sampled(maps).triu(1).any()):
        allowed = (chosen + 1).expand(rows.shape[:-1])
    return allowed


def _reach(site: AttentionSite) -> float:
    """Most by which the scores of a row can set two logits apart: ``2 scale max|q| max|k|`` (Cauchy and Schwarz)."""
    op = site.query.op
    if site.scored:
        return math.inf
    first, second = ("self", "mat2") if op.kind == "Bmm" else ("batch1", "batch2")
    query, key = saved(op, first), saved(op, second)
    if query is None or key is None:
        return math.inf
    longest = float(_norms(query, -1).max()) * float(_norms(key, -2).max())
    return 2.0 * _scale(site) * longest


def _norms(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    return vectors.float().square().sum(dim=dim).sqrt()


def _scale(site: AttentionSite) -> float:
    """By which numbers the scores are multiplied before the softmax."""
    scale = 1.0
    for op in site.between:
        other = saved(op, "other") if op.kind in ("Mul", "Div") else None
        if other is not None and other.numel() == 1:
            scale *= float(other) if op.kind == "Mul" else 1.0 / float(other)
    return abs(scale)


def _every(length: int, most: int) -> torch.Tensor:
    """Indices, evenly spaced, of at most `most` out of `length`."""
    return torch.arange(0, length, max(1, math.ceil(length / most)))
