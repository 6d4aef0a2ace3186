from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.detection.cases import BY_NAME
from headwater import diagnose
from headwater.records import Finding, Where
from headwater.rules import judge
from headwater.trials.objects import SCREENING
from headwater.trials.screen import still
from tests.trials.small import workload


def test_a_fault_that_stands_is_out_and_one_that_is_gone_is_in():
    work = workload()
    assert [each.code for each in work.findings if each.severity == "error"] == ["HW604"]
    assert work.screen(()).standing == "screened out"
    assert work.screen(("match-shapes",)).standing == "passed"


def test_a_remedy_that_does_not_apply_says_why():
    work = workload()
    fitting = replace(work.measurement, head=replace(work.measurement.head, output_shape=(16,)))
    looked = replace(work, measurement=fitting).screen(("match-shapes",))
    assert (looked.standing, looked.changes) == ("refused", ())
    assert looked.why == "match-shapes: outputs and targets have the same shape [16]"


def test_where_nothing_could_put_a_candidate_out_its_steps_are_only_taken(monkeypatch: pytest.MonkeyPatch):
    rate = Finding("HW401", "rate-too-small", "error", Where(), "small", "small", {}, ())
    work = workload(findings=(rate,))
    monkeypatch.setattr("headwater.trials.screen.probation", None)
    looked = work.screen(("match-shapes",))
    assert (looked.standing, looked.spent) == ("passed", SCREENING) and looked.changes
    wide = replace(work, batches=[(torch.randn(16, 5), torch.randn(16))]).screen(("match-shapes",))
    assert wide.standing == "failed" and "shapes cannot be multiplied" in wide.why


@pytest.mark.parametrize(
    ("name", "mend", "useless"),
    [
        ("nll-on-raw-logits", "match-loss:log-softmax", "normalisation:layer"),
        ("double-softmax-mlp", "remove-softmax", "adaptive-optimizer:adam"),
        ("relu-on-regression-output", "remove-output-activation", "lower-rate:tenth"),
        ("targets-of-1e5", "standardise-targets", "raise-rate:tenfold"),
    ],
)
def test_under_a_loss_that_does_not_fit_nothing_races(name: str, mend: str, useless: str):
    problem = BY_NAME[name].build(0)
    report = diagnose(problem.model, problem.batches, problem.loss_fn, optimizer=problem.optimizer)
    work = workload(
        lambda: BY_NAME[name].build(0).model,
        batches=problem.batches,
        loss_fn=problem.loss_fn,
        optimizer=problem.optimizer,
        measurement=report.measurement,
        findings=report.findings,
    )
    assert work.screen((mend,)).standing == "passed"
    looked = work.screen((useless,))
    assert looked.standing == "screened out" and looked.why.startswith(f"{report.findings[0].code} still stands: ")


def test_inputs_in_large_units_are_no_fault_of_the_loss():
    inputs = Finding("HW605", "unscaled-data", "warning", Where(), "large inputs", "large", {"input rms": 130.0}, ())
    assert still((inputs,), (inputs,)) is None
    targets = replace(inputs, evidence={"target rms": 1e5})
    assert still((targets,), (targets,)) == targets
    assert still((replace(targets, under="HW101"),), (targets,)) is None
    assert still((targets,), (inputs,)) is None


def test_only_errors_that_were_there_before_count():
    findings = judge(workload().measurement)
    assert still(findings, findings) is not None
    assert still((), findings) is None
    assert still(findings, ()) is None
