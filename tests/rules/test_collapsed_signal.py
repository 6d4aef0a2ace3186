from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headwater.records import GainParts
from headwater.rules.collapsed_signal import check
from tests.rules.build import chain, head, with_layers, with_spreads


def test_spread_at_rounding_is_an_error_that_names_the_first_layer_without():
    found = check(with_spreads(chain(), [0.62 * 0.25**i for i in range(12)]))
    assert found is not None and found.severity == "error"
    assert found.evidence["spread left"] == pytest.approx(0.25**11)
    assert found.where.module == "fc6"


def test_small_spread_is_a_warning():
    found = check(with_spreads(chain(), [0.6] * 10 + [5e-4, 3e-4]))
    assert found is not None and found.severity == "warning"


def test_a_collapse_at_the_last_layer_only_is_layer_scale_over_a_class_token():
    scaled = with_layers(chain(), gain_parts=GainParts(1.0, 0.6, 1.0, 1e-5))
    found = check(with_spreads(scaled, [0.6] * 11 + [3e-5]))
    assert found is not None and found.severity == "info"
    normalised = with_layers(chain(), gain_parts=GainParts(1.0, 0.6, 1e-5, 0.25))
    found = check(with_spreads(normalised, [0.6] * 11 + [3e-5]))
    assert found is not None and found.severity == "warning"
    assert found.remedies[0] == "normalise-elsewhere"


def test_he_initialised_relu_is_silent():
    assert check(with_spreads(chain(), [0.60 * 0.92**i for i in range(12)])) is None


def test_a_single_sample_has_no_spread():
    assert check(with_spreads(chain(batch_size=1), [0.6] * 11 + [0.0])) is None


def test_data_that_do_not_vary_are_not_a_collapse():
    assert check(with_spreads(chain(), [1e-6] * 11 + [1e-12])) is None


def test_a_branch_that_forgets_beside_one_that_does_not_is_silent():
    measurement = with_spreads(chain(), [0.6] * 12)
    beside = replace(measurement.spreads[-1], layer="other", spread=0.0)
    assert check(replace(measurement, spreads=(*measurement.spreads, beside))) is None


@pytest.mark.parametrize("spread", [math.nan, math.inf])
def test_numbers_that_overflowed_say_nothing(spread: float):
    assert check(with_spreads(chain(), [0.6] * 11 + [spread])) is None


def test_output_constant_but_for_rounding_is_an_error():
    constant = head("NllLoss", "LogSoftmax", output_spread=2.3e-8, output_max=0.16, output_min=-0.16)
    found = check(chain(head=constant))
    assert found is not None and found.severity == "error" and "same for every sample" in found.message


def test_zero_initialised_head_is_silent():
    """Traps 11 and 21: a last layer of zeros gives a constant output until its warm-up leaves rate zero."""
    zeros = head("NllLoss", "LogSoftmax", output_spread=0.0, output_max=0.0, output_min=0.0)
    assert check(with_layers(chain(head=zeros), zero_initialised=True, update_ratio=None)) is None
    assert check(with_layers(chain(depth=1, head=zeros), update_ratio=0.0)) is None


def test_output_constant_after_the_head_has_moved_is_an_error():
    zeros = head("BinaryCrossEntropyWithLogits", output_spread=0.0, output_max=0.0, output_min=0.0)
    assert check(with_layers(chain(head=zeros), zero_initialised=True)) is not None
