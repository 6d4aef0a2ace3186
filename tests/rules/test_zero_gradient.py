from __future__ import annotations

from dataclasses import replace

from headwater.records import GainParts, StepRecord
from headwater.rules.zero_gradient import check
from tests.rules.build import NAMES, chain, weight, with_layers, with_parameters


def test_all_but_the_last_at_zero_is_an_error_and_names_the_factor():
    measurement = with_parameters(chain(), NAMES[:-1], gradient="zero")
    blocked = replace(measurement.layers[-1], gain=0.0, gain_parts=GainParts(0.0, 1.0, 1.0, 1.0))
    found = check(replace(measurement, layers=(*measurement.layers[:-1], blocked)))
    assert found is not None and found.severity == "error" and found.where.module == "fc12"
    assert "activation has no slope" in found.cause and found.remedies[0] == "leaky-activation"


def test_all_at_zero_is_an_error():
    found = check(with_parameters(chain(), NAMES, gradient="zero"))
    assert found is not None and found.severity == "error"


def test_a_part_at_zero_is_a_warning():
    found = check(with_parameters(chain(), NAMES[:3], gradient="zero"))
    assert found is not None and found.severity == "warning"


def test_bias_before_a_normalisation_is_silent():
    """Trap 2: its gradient is zero whatever happens."""
    bias = weight("fc1", name="fc1.bias", shape=(64,), gradient="zero")
    assert check(chain(parameters=(*chain().parameters, bias))) is None


def test_experts_without_tokens_are_silent():
    """Trap 19."""
    assert check(with_parameters(chain(), NAMES[:3], gradient="zero", called=False)) is None


def test_zero_initialised_branches_are_silent():
    """Trap 11."""
    measurement = with_parameters(chain(), NAMES[:3], gradient="zero")
    assert check(with_layers(measurement, zero_initialised=True)) is None


def test_lookup_tables_are_silent():
    """Trap 4."""
    assert check(with_layers(with_parameters(chain(), NAMES[:3], gradient="zero"), kind="Embedding")) is None


def test_gradient_lost_to_rounding_is_vanishing_and_not_this():
    assert check(with_layers(with_parameters(chain(), NAMES[:3], gradient="zero"), underflow=True)) is None


def test_satisfied_hinge_is_silent():
    """Trap 20: a loss of exactly zero asks for nothing."""
    measurement = with_parameters(chain(), NAMES, gradient="zero")
    assert check(replace(measurement, steps=tuple(StepRecord(i, 0.0) for i in range(8)))) is None


def test_no_gradient_at_all_is_another_rule():
    assert check(with_parameters(chain(), NAMES[:3], gradient="none")) is None
