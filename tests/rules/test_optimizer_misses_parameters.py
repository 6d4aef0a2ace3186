from __future__ import annotations

from dataclasses import replace

from headwater.rules.optimizer_misses_parameters import check
from tests.rules.build import NAMES, chain, with_parameters


def test_most_numbers_missed_is_an_error():
    found = check(with_parameters(chain(), NAMES[:8], in_optimizer=False))
    assert found is not None and found.severity == "error" and "67 %" in found.message


def test_a_replaced_head_is_a_warning_with_its_evidence():
    measurement = with_parameters(chain(), NAMES[-1:], in_optimizer=False)
    found = check(replace(measurement, optimizer=replace(measurement.optimizer, foreign=2)))
    assert found is not None and found.severity == "warning"
    assert found.evidence["foreign"] == 2 and "perhaps it was made before these layers were replaced" in found.cause


def test_an_optimizer_over_other_parameters_altogether_is_said_to_be_so():
    measurement = with_parameters(chain(), NAMES, in_optimizer=False)
    found = check(replace(measurement, optimizer=replace(measurement.optimizer, foreign=1)))
    assert found is not None and "1 parameter, and none of them is the model's" in found.cause


def test_frozen_parameters_are_silent():
    """Trap 5."""
    assert check(with_parameters(chain(), NAMES[:8], in_optimizer=False, trainable=False)) is None


def test_layers_in_a_python_list_are_found_by_their_missing_names():
    measurement = chain()
    lost = tuple(replace(layer, name=f"Addmm {layer.depth} [64, 64]") for layer in measurement.layers[:9])
    measurement = replace(measurement, layers=(*lost, *measurement.layers[9:]))
    found = check(measurement)
    assert found is not None and found.severity == "error" and "9 of 12 layers" in found.message
    assert check(replace(measurement, optimizer=replace(measurement.optimizer, foreign=9))) is None


def test_all_held_is_silent():
    assert check(chain()) is None
