from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.records import HeadRecord, Measurement
from headwater.remedies import Training, remedy
from tests.builders import measurement
from tests.remedies.trainings import case, codes, diagnosed, executed, same_training, twins

REMEDY = remedy("match-shapes")
CASES = [
    "broadcast-mse-mlp",
    "broadcast-target-column",
    "broadcast-cnn",
    "broadcast-lstm-l1",
    "broadcast-logistic",
    "broadcast-gru-huber",
]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_broadcasting_is_no_longer_found_and_the_code_does_the_same(name: str) -> None:
    problem, broken = case(name)
    assert "HW604" in codes(broken.findings)
    written, _ = twins(problem.model)
    change = REMEDY.apply(broken)
    live, _ = twins(problem.model)
    assert same_training(live, executed(change, written), problem)
    assert "HW604" not in codes(diagnosed(problem))


def shaped(output: tuple[int, ...] | None, target: tuple[int, ...] | None) -> Training:
    found: Measurement = measurement(head=HeadRecord(output_shape=output, target_shape=target))
    model = nn.Identity()
    return Training(model, torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0), found, (), 1)


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ((6, 1), (6,)),
        ((6,), (6, 1)),
        ((6, 5, 1), (6, 5)),
        ((6, 1, 5), (6, 5)),
        ((6, 1, 1), (6,)),
        ((6, 5), (6, 1, 5)),
        ((6, 1, 5, 1), (6, 5, 1)),
        ((1, 1), (1,)),
    ],
)
def test_the_output_takes_the_targets_shape_at_any_length(output: tuple[int, ...], target: tuple[int, ...]) -> None:
    for longer in (0, 3):  # a batch of other extents has the same axes
        x = torch.randn([extent + longer if extent > 1 else extent for extent in output])
        expected = [extent + longer if extent > 1 else extent for extent in target]
        found = shaped(output, target)
        change = REMEDY.apply(found)
        assert list(found.model(x).shape) == expected
        assert list(executed(change, nn.Identity())(x).shape) == expected
        assert torch.equal(found.model(x).flatten(), x.flatten())


@pytest.mark.parametrize(
    ("output", "target", "why"),
    [
        ((6, 5), (6,), "more than axes"),
        ((6, 1), (6, 1), "the same shape"),
        (None, (6,), "not known"),
        ((6, 2, 5), (6, 5, 2), "more than axes"),
    ],
)
def test_other_shapes_are_left(output: tuple[int, ...] | None, target: tuple[int, ...], why: str) -> None:
    assert why in (REMEDY.refusal(shaped(output, target)) or "")
