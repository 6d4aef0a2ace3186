from __future__ import annotations

from dataclasses import replace

from headwater.rules import judge
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


def test_only_errors_that_were_there_before_count():
    findings = judge(workload().measurement)
    assert still(findings, findings) is not None
    assert still((), findings) is None
    assert still(findings, ()) is None
