"""The arm that stands still: what it says of knowing nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.measure.learning_rate.arms import Course, stand_still
from headwater.measure.objective import LossFunction, Objective, Step

CLASSES = 10


def stands(model: nn.Module, batch: Any, loss_fn: LossFunction | None, step: Step | None = None) -> float:
    course = Course(lambda: (model, torch.optim.SGD(model.parameters(), 0.1)), Objective(loss_fn, step), [batch], 12)
    other = stand_still(course).other
    assert other is not None
    return other


def named() -> tuple[Tensor, Tensor]:
    """Inputs that name their class; of each class there are as many."""
    labels = torch.randperm(20 * CLASSES, generator=torch.Generator().manual_seed(0)) % CLASSES
    return F.one_hot(labels, CLASSES).float(), labels


def sure(scale: float) -> nn.Linear:
    """A classifier that answers with the class that the input names, so surely as is said."""
    model = nn.Linear(CLASSES, CLASSES, bias=False)
    with torch.no_grad():
        model.weight.copy_(scale * torch.eye(CLASSES))
    return model


@pytest.mark.parametrize("scale", [0.0, 5.0, 50.0])
def test_who_is_sure_loses_no_more_by_knowing_nothing(scale: float) -> None:
    batch = named()
    assert stands(sure(scale), batch, F.cross_entropy) == pytest.approx(math.log(CLASSES), rel=1e-4)


def test_of_numbers_it_is_their_variance() -> None:
    values = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(1.0), model.bias.zero_()
    assert stands(model, (values, values), F.mse_loss) == pytest.approx(float(values.var()), rel=0.01)


def refuses_constants(outputs: Tensor, targets: Tensor) -> Tensor:
    if outputs.stride(0) == 0:
        raise RuntimeError("expects outputs of a network")
    return F.cross_entropy(outputs, targets)


@pytest.mark.parametrize("own", [{"loss_fn": refuses_constants}, {
    "loss_fn": None, "step": lambda model, batch: F.cross_entropy(model(batch[0]), batch[1])}
], ids=["loss function", "step"])  # fmt: skip
def test_where_a_constant_answer_has_no_loss_that_with_other_targets_stays(own: dict[str, Any]) -> None:
    batch = named()
    own = {"step": None} | own
    assert stands(sure(50.0), batch, own["loss_fn"], own["step"]) == pytest.approx(50.0, rel=0.2)
