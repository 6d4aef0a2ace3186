from __future__ import annotations

import math
from dataclasses import replace

from headwater.records import StepRecord
from headwater.rules.exploding_gradient import check
from tests.rules.build import chain, head, with_updates

BLOWS_UP = (StepRecord(0, 2.3), StepRecord(1, 400.0))


def test_growth_with_a_blown_up_loss_is_an_error():
    found = check(chain(gain=3.0, steps=BLOWS_UP))
    assert found is not None and found.severity == "error"
    assert "grows by 3 a layer" in found.message and "the weights multiply it by 3" in found.cause


def test_growth_alone_is_a_warning():
    found = check(chain(gain=3.0))
    assert found is not None and found.severity == "warning"


def test_steps_as_large_as_the_weights_are_an_effect():
    found = check(with_updates(chain(gain=3.0), [5.0] + [1e-3] * 11))
    assert found is not None and found.severity == "error" and found.evidence["update ratio"] == 5.0


def test_outputs_of_absurd_size_are_an_effect():
    found = check(chain(gain=3.0, head=head("NllLoss", "LogSoftmax", output_max=4.6e8)))
    assert found is not None and found.severity == "error"


def test_large_outputs_that_fit_large_targets_are_none():
    fits = head("MseLoss", shape=(32, 1), output_max=5e4, target_shape=(32, 1), target_rms=2e4)
    found = check(chain(gain=3.0, head=fits))
    assert found is not None and found.severity == "warning"


def test_infinite_growth_counts():
    measurement = chain(gain=3.0)
    assert check(replace(measurement, profile=replace(measurement.profile, attenuation=math.inf))) is not None


def test_batchnorm_chain_that_grows_harmlessly_is_silent():
    """Trap 3: 1.21 a layer, 1e3 and more in all, and it trains."""
    measurement = chain(depth=50, gain=1.2112)
    points = tuple(replace(p, normalised=True) for p in measurement.profile.points)
    measurement = replace(measurement, profile=replace(measurement.profile, points=points))
    assert check(measurement) is None
    torn = with_updates(measurement, [0.5] * 17 + [1e-3] * 33)
    assert check(torn) is not None


def test_selu_which_grows_by_itself_is_silent():
    assert check(chain(depth=50, gain=1.0352)) is None


def test_within_the_chance_of_narrow_layers_is_silent():
    measurement = chain(gain=2.0)
    assert check(replace(measurement, profile=replace(measurement.profile, noise=5.0))) is None


def test_recurrent_trunk_without_effect_is_silent():
    measurement = chain(gain=3.0)
    recurrent = replace(measurement.profile, recurrent=True)
    assert check(replace(measurement, profile=recurrent)) is None
    assert check(replace(measurement, profile=recurrent, steps=BLOWS_UP)) is not None


def test_unknown_attenuation_is_silent():
    measurement = chain(gain=3.0)
    assert check(replace(measurement, profile=replace(measurement.profile, attenuation=None))) is None
