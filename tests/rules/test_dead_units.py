from __future__ import annotations

import pytest

from headwater.rules.dead_units import check
from tests.rules.build import chain, units


def test_a_dead_layer_is_an_error_with_its_bound():
    found = check(chain(units=(units(dead=100), units("fc3", dead=95))))
    assert found is not None and found.severity == "error"
    assert found.evidence["activity bound"] == pytest.approx(3 / 2048)
    assert "100 of 100 units after fc2" in found.message and "after fc3" in found.message
    assert found.where.names == ("fc2", "fc3")


def test_most_units_dead_is_a_warning():
    found = check(chain(units=(units(dead=60),)))
    assert found is not None and found.severity == "warning"


def test_a_third_dead_is_what_deep_relu_networks_have():
    assert check(chain(units=tuple(units(f"fc{i}", dead=30) for i in range(1, 12)))) is None


def test_rare_units_on_few_samples_are_not_called_dead():
    """Trap 13: one batch cannot tell a rare unit from a dead one."""
    found = check(chain(units=(units(dead=60, samples=512),)))
    assert found is not None and found.severity == "info"
    assert "2048 samples are needed" in found.cause
    assert check(chain(units=(units(dead=100, samples=32),))) is None


def test_nearly_all_dead_is_told_on_few_samples():
    found = check(chain(units=(units(dead=95, samples=64),)))
    assert found is not None and found.severity == "error"


@pytest.mark.parametrize("role", ["gate", "output"])
def test_gates_and_outputs_are_exempt(role: str):
    assert check(chain(units=(units(dead=100, role=role),))) is None


def test_sigmoids_that_round_to_their_limit_are_saturated_not_dead():
    assert check(chain(units=(units(kind="sigmoid", dead=100, saturated=100),))) is None


def test_sparse_activations_are_silent():
    """Half of the zeros of a ReLU are normal: no unit is off on every sample."""
    assert check(chain(units=(units(dead=0, mean_square_slope=0.5),))) is None
