"""What a diagnosis only noted, and whether the training shows its effect."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from headwater.records import Finding, Where
from headwater.trials import search
from headwater.trials.engines import Inline
from tests.trials.small import regression, workload

NOTED = Finding("HW103", "collapsed-signal", "info", Where(), "It was noted.", "", remedies=("raise-rate",))


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs.squeeze(1) - targets) ** 2).mean()


def searched(rate: float, finding: Finding = NOTED) -> Any:
    make: Any = partial(torch.optim.Adam, lr=rate)
    work = replace(
        workload(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))),
        loss_fn=squared_error,
        optimizer=make,
        validation=regression(12)[8:],
    )
    return search(work, work.measurement, [finding], steps=60, seeds=3, executor=Inline())


def test_what_was_noted_is_tried_where_the_loss_does_not_fall() -> None:
    record = searched(1e-9)
    assert record.verdict == "fixed" and record.best is not None
    assert record.best.remedies[0].startswith("raise-rate")
    (found,) = record.findings
    assert found.severity == "error"
    assert found.message == "It was noted. In 60 steps of training the loss does not fall."


def test_what_was_noted_of_a_network_that_learns_stays_a_note() -> None:
    record = searched(0.02)
    assert record.verdict == "healthy" and record.findings == (NOTED,) and not record.candidates
    assert record.steps_spent == 60 and [each.seed for each in record.original] == [0]


def test_a_training_that_goes_astray_is_told_as_that() -> None:
    record = searched(1e25)
    assert record.findings[0].message.endswith("the loss leaves the finite numbers.")


def test_a_network_that_follows_its_targets_learns_nothing_more_and_is_well() -> None:
    work = workload()
    fits = replace(work.measurement, head=replace(work.measurement.head, fit=0.1))
    record = search(work, fits, [NOTED], steps=60, seeds=3, executor=Inline())
    assert record.verdict == "healthy" and record.steps_spent == 0


def test_a_note_that_names_no_remedy_costs_no_training() -> None:
    record = searched(1e-9, replace(NOTED, remedies=()))
    assert record.verdict == "healthy" and record.steps_spent == 0
