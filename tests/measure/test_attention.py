"""Attention as recorded against attention computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headwater.graph import owners, walk
from headwater.measure.attention import Attention
from headwater.measure.fit import outputs_fit
from headwater.measure.trace import backward, itemise, parameter_names
from headwater.records import AttentionRecord


class Attending(nn.Module):
    """Attention over inputs that are queries, keys and values in one tensor; keeps them."""

    def __init__(self, heads: int = 4, *, fused: bool, causal: bool = False, sharp: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project = nn.Linear(16, 48, bias=False)
        self.project.weight.data *= sharp
        self.heads, self.fused, self.causal = heads, fused, causal
        self.kept: tuple[Tensor, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.kept = self.project(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        for each in self.kept:
            each.retain_grad()
        if self.fused:
            return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.weights() @ v

    def weights(self) -> Tensor:
        q, k, _ = self.kept
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if self.causal:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -1e9)
        return scores.softmax(-1)


def record_of(model: nn.Module, x: Tensor) -> AttentionRecord:
    with owners(model) as learned:
        loss = model(x).square().sum()
    graph = walk(loss)
    attention = Attention(graph)
    norms = backward(loss, graph, lambda op, _: attention.observe(op))
    trace = itemise(graph, norms, float(loss.detach()), parameter_names(model), learned)
    (record,) = attention.records(trace, norms, {})
    return record


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("sharp", [0.5, 3.0, 30.0])
def test_rows_and_gradients_are_those_computed_by_hand(fused: bool, causal: bool, sharp: float) -> None:
    model = Attending(fused=fused, causal=causal, sharp=sharp)
    found = record_of(model, torch.randn(3, 7, 16))
    p = model.weights().detach().double()[..., 1 if causal else 0 :, :]
    entropy = -torch.xlogy(p, p).sum(-1)
    allowed = torch.arange(2, 8) if causal else torch.full((7,), 7)
    assert found.entropy == pytest.approx(float(entropy.mean()), rel=1e-4, abs=1e-6)
    assert found.relative_entropy == pytest.approx(float((entropy / allowed.log()).mean()), rel=1e-4, abs=1e-6)
    assert found.one_hot == pytest.approx(float((p.amax(-1) > 0.99).double().mean()), abs=1e-6)
    for norm, tensor in zip((found.query_gradient, found.key_gradient, found.value_gradient), model.kept, strict=True):
        assert tensor.grad is not None
        # written out, the scale stands between the product and its operands' softmax; the operands are the same
        assert norm == pytest.approx(float(tensor.grad.norm()), rel=1e-4)


def test_spread_of_the_values() -> None:
    model = Attending(fused=True)
    found = record_of(model, torch.randn(3, 7, 16))
    v = model.kept[2].detach()
    assert found.token_spread == pytest.approx(float((v - v.mean(-2, keepdim=True)).norm() / v.norm()), rel=1e-5)
    same = torch.randn(3, 1, 16).expand(3, 7, 16)
    assert record_of(model, same).token_spread == pytest.approx(0.0, abs=1e-6)


def test_a_single_key_says_nothing() -> None:
    found = record_of(Attending(fused=False), torch.randn(3, 1, 16))
    assert (found.entropy, found.one_hot, found.token_spread) == (None, None, None)


def test_grouped_queries_share_keys() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.kv = nn.Linear(16, 32), nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            q = self.q(x).unflatten(-1, (4, 8)).transpose(1, 2)
            k = self.kv(x).unflatten(-1, (2, 8)).transpose(1, 2)
            return F.scaled_dot_product_attention(q, k, k, enable_gqa=True)

    found = record_of(Grouped(), torch.randn(3, 7, 16))
    assert (found.queries, found.keys) == (7, 7)
    assert found.relative_entropy is not None and 0.5 < found.relative_entropy <= 1.0


def test_fit_is_one_by_chance_and_none_of_the_scale() -> None:
    torch.manual_seed(0)
    outputs, targets = torch.randn(512, 10), torch.randint(0, 10, (512,))
    assert outputs_fit(F.cross_entropy, outputs, targets) == pytest.approx(1.0, abs=0.1)
    learnt = 5.0 * F.one_hot(targets, 10).float()
    found = outputs_fit(F.cross_entropy, learnt, targets)
    assert found is not None and found < 0.05
    assert outputs_fit(lambda o, y: 1e6 * F.cross_entropy(o, y), learnt, targets) == pytest.approx(found)
    assert outputs_fit(None, outputs, targets) is None
    assert outputs_fit(F.cross_entropy, {"logits": outputs}, targets) is None
