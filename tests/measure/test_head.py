"""What stands between the last layer and the loss: operations and who ran them, outputs and targets in numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import headwater
from headwater.records import HeadRecord, SourceLine
from headwater.source import recording


class Scorer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.softmax = nn.Linear(4, 3), nn.Softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        return self.softmax(self.layer(x)).sqrt()


def head_of(model: nn.Module, x: Tensor, y: Tensor) -> HeadRecord:
    return headwater.diagnose(model, [(x, y)], F.mse_loss, steps=1).measurement.head


def test_operations_name_the_module_that_ran_them_and_where_it_was_built() -> None:
    with recording():
        model = nn.Sequential(Scorer())
    head = head_of(model, torch.randn(8, 4), torch.rand(8, 3))
    assert [(op.kind, op.module) for op in head.ops] == [("MseLoss", ""), ("Sqrt", "0"), ("Softmax", "0.softmax")]
    lines, first = inspect.getsourcelines(Scorer)
    here = next(first + i for i, line in enumerate(lines) if "nn.Softmax" in line)
    assert [op.built for op in head.ops] == [None, None, SourceLine(__file__, here)]


def test_targets_in_numbers() -> None:
    y = torch.tensor([[1.0], [2.0], [6.0], [7.0]])
    head = head_of(nn.Linear(4, 1), torch.randn(4, 4), y)
    assert (head.target_mean, head.target_min, head.target_max) == (4.0, 1.0, 7.0)
    assert head.target_std == pytest.approx((26 / 3) ** 0.5)  # deviations 3, 2, 2, 3; n - 1 of 3
    assert head.target_rms == pytest.approx(22.5**0.5)


@pytest.mark.parametrize(
    "loss", [F.mse_loss, lambda out, y: (out - y).square().mean(), lambda out, y: (y - out).abs().sum()]
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_targets_that_nobody_has_shown_are_told_by_a_table_of_outputs(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    model, x = nn.Linear(4, 1), torch.randn(8, 4)
    assert watched(model, lambda: loss(model(x), torch.randn(8))).target_shape == (8,)
    fitting = watched(model, lambda: loss(model(x), torch.randn(8, 1))).target_shape
    assert fitting == ((8, 1) if loss is F.mse_loss else None)  # a loss of PyTorch's shows what it compares
    assert watched(model, lambda: (model(x) - model(x).T).square().mean()).target_shape is None  # pairs of outputs


def watched(model: nn.Module, loss: Callable[[], Tensor]) -> HeadRecord:
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    with headwater.watch(model, optimizer, budget=math.inf) as watch:
        for _ in range(5):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    return watch.report().measurement.head
