from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.rules.saturated_units import check
from tests.rules.build import chain, units, with_layers, with_updates


def test_most_units_saturated_is_a_warning():
    found = check(chain(units=(units(kind="tanh", saturated=80, mean_square_slope=0.005),)))
    assert found is not None and found.severity == "warning"
    assert "80 of 100 units after fc2 (tanh)" in found.message


def test_layers_below_that_stand_still_make_it_an_error():
    measurement = chain(units=(units("fc6", kind="sigmoid", saturated=80),))
    found = check(with_updates(measurement, [1e-6] * 6 + [1e-3] * 6))
    assert found is not None and found.severity == "error"


@pytest.mark.parametrize("role", ["gate", "output"])
def test_gates_and_outputs_are_exempt(role: str):
    assert check(chain(units=(units(kind="sigmoid", saturated=100, role=role),))) is None


def test_a_sigmoid_at_rest_is_not_saturated():
    assert check(chain(units=(units(kind="sigmoid", saturated=0, mean_square_slope=0.98),))) is None


def test_half_of_the_units_is_not_most():
    assert check(chain(units=(units(kind="tanh", saturated=50),))) is None


def test_relu_does_not_saturate():
    assert check(chain(units=(units(kind="relu", saturated=100),))) is None


def test_in_a_loop_the_recurrent_weights_come_first():
    measurement = chain(units=(units("fc6", kind="tanh", saturated=80),))
    looped = with_layers(replace(measurement, profile=replace(measurement.profile, recurrent=True)), calls=8)
    found, once = check(looped), check(measurement)
    assert found is not None and found.remedies[0] == "orthogonal-recurrence"
    assert once is not None and "orthogonal-recurrence" not in once.remedies
