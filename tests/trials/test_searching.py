"""What a diagnosis only noted, and whether the training shows its effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from headwater.errors import InputError
from headwater.records import Finding, TrialResult, Where
from headwater.trials import ObjectsWorkload, search
from headwater.trials.candidates import Proposal
from headwater.trials.engines import Inline
from headwater.trials.field import Field
from headwater.trials.searching import SoFar, _not_raced, _Runs
from headwater.trials.worker import packed
from headwater.trials.workload import Screening, Trial
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


def test_an_original_that_ends_with_an_error_ends_the_search() -> None:
    def full(_outputs: Tensor, _targets: Tensor) -> Tensor:
        raise OSError(28, "No space left on device")

    work = replace(workload(), loss_fn=full)
    with pytest.raises(InputError, match=r"after 0 of 16 steps, with seed 0\. .*No space left"):
        search(work, work.measurement, work.findings, steps=60, seeds=3, executor=Inline())


@dataclass
class Fragile:
    """Holds with its own weights and with those of the remedies only."""

    work: ObjectsWorkload

    def run(self, trial: Trial) -> TrialResult:
        result = self.work.run(trial)
        return replace(result, error="AssertionError: weights") if trial.control else result

    def screen(self, remedies: tuple[str, ...]) -> Screening:
        return self.work.screen(remedies)


def test_a_control_that_ends_with_an_error_proves_nothing_and_ends_no_search() -> None:
    work = workload()
    assert search(work, work.measurement, work.findings, steps=40, seeds=3, executor=Inline()).verdict == "fixed"
    record = search(Fragile(work), work.measurement, work.findings, steps=40, seeds=3, executor=Inline())
    assert record.verdict == "nothing helped"
    assert any(each.why.endswith("control ended with an error: AssertionError: weights") for each in record.candidates)
    assert record.control and all(each.error for each in record.control)
    assert record.original and not any(each.error for each in record.original)


def test_all_steps_are_counted_and_only_what_raced_stands_beside_them() -> None:
    taken = [0]

    def count(*_: Any) -> None:
        taken[0] += 1

    work = replace(workload(), loss_fn=squared_error, optimizer=partial(torch.optim.SGD, lr=1e-5))
    slow = replace(NOTED, severity="error")
    hook = register_optimizer_step_post_hook(count)
    try:
        record = search(work, work.measurement, [slow], steps=40, seeds=2, executor=Inline(), diagnosed=17)
    finally:
        hook.remove()
    assert any("range-test" in key for each in record.candidates for key in each.remedies)
    assert record.steps_spent - 17 == pytest.approx(
        taken[0], rel=0.01
    )  # the last loss of a range test leads no further
    raced = [each for each in record.candidates if each.trials]
    assert 0 < len(raced) < len(record.candidates)
    assert record.steps_exhaustive == (len(raced) + 1) * 40 * 2


def test_what_did_not_race_is_told_once_with_its_reason() -> None:
    racing, left, unseen, out = (
        Proposal((key,)) for key in ("momentum", "clip-gradient", "zero-bias", "residual:zero")
    )
    looked = {each: Screening(each.remedies, "passed") for each in (racing, left)}
    looked[out] = Screening(out.remedies, "screened out", "HW101 still stands")
    field = Field((racing,), (left,), (unseen,), looked)
    assert [(each.remedies, each.standing, each.why) for each in _not_raced(field, [racing])] == [
        (left.remedies, "not tried", "others are likelier to help"),
        (out.remedies, "screened out", "HW101 still stands"),
        (unseen.remedies, "not tried", "not looked at: enough others are likelier to help"),
    ]
    came_in = [racing, left, out, unseen]
    assert _not_raced(field, came_in) == []


def test_looks_are_counted_over_all_rounds_of_them() -> None:
    told: list[SoFar] = []
    run = _Runs(packed(workload()), Inline(), told.append, None)
    run.train([Trial((), 0, 16)])
    for key in ("match-shapes", "adaptive-optimizer:adam"):
        run.screen([Proposal((key,))])
    assert [(each.stage, each.done, each.total) for each in told] == [
        ("training", 1, 1),
        ("screening", 1, 1),
        ("screening", 2, 2),
    ]
