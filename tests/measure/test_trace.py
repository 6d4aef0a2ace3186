"""The trace against autograd itself."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import headwater
from headwater.errors import LossError, NonFiniteLossError
from headwater.graph import owners
from headwater.records import Op, Trace
from tests.measure.networks import FAMILIES


def _mlp(depth: int, width: int, activation: type[nn.Module], dtype: torch.dtype = torch.float32) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 2)).to(dtype)


def _walked_ratio(trace: Trace, start: Op, end: Op) -> float:
    """Product of edge gains and of the sums at forks along one path; nothing but factors of the chain rule."""
    sums: dict[int, float] = {}
    product, op = 1.0, start
    while op.index != end.index:
        edge = max(op.edges, key=lambda e: _reaches(trace, e.to, end.index) * (1 + e.norm))
        below = trace.ops[edge.to]
        product *= edge.norm / op.norm_in
        sums[below.index] = below.norm_in / edge.norm
        product *= sums[below.index]
        op = below
    return product


def _reaches(trace: Trace, start: int, end: int) -> bool:
    frontier = {start}
    for index in range(start, end):
        if index in frontier:
            frontier |= {edge.to for edge in trace.ops[index].edges}
    return end in frontier


@pytest.mark.parametrize("family", FAMILIES)
def test_product_of_gains_is_the_ratio_of_end_to_end_gradient_norms(family: str) -> None:
    torch.manual_seed(0)
    model = FAMILIES[family]().double()
    outputs: dict[str, torch.Tensor] = {}
    for name in ("first", "last"):
        getattr(model, name).register_forward_hook(lambda _m, _i, out, name=name: outputs.__setitem__(name, out))
    with owners(model) as learned:
        loss = model(torch.randn(*model.inputs, dtype=torch.float64)).square().mean()
    gradients = torch.autograd.grad(loss, [outputs["first"], outputs["last"]], retain_graph=True)
    truth = gradients[0].norm() / gradients[1].norm()

    trace = headwater.trace(loss, model=model, owners=learned)
    start = next(op for op in trace.ops if "last.weight" in op.parameters)
    end = next(op for op in trace.ops if "first.weight" in op.parameters)
    assert end.norm_in / start.norm_in == pytest.approx(float(truth), rel=1e-10)
    assert _walked_ratio(trace, start, end) == pytest.approx(float(truth), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_a_plain_backward_to_the_last_bit(family: str) -> None:
    torch.manual_seed(0)
    model = FAMILIES[family]()
    twin = copy.deepcopy(model)
    x = torch.randn(*model.inputs)
    model(x).square().mean().backward()
    headwater.trace(twin(x).square().mean())
    for mine, theirs in zip(twin.parameters(), model.parameters(), strict=True):
        assert mine.grad is not None and theirs.grad is not None
        assert torch.equal(mine.grad, theirs.grad)


def test_both_sides_of_each_operation_against_retained_gradients() -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 4, requires_grad=True)
    w = nn.Parameter(torch.randn(5, 4))
    z = F.linear(x, w)
    h = torch.sigmoid(z)
    z.retain_grad()
    h.retain_grad()
    trace = headwater.trace(h.square().sum())
    sigmoid = next(op for op in trace.ops if op.kind == "Sigmoid")
    linear = next(op for op in trace.ops if op.kind == "Mm")
    assert z.grad is not None and h.grad is not None and x.grad is not None
    assert sigmoid.norm_in == pytest.approx(float(h.grad.norm()), rel=1e-6)
    assert sigmoid.norm_out == pytest.approx(float(z.grad.norm()), rel=1e-6)
    assert linear.norm_out == pytest.approx(float(x.grad.norm()), rel=1e-6)
    assert (sigmoid.role, linear.role, linear.shape, linear.numel) == ("activation", "weights", (7, 5), 35)


def test_a_fork_receives_the_sum() -> None:
    x = torch.randn(3, 4)
    h = F.linear(x, nn.Parameter(torch.randn(4, 4)))
    h.retain_grad()
    trace = headwater.trace((h.tanh() - h).sum())
    assert h.grad is not None
    fork = next(op for op in trace.ops if op.kind == "Mm")
    assert fork.norm_in == pytest.approx(float(h.grad.norm()), rel=1e-6)


@pytest.mark.parametrize("hook", [lambda gradient: gradient * 0.25, lambda gradient: gradient.mul_(0.25)])
def test_a_users_hook_between_two_operations_is_seen(hook: Callable[[torch.Tensor], torch.Tensor]) -> None:
    h = F.linear(torch.randn(3, 4), nn.Parameter(torch.randn(4, 4)))
    h.register_hook(hook)
    trace = headwater.trace(h.tanh().sum())
    tanh, linear = (next(op for op in trace.ops if op.kind == kind) for kind in ("Tanh", "Mm"))
    assert linear.norm_in == pytest.approx(0.25 * (tanh.norm_out or 0.0), rel=1e-6)


def test_fifty_sigmoid_layers_keep_their_gains_down_to_the_smallest_numbers() -> None:
    torch.manual_seed(0)
    trace = headwater.trace(_mlp(60, 64, nn.Sigmoid)(torch.randn(32, 64)).square().mean())
    linear = [op for op in trace.ops if op.kind == "Addmm"]
    reliable = [op for op in linear if not op.underflow]
    assert len(reliable) > 40  # 0.14^43 is 1e-37, where squares of float32 are long gone
    gains = [b.norm_in / a.norm_in for a, b in itertools.pairwise(reliable)]
    assert math.exp(sum(map(math.log, gains)) / len(gains)) == pytest.approx(0.1413, rel=0.03)
    assert trace.underflow_at is not None
    lost = trace.ops[trace.underflow_at]
    assert lost.norm_in == 0.0 and lost.gain is None
    assert all(op.gain is not None for op in reliable)


def test_half_precision_gradients_of_1e4_do_not_overflow() -> None:
    w = nn.Parameter(torch.ones(4, 4, dtype=torch.float16))
    h = F.linear(torch.ones(8, 4, dtype=torch.float16), w)
    trace = headwater.trace((h * 1e4).sum(dtype=torch.float32))
    op = next(op for op in trace.ops if op.kind == "Mm")
    assert op.norm_in == pytest.approx(1e4 * math.sqrt(32), rel=1e-3)
    assert op.dtype == "float16" and op.finite


def test_exact_zero_that_is_no_underflow() -> None:
    h = F.linear(torch.randn(3, 4), nn.Parameter(torch.randn(4, 4)))
    trace = headwater.trace((F.linear(h, nn.Parameter(torch.zeros(2, 4)))).square().sum() + h.detach().sum())
    assert trace.underflow_at is None


def test_infinite_gradients_are_marked() -> None:
    w = nn.Parameter(torch.zeros(4))
    h = w * torch.ones(3, 4)
    trace = headwater.trace(torch.sqrt(h).sum())
    assert not all(op.finite for op in trace.ops)


class _Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return 3 * x**2 * gradient


def test_custom_functions_and_activation_checkpointing() -> None:
    w = nn.Parameter(torch.randn(4, 4))
    trace = headwater.trace(_Cube.apply(F.linear(torch.randn(3, 4), w)).sum())
    assert [op.kind for op in trace.ops] == ["Sum", "_Cube", "Mm"]
    net = _mlp(4, 6, nn.Tanh)
    x = torch.randn(3, 6)
    plain = headwater.trace(net(x).sum())
    packed = headwater.trace(checkpoint(net, x, use_reentrant=False).sum())
    assert [(op.kind, op.norm_in) for op in packed.ops] == [(op.kind, pytest.approx(op.norm_in)) for op in plain.ops]


def test_no_hook_stays_behind() -> None:
    net = _mlp(2, 6, nn.Tanh)
    loss = net(torch.randn(3, 6)).sum()
    calls: list[int] = []
    node = loss.grad_fn
    headwater.trace(loss)
    assert node is not None and not calls and not net[0].weight._backward_hooks


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (torch.tensor(1.0), "no grad_fn"),
        (nn.Parameter(torch.ones(3)) * 2, "scalar loss"),
        (1.0, "scalar tensor"),
    ],
)
def test_losses_that_cannot_be_traced(loss: object, words: str) -> None:
    with pytest.raises(LossError, match=words):
        headwater.trace(loss)  # type: ignore[arg-type]


def test_a_loss_that_is_nan() -> None:
    with pytest.raises(NonFiniteLossError, match="nan"):
        headwater.trace(nn.Parameter(torch.ones(())) * math.nan)


def past_autograd(gradient: torch.Tensor) -> torch.Tensor:
    """Writes in place, as a kernel of a user's may."""
    gradient.data.mul_(0.25)
    return gradient


@torch.inference_mode()
def inferred(gradient: torch.Tensor) -> torch.Tensor:
    """Makes a tensor that counts no versions."""
    return gradient * 0.25


@pytest.mark.parametrize("quarter", [past_autograd, inferred])
def test_what_a_users_function_hands_on_is_what_reaches_the_next(
    quarter: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    class Quarter(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return quarter(gradient)

    h = F.linear(torch.randn(3, 4), torch.randn(4, 4, requires_grad=True))
    trace = headwater.trace((Quarter.apply(h).tanh() * torch.randn(3, 4)).sum())
    tanh, linear = (next(op for op in trace.ops if op.kind == kind) for kind in ("Tanh", "Mm"))
    assert linear.norm_in == pytest.approx(0.25 * (tanh.norm_out or 0.0), rel=1e-6)
