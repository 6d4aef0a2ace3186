from __future__ import annotations

import math
from typing import Any

import pytest

from headwater.records import Finding, InputRecord, StepRecord
from headwater.rules.unscaled_data import check
from tests.rules.build import chain, head


def reads(rms: float, low: float, high: float, *, normalised: bool = False, **changes: Any) -> Finding | None:
    return check(chain(inputs=(InputRecord("fc1", rms, 0.0, low, high, normalised),), **changes))


def compares(rms: float, *kinds: str, **changes: Any) -> Finding | None:
    return check(chain(head=head(*(kinds or ("MseLoss",)), target_rms=rms, target_shape=(32, 10), **changes)))


def test_pixels_as_bytes_are_a_warning():
    found = reads(130.0, 0.0, 255.0)
    assert found is not None and found.severity == "warning" and found.remedies == ("standardise-inputs",)
    assert found.where.module == "fc1" and "from 0 to 255" in found.message


@pytest.mark.parametrize("loss", [40.0, math.nan])
def test_a_loss_that_blows_up_makes_it_an_error(loss: float):
    steps = (StepRecord(0, 2.3), StepRecord(1, loss, "the loss" if math.isnan(loss) else None))
    found = reads(130.0, 0.0, 255.0, steps=steps)
    assert found is not None and found.severity == "error"


def test_values_scaled_twice_are_too_small():
    assert reads(7e-6, 0.0, 1.6e-5) is not None


def test_one_hot_inputs_of_a_large_vocabulary_are_silent():
    assert reads(0.0045, 0.0, 1.0) is None


def test_normalised_inputs_are_silent():
    assert reads(130.0, 0.0, 255.0, normalised=True) is None


@pytest.mark.parametrize("rms", [0.3, 1.0, 7.8])
def test_usual_inputs_are_silent(rms: float):
    assert reads(rms, -3.0, 16.0) is None


def test_targets_far_from_the_outputs_are_a_warning():
    found = compares(3e5)
    assert found is not None and found.severity == "warning" and found.remedies == ("standardise-targets",)


def test_targets_that_a_bias_reaches_are_silent():
    assert compares(15.0) is None


def test_targets_that_the_model_already_reaches_are_silent():
    """Trap 10: a trained network, or one that scales its output at the end."""
    assert compares(3e5, output_max=6e5) is None


def test_targets_that_only_a_blown_up_output_reaches_are_reported():
    blown = (StepRecord(0, 1e11), StepRecord(1, 3e32))
    outputs = head("MseLoss", target_rms=3e5, target_shape=(32, 10), output_max=3e16)
    found = check(chain(head=outputs, steps=blown))
    assert found is not None and found.severity == "error"


def test_class_numbers_made_one_hot_by_the_loss_have_no_scale():
    assert check(chain(head=head("MseLoss", target_rms=500.0, target_shape=(32,)))) is None


def test_counts_under_a_logarithmic_link_are_silent():
    assert compares(3e5, "Mean", "Sub", "Exp") is None


def test_class_numbers_are_no_targets_to_reach():
    assert compares(500.0, "NllLoss", "LogSoftmax") is None
