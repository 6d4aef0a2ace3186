"""Attention found in graphs, however it is written; what only looks like it is left alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headwater.graph import attention_sites, joined_stream, users, walk

X = torch.randn(2, 5, 16)


class Written(nn.Module):
    def __init__(self, mix: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.project, self.mix = nn.Linear(16, 48), mix

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x).unflatten(-1, (3, 4, 4)).permute(2, 0, 3, 1, 4)
        return self.mix(q, k, v)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q @ k.mT / 2).masked_fill(torch.ones(5, 5).triu(1).bool(), -1e9)
    return F.dropout(scores.softmax(-1), 0.1) @ v


def einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.einsum("bhqk,bhkd->bhqd", torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1), v)


WAYS = {
    "fused": F.scaled_dot_product_attention,
    "fused causal": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "fused with mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.zeros(5, 5)),
    "decomposed": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=0.1),
    "written out": causal,
    "einsum": einsum,
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_writing_attention_is_found(way: str) -> None:
    (site,) = attention_sites(walk(Written(WAYS[way])(X).square().mean()))
    assert site.fused == way.startswith("fused")
    assert len({(site.query.op.index, site.query.slot), (site.key.op.index, site.key.slot)}) == 2


def test_a_module_of_the_library() -> None:
    for weights in (True, False):
        module = nn.MultiheadAttention(16, 4, batch_first=True)
        assert len(attention_sites(walk(module(X, X, X, need_weights=weights)[0].sum()))) == 1


def test_gates_and_mixture_weights_are_no_attention() -> None:
    gate, experts, head = nn.Linear(16, 3), nn.Linear(16, 48), nn.Linear(16, 4)
    mixed = (gate(X).softmax(-1)[..., None] * experts(X).unflatten(-1, (3, 16))).sum(-2)
    assert attention_sites(walk(F.cross_entropy(head(mixed).flatten(0, 1), torch.zeros(10).long()))) == ()


@pytest.mark.parametrize(("pre", "said"), [(False, True), (True, False)])
def test_where_the_normalisation_stands(pre: bool, said: bool) -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=pre)
    below = nn.Linear(16, 16)  # so that the stream carries a gradient
    graph = walk(layer(below(X)).square().mean())
    (site,) = attention_sites(graph)
    stream = joined_stream(users(graph), site)
    assert stream is not None and stream.normalised is said


def test_without_a_skip_there_is_no_stream() -> None:
    graph = walk(Written(causal)(X).square().mean())
    assert joined_stream(users(graph), attention_sites(graph)[0]) is None
