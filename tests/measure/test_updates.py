"""What the optimizer did, against the arithmetic of the optimizer done by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.measure.updates import Updates, default_norm, identical_units


def _step(optimizer: torch.optim.Optimizer, updates: Updates, parameter: nn.Parameter, gradient: torch.Tensor) -> None:
    parameter.grad = gradient.clone()
    updates.before_step()
    optimizer.step()
    updates.after_step()


def test_ratio_of_plain_gradient_descent_without_its_decay() -> None:
    w, g = nn.Parameter(torch.randn(5, 4)), torch.randn(5, 4)
    before = w.detach().clone()
    optimizer = torch.optim.SGD([w], lr=0.1, weight_decay=0.5)
    updates = Updates({"w": w}, optimizer)
    _step(optimizer, updates, w, g)
    scale = max(float(before.norm()), default_norm(w))
    assert updates.ratio("w", 1) == pytest.approx(0.1 * float(g.norm()) / scale, rel=1e-4)


def test_ratio_of_adamw_without_its_decay() -> None:
    w = nn.Parameter(torch.randn(5, 4))
    before = w.detach().clone()
    optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    updates = Updates({"w": w}, optimizer)
    _step(optimizer, updates, w, torch.ones(5, 4))
    assert updates.ratio("w", 1) == pytest.approx(0.1 * 20**0.5 / float(before.norm()), rel=1e-3)


def test_zero_weights_are_measured_against_the_default_initialisation() -> None:
    w = nn.Parameter(torch.zeros(5, 4))
    torch.manual_seed(0)
    drawn = torch.stack([nn.Linear(4, 5).weight.detach().norm() for _ in range(500)]).square().mean().sqrt()
    assert default_norm(w) == pytest.approx(float(drawn), rel=0.05)
    optimizer = torch.optim.SGD([w], lr=0.1)
    updates = Updates({"w": w}, optimizer)
    _step(optimizer, updates, w, torch.ones(5, 4))
    assert updates.ratio("w", 1) == pytest.approx(0.1 * 20**0.5 / default_norm(w))


def test_decrease_is_the_fresh_gradient_along_the_change() -> None:
    w = nn.Parameter(torch.randn(5, 4))
    optimizer = torch.optim.SGD([w], lr=0.1)
    updates = Updates({"w": w}, optimizer)
    first, fresh = torch.randn(5, 4), torch.randn(5, 4)
    _step(optimizer, updates, w, first)
    _step(optimizer, updates, w, fresh)
    assert updates.decrease("w", 1) == pytest.approx(0.1 * float((first * fresh).sum()), rel=1e-4)


@pytest.mark.parametrize("most", [None, 8])
def test_a_sparse_gradient_counts_as_the_dense_one_would(most: int | None) -> None:
    found: list[tuple[float | None, ...]] = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(9, 5, sparse=sparse)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
        updates = Updates(dict(table.named_parameters()), optimizer, most=most)
        for tokens in ([1, 3, 3, 7], [3, 8, 1, 1]):
            optimizer.zero_grad()
            table(torch.tensor(tokens)).square().sum().backward()
            updates.before_step()
            optimizer.step()
            updates.after_step()
        found.append((*updates.descent(), updates.decrease("weight", 1), updates.ratio("weight", 1)))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert all(found[0])


def test_kinds_of_gradient() -> None:
    none, zero, some, frozen = (nn.Parameter(torch.ones(2, 2)) for _ in range(4))
    frozen.requires_grad_(False)
    optimizer = torch.optim.SGD([none, zero, some], lr=0.1)
    updates = Updates({"none": none, "zero": zero, "some": some, "frozen": frozen}, optimizer)
    zero.grad, some.grad = torch.zeros(2, 2), torch.ones(2, 2)
    updates.before_step()
    optimizer.step()
    updates.after_step()
    assert [updates.gradient(n) for n in ("none", "zero", "some", "frozen")] == ["none", "zero", "nonzero", "none"]
    assert updates.ratio("frozen", 1) is None


def test_a_rate_of_zero_is_no_update_of_zero() -> None:
    w = nn.Parameter(torch.ones(2, 2))
    optimizer = torch.optim.SGD([w], lr=0.0)
    updates = Updates({"w": w}, optimizer)
    _step(optimizer, updates, w, torch.ones(2, 2))
    assert updates.ratio("w", 1) is None


@pytest.mark.parametrize(("scale", "share"), [(1e-9, 1.0), (1e-3, 0.0)])
def test_share_of_elements_that_adams_epsilon_rules(scale: float, share: float) -> None:
    w = nn.Parameter(torch.ones(4, 4))
    optimizer = torch.optim.Adam([w], lr=1e-3)
    updates = Updates({"w": w}, optimizer)
    _step(optimizer, updates, w, scale * torch.ones(4, 4))
    assert updates.epsilon_share("w") == share


def test_identical_units() -> None:
    constant, random = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.randn(3, 4))
    constant.grad, random.grad = torch.full((3, 4), 0.5), torch.full((3, 4), 0.5)
    assert identical_units(constant)
    assert not identical_units(random)
    constant.grad = torch.randn(3, 4)  # a head that starts at zero differs after one step
    assert not identical_units(constant)
