from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headwater.records import HeadOp, HeadRecord, Severity
from headwater.rules.output_loss_mismatch import check
from tests.rules.build import NAMES, chain, head, units, with_parameters


def severity(record: HeadRecord) -> Severity | None:
    found = check(chain(head=record))
    return found.severity if found else None


def real(activation: str, low: float, high: float) -> HeadRecord:
    return head("MseLoss", activation, shape=(32, 1), target_shape=(32, 1), target_min=low, target_max=high)


def test_softmax_over_one_unit_is_an_error():
    one = head("BinaryCrossEntropy", "Softmax", shape=(32, 1), output_min=1.0, output_max=1.0)
    found = check(chain(head=one))
    assert found is not None and found.severity == "error" and found.where.line == 5


def test_cross_entropy_of_one_logit_is_told_by_its_zero_gradients():
    one = head("NllLoss", "LogSoftmax", shape=(32, 1))
    assert check(chain(head=one)) is None
    found = check(with_parameters(chain(head=one), NAMES, gradient="zero"))
    assert found is not None and found.severity == "error"


def test_nll_of_raw_outputs_is_an_error_and_of_probabilities_a_warning():
    assert severity(head("NllLoss")) == "error"
    assert severity(head("NllLoss", "Softmax", output_min=0.0, output_max=0.9)) == "warning"


def test_nll_of_logarithms_is_silent():
    assert severity(head("NllLoss", "LogSoftmax")) is None
    assert severity(head("NllLoss", "Log", "Add", "Softmax")) is None
    assert severity(head("NllLoss", "SomethingOfTheUsers", output_max=-0.1)) is None


def test_double_softmax_is_a_warning_with_the_least_loss():
    found = check(chain(head=head("NllLoss", "LogSoftmax", "View", "Softmax")))
    assert found is not None and found.severity == "warning" and found.remedies == ("remove-softmax",)
    assert found.evidence["least loss"] == pytest.approx(-math.log(math.e / (math.e + 9)))
    assert "1.46" in found.message


def test_sigmoid_before_its_own_loss_is_a_warning():
    assert severity(head("BinaryCrossEntropyWithLogits", "Sigmoid", shape=(32, 1))) == "warning"


def test_log_softmax_twice_is_harmless():
    assert severity(head("NllLoss", "LogSoftmax", "LogSoftmax")) is None


def test_softmax_of_another_branch_is_not_taken_for_the_logits():
    """Trap 20: an entropy bonus beside the loss; in the flat list its softmax stands next to the log-softmax."""
    beside = head("Add", "NllLoss", "LogSoftmax", "Softmax")
    ops = (replace(beside.ops[0], input_shapes=((), ())), *beside.ops[1:])
    assert severity(replace(beside, ops=ops)) is None
    confirmed = replace(beside, ops=ops, output_min=0.0, output_max=1.0)
    assert severity(confirmed) == "warning"


@pytest.mark.parametrize(
    ("activation", "low", "high", "expected"),
    [
        ("Sigmoid", 0.0, 1.0, None),
        ("Sigmoid", -4.0, 14.0, "error"),
        ("Sigmoid", 0.0, 1.1, "warning"),
        ("Sigmoid", 0.0, 1.02, None),
        ("Tanh", -1.0, 1.0, None),
        ("Tanh", 0.0, 255.0, "error"),
        ("Relu", 0.0, 300.0, None),
        ("Relu", -2.0, 2.0, "error"),
        ("Relu", -1.0, 9.0, "warning"),
        ("Softmax", 0.0, 1.0, None),
    ],
)
def test_targets_out_of_reach(activation: str, low: float, high: float, expected: Severity | None):
    assert severity(real(activation, low, high)) == expected


def test_class_numbers_made_one_hot_by_the_loss_have_no_range():
    brier = head(
        "MseLoss", "Softmax", output_min=0.0, output_max=1.0, target_shape=(32,), target_min=0.0, target_max=9.0
    )
    assert severity(brier) is None


def test_squared_error_by_hand_is_read_too():
    by_hand = real("Sigmoid", -4.0, 14.0)
    ops = tuple(
        HeadOp(kind, "other", (32, 1), ((32, 1),), constant_operand=kind == "Sub")
        for kind in ("Mean", "Pow", "Sub", "Sigmoid")
    )
    assert severity(replace(by_hand, ops=ops)) == "error"


def test_relu_before_cross_entropy_counts_only_with_dead_classes():
    measurement = chain(head=head("NllLoss", "LogSoftmax", "Relu", output_min=0.0))
    assert check(measurement) is None
    found = check(replace(measurement, units=(units(role="output", dead=2),)))
    assert found is not None and found.severity == "warning"


def test_usual_heads_are_silent():
    for kinds in (
        ("NllLoss", "LogSoftmax"),
        ("BinaryCrossEntropyWithLogits",),
        ("BinaryCrossEntropy", "Sigmoid"),
        ("MseLoss",),
        ("Mean", "ClampMin", "Rsub", "Mul"),
        (),
    ):
        assert severity(head(*kinds)) is None
