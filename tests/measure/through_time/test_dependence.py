from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headwater.measure.through_time.dependence import Sequences, dependence, sequences


def _data(kind: str, seed: int, amount: int = 200, steps: int = 40) -> tuple[Tensor, Tensor]:
    order = torch.Generator().manual_seed(seed)
    x = torch.randn(amount, steps, 2, generator=order)
    if kind == "noise":
        return x, torch.randn(amount, generator=order)
    if kind == "near":
        return x, x[:, -3:].sum((1, 2))
    if kind == "far":
        return x, x[:, 2].sum(1)
    if kind == "token":
        tokens = torch.randint(0, 3, (amount, steps), generator=order)
        return tokens, tokens[:, 0]
    values, marks = torch.rand(amount, steps, generator=order), torch.zeros(amount, steps)
    place = torch.randint(0, steps // 2, (amount,), generator=order)
    marks[torch.arange(amount), place] = 1.0
    return torch.stack([values, marks], 2), values[torch.arange(amount), place]


def _asked(x: Tensor, y: Tensor, reach: int = 10) -> tuple[float, float, float]:
    data = sequences([(x[i : i + 50], y[i : i + 50]) for i in range(0, len(x), 50)], x.shape[1])
    assert data is not None
    found = dependence(data, reach)
    assert found is not None and found.reach == reach
    return found.near, found.far, found.certainty


@pytest.mark.parametrize("kind", ["far", "token", "marked"])
def test_what_lies_far_back_is_found(kind: str) -> None:
    near, far, certainty = _asked(*_data(kind, 0))
    assert near < 0.05 and far > 0.3 and certainty > 4


def test_what_lies_near_needs_nothing_else() -> None:
    near, far, certainty = _asked(*_data("near", 0))
    assert near > 0.95 and far < 0.01 and certainty < 4


def test_independent_targets_never_look_dependent() -> None:
    certainties = [_asked(*_data("noise", seed, amount=150))[2] for seed in range(20)]
    assert max(certainties) < 3


def test_leave_one_out_errors_are_those_of_fits_without_the_sample() -> None:
    """The closed form against a loop over samples, at the penalty and kernel that it chose."""
    order = torch.Generator().manual_seed(1)
    x = torch.randn(80, 6, 1, generator=order, dtype=torch.float64)
    y = x[:, 0] + 0.1 * torch.randn(80, 1, generator=order, dtype=torch.float64)
    found = dependence(Sequences(x, y), 2)
    assert found is not None
    errors = []
    for i in range(80):
        rest = torch.arange(80) != i
        features = x[:, :, 0] - x[rest, :, 0].mean(0)
        gram = features[rest].t() @ features[rest] + 0.08 * torch.eye(6, dtype=torch.float64)
        weights = torch.linalg.solve(gram, features[rest].t() @ (y[rest] - y[rest].mean()))
        errors.append(float((y[i] - y[rest].mean() - features[i] @ weights).square().sum()))
    explained = 1 - sum(errors) / float((y - y.mean()).square().sum() * (80 / 79) ** 2)
    assert found.near + found.far == pytest.approx(explained, abs=0.01)


def test_repeated_batches_count_once() -> None:
    x, y = _data("noise", 0, amount=70)
    data = sequences([(x, y)] * 4, 40)
    assert data is not None and len(data.x) == 70


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.randn(70, 20, 2), torch.randn(70)),  # another length
        (torch.randn(70, 40, 2), torch.randn(70, 40, 2)),  # a target for each step
        (torch.randn(70, 40, 2), torch.randint(0, 9, (70, 40))),  # classes for each step
        (torch.randn(20, 40, 2), torch.randn(20)),  # too few
    ],
)
def test_what_cannot_be_asked_is_not_asked(x: Tensor, y: Tensor) -> None:
    assert sequences([(x, y)], 40) is None


def test_other_forms_of_batches_are_left_alone() -> None:
    assert sequences([{"x": torch.randn(70, 40)}], 40) is None
    assert sequences([torch.randn(70, 40)], 40) is None


def test_time_may_come_first() -> None:
    x, y = _data("far", 0)
    data = sequences([(x.transpose(0, 1), y)], 40)
    assert data is not None
    torch.testing.assert_close(data.x, x.double())
