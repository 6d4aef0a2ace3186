from __future__ import annotations

from headwater.rules.symmetric_initialisation import check
from tests.rules.build import NAMES, chain, with_parameters


def test_identical_hidden_units_are_an_error():
    found = check(with_parameters(chain(), NAMES[:2], identical_units=True))
    assert found is not None and found.severity == "error" and found.where.parameters == ("fc1.weight", "fc2.weight")
    assert "constant" in found.cause


def test_all_zero_is_said_so():
    found = check(with_parameters(chain(), NAMES[:2], identical_units=True, norm=0.0))
    assert found is not None and "all zero" in found.cause


def test_the_last_layer_alone_is_silent():
    assert check(with_parameters(chain(), NAMES[-1:], identical_units=True)) is None


def test_frozen_layers_are_silent():
    assert check(with_parameters(chain(), NAMES[:2], identical_units=True, trainable=False)) is None


def test_units_that_parted_are_silent():
    """A last layer of zeros parts at the first step: after the probation its rows differ."""
    assert check(chain()) is None


def test_units_that_start_equal_are_a_warning_because_only_biases_part_them():
    found = check(with_parameters(chain(), NAMES[:2], equal_at_start=True))
    assert found is not None and found.severity == "warning" and "biases" in found.cause
    assert check(with_parameters(chain(), NAMES[-1:], equal_at_start=True)) is None
