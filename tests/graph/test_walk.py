"""Signal edges and parameter edges, told apart for every way in which a weight meets data."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from headwater.graph import GraphOp, walk


def _op(loss: torch.Tensor, kind: str) -> GraphOp:
    """The operation of this kind nearest the loss."""
    return next(op for op in walk(loss).ops if op.kind == kind)


def _signal_kinds(loss: torch.Tensor, kind: str) -> list[str]:
    graph = walk(loss)
    op = next(op for op in graph.ops if op.kind == kind)
    return sorted(graph.ops[to].kind for _, to in op.edges)


W, V, B = (nn.Parameter(torch.randn(4, 4)) for _ in range(3))
G = nn.Parameter(torch.randn(4))
X = torch.randn(8, 4)


def _hidden() -> torch.Tensor:
    """A signal that comes from data through one weight."""
    return torch.tanh(F.linear(X, W, G))


@pytest.mark.parametrize(
    ("build", "kind", "parameters"),
    [
        (lambda h: F.linear(h, V, G), "Addmm", 2),
        (lambda h: F.linear(h, V), "Mm", 1),
        (lambda h: h @ V, "Mm", 1),
        (lambda h: F.layer_norm(h, (4,), G, G), "NativeLayerNorm", 1),
        (lambda h: F.batch_norm(h, None, None, G, G, training=True), "NativeBatchNorm", 1),
        (lambda h: h * G, "Mul", 1),
        (lambda h: h + G, "Add", 1),
        (lambda h: torch.einsum("bi,oi->bo", h, V), "Bmm", 1),
        (lambda h: torch.baddbmm(B.view(1, 4, 4), h.view(2, 4, 4), V.expand(2, 4, 4)), "Baddbmm", 2),
        (lambda h: F.conv1d(h.view(2, 4, 4), V.unsqueeze(-1)), "Convolution", 1),
        (lambda h: F.linear(h, V * torch.ones(4, 4)), "Mm", 1),
        (lambda h: F.linear(h, V + 0.5 * (B @ V)), "Mm", 2),
        (lambda h: F.linear(h, (V - V.mean()) / V.std()), "Mm", 1),
    ],
)
def test_one_signal_edge_and_the_rest_are_parameters(
    build: Callable[[torch.Tensor], torch.Tensor], kind: str, parameters: int
) -> None:
    op = _op(build(_hidden()).sum(), kind)
    assert len(op.edges) == 1
    assert len(op.parameters) == parameters


def test_attention_has_three_signal_edges() -> None:
    h = _hidden().view(1, 1, 8, 4)
    out = F.scaled_dot_product_attention(h, h + 1, h * 2)
    kind = next(op.kind for op in walk(out.sum()).ops if "Attention" in op.kind)
    assert len(_signal_kinds(out.sum(), kind)) == 3


def test_product_of_two_signals_has_two_edges() -> None:
    h = _hidden()
    assert len(_op((h @ h.T).sum(), "Mm").edges) == 2
    assert len(_op((h.sigmoid() * h.tanh()).sum(), "Mul").edges) == 2


def test_first_layer_has_no_signal_edge_because_its_input_is_data() -> None:
    loss = F.linear(X, W, G).sum()
    op = _op(loss, "Addmm")
    assert op.edges == []
    assert op.outside == (1,)


def test_an_input_that_asks_for_a_gradient_is_signal() -> None:
    x = X.clone().requires_grad_()
    assert _signal_kinds(F.linear(x, W, G).sum(), "Addmm") == ["Input"]


def test_purely_functional_weights_are_parameters() -> None:
    w, v = torch.randn(4, 4, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    loss = (torch.tanh(X @ w) @ v).sum()
    graph = walk(loss)
    products = [op for op in graph.ops if op.kind == "Mm"]
    assert [len(op.edges) for op in products] == [1, 0]
    assert [len(op.parameters) for op in products] == [1, 1]


def test_a_weight_used_twice_keeps_both_uses() -> None:
    h = _hidden()
    uses = [
        op for op in walk(F.linear(torch.tanh(F.linear(h, V)), V).sum()).ops if op.parameters and op.parameters[0] is V
    ]
    assert len(uses) == 2


@pytest.mark.parametrize(
    "norm", [parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal]
)
def test_parametrised_weights_are_no_signal(norm: Callable[[nn.Module], nn.Module]) -> None:
    layer = norm(nn.Linear(4, 4))
    op = _op(layer(_hidden()).sum(), "Addmm")
    assert len(op.edges) == 1
    assert len(op.parameters) >= 2


def test_standardised_convolution_weights_are_no_signal() -> None:
    weight = nn.Parameter(torch.randn(4, 4, 3))
    standardised = F.batch_norm(weight.reshape(1, 4, -1), None, None, training=True).reshape_as(weight)
    op = _op(F.conv1d(_hidden().view(2, 4, 4), standardised, padding=1).sum(), "Convolution")
    assert len(op.edges) == 1


def test_learned_tokens_join_the_signal_without_being_it() -> None:
    token, h = nn.Parameter(torch.zeros(1, 1, 4)), _hidden().view(2, 4, 4)
    op = _op(torch.cat([token.expand(2, 1, 4), h], dim=1).sum(), "Cat")
    assert len(op.edges) == 1
    assert [id(p) for p in op.parameters] == [id(token)]


def test_weight_decay_in_the_loss_is_no_signal() -> None:
    loss = _hidden().square().mean() + 1e-3 * (W.square().sum() + V.square().sum())
    assert len(_op(loss, "Add").edges) == 1


def test_edges_lead_backward_in_order() -> None:
    h = _hidden()
    graph = walk((h + torch.tanh(h) * h.relu()).sum())
    assert all(to > op.index for op in graph.ops for _, to in op.edges)
    assert graph.ops[0].kind == "Sum"


def test_a_graph_deeper_than_the_recursion_limit() -> None:
    h = _hidden()
    for _ in range(3000):
        h = h + 1.0
    assert len(walk(h.sum()).ops) == 3003
