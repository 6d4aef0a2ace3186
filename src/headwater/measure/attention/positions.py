"""How far the positions differ that an attention mixes, before it mixes them and after."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from headwater.graph import AttentionSite, Graph
from headwater.graph.kinds import ISOMETRIES
from headwater.measure.attention.rows import Maps, sampled
from headwater.measure.norms import frobenius
from headwater.measure.saved import saved


@dataclass(frozen=True)
class Differences:
    """See `AttentionRecord`, whose fields these are."""

    spread: float
    share: float | None
    cosine: float


def values(graph: Graph, site: AttentionSite) -> torch.Tensor | None:
    """Returns the values of some samples, shape (samples, heads, positions, features)."""
    value = saved(site.core, "value") if site.fused else _written_value(site)
    if value is None:
        return None
    heads = _heads(graph, site, value) if value.dim() == 3 and not site.scored else 1
    if value.dim() == 3 and len(value) % heads == 0:
        value = value.view(-1, heads, *value.shape[1:])
    return sampled(value).float()


def differences(value: torch.Tensor) -> Differences:
    """Sums up how the vectors of one sample differ from position to position.

    Relative to their size (Dong, Cordonnier, Loukas 2021) they look alike as soon as all of them share one large
    vector, a bias for instance, which the next normalisation or the next step can take away again. What averaging
    does shows beside what varies at all: between positions against between samples.

    Padded positions count as they are; they are few, or else they are alike and the differences only larger.
    """
    within = frobenius(value - value.mean(dim=-2, keepdim=True))
    total = frobenius(value - value.mean(dim=(0, -2), keepdim=True))
    size = frobenius(value)
    unit = torch.nn.functional.normalize(value, dim=-1)
    length = value.shape[-2]
    pairs = (unit.sum(dim=-2).square().sum(dim=-1) - unit.square().sum(dim=(-2, -1))) / (length * (length - 1))
    return Differences(
        spread=within / size if size > 0 else 0.0,
        share=(within / total if total > 0 else 0.0) if len(value) > 1 else None,
        cosine=float(pairs.mean()),
    )


def mixed(maps: Maps, value: torch.Tensor) -> float | None:
    """Returns the spread of what some of the queries get: ``|o - mean over the queries| / |o|`` with ``o = P v``."""
    rows = maps.rows
    if len(rows) * rows.shape[1] != len(value) * value.shape[1] and rows.shape[1] % value.shape[1] == 0:
        value = value.repeat_interleave(rows.shape[1] // value.shape[1], dim=1)  # grouped queries share values
    if rows[..., 0, 0].numel() != value[..., 0, 0].numel() or rows.shape[-1] != value.shape[-2]:
        return None
    if rows.shape[-2] < 2 or not bool(rows.sum().isfinite()):
        return None
    out = rows.flatten(0, 1) @ value.flatten(0, 1)
    size = frobenius(out)
    return frobenius(out - out.mean(dim=-2, keepdim=True)) / size if size > 0 else 0.0


def _written_value(site: AttentionSite) -> torch.Tensor | None:
    """The operand that the softmax weighs, shape (samples times heads, positions, features)."""
    op = site.value.op
    if op.kind == "Mul":
        return saved(op, "other" if site.value.slot else "self")
    first, second = ("self", "mat2") if op.kind == "Bmm" else ("batch1", "batch2")
    is_second = site.value.slot == (1 if op.kind == "Bmm" else 2)
    value = saved(op, second if is_second else first)
    return value if value is None or is_second else value.mT  # weights @ values, or values' @ weights'


def _heads(graph: Graph, site: AttentionSite, value: torch.Tensor) -> int:
    """How many heads the first dimension holds beside the samples: before they were split off, the last was wider."""
    width, op = value.shape[-1], site.value.op
    to = dict(op.edges).get(site.value.slot)
    while to is not None:
        op = graph.ops[to]
        if len(op.shape) > 2 and op.shape[-1] > width and op.shape[-1] % width == 0:
            return op.shape[-1] // width
        if len(op.shape) > 3 and width in (op.shape[-1], op.shape[-2]) and len(value) % op.shape[-3] == 0:
            return op.shape[-3]
        to = op.edges[0][1] if op.kind in ISOMETRIES | {"Expand", "Select"} and len(op.edges) == 1 else None
    return 1
