from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.records import GainParts, Profile, ProfilePoint
from headwater.rules.vanishing_gradient import check
from tests.rules.build import NAMES, chain, profile, units, with_layers, with_parameters, with_spreads, with_updates

FALLING = [10.0 ** (i - 11) for i in range(12)]


def test_strong_cause_with_stuck_layers_is_an_error_in_words_and_numbers():
    found = check(with_updates(chain(gain=0.14), FALLING))
    assert found is not None and found.severity == "error"
    assert "of the gradient that reaches fc12" in found.message.lower() and "arrives at fc1" in found.message
    assert "each layer keeps 14 %" in found.message
    assert "the weights keep 14 %" in found.cause
    assert found.evidence["attenuation"] == pytest.approx(0.14**11)
    assert found.where.module == "fc1" and found.where.line == 10
    assert found.remedies[0] == "init-matched"


def test_weak_cause_with_effect_is_a_warning():
    found = check(with_updates(chain(gain=0.7), FALLING))
    assert found is not None and found.severity == "warning"


def test_weak_cause_with_differences_that_fade_over_the_same_depth_is_a_warning():
    fading = with_spreads(chain(gain=0.7), [0.62 * 0.7**i for i in range(12)])
    found = check(fading)
    assert found is not None and found.severity == "warning" and found.evidence["spread left"] < 0.05
    assert check(with_spreads(chain(gain=0.7), [0.62 * 0.8**i for i in range(12)])) is None
    assert check(replace(fading, profile=replace(fading.profile, recurrent=True))) is None
    assert check(with_spreads(chain(depth=5, gain=0.4), [0.62 * 0.4**i for i in range(5)])) is None


def test_weak_cause_without_effect_is_silent():
    assert check(chain(gain=0.7)) is None


def test_strong_cause_alone_is_a_risk():
    found = check(chain(gain=0.3))
    assert found is not None and found.severity == "warning" and "risk" in found.message


def test_effect_without_cause_is_silent():
    assert check(with_updates(chain(gain=0.98), FALLING)) is None


def test_within_the_chance_of_narrow_layers_is_silent():
    measurement = with_updates(chain(gain=0.7), FALLING)
    assert check(replace(measurement, profile=replace(measurement.profile, noise=2.0))) is None


def test_two_points_are_no_chain():
    assert check(with_updates(chain(depth=2, gain=0.01), [1e-9, 1e-3])) is None


def test_epsilon_ruling_the_lower_third_is_an_effect():
    measurement = with_parameters(chain(gain=0.14), NAMES, epsilon_share=0.0)
    measurement = with_parameters(measurement, NAMES[:4], epsilon_share=0.9)
    slowed = check(with_updates(measurement, [3e-4] * 4 + [1e-3] * 8))
    assert slowed is not None and slowed.severity == "error" and slowed.evidence["epsilon share"] == 0.9
    level = check(measurement)
    assert level is not None and level.severity == "warning"


def test_adaptive_optimizer_that_moves_all_layers_is_a_risk_only():
    """Trap 6: Adam rescales each layer; a small share of the decrease of the loss alone is not firm."""
    measurement = with_parameters(chain(gain=0.3), NAMES, epsilon_share=0.0)
    layers = tuple(replace(layer, loss_share=10.0 ** (layer.depth - 12)) for layer in measurement.layers)
    found = check(replace(measurement, layers=layers))
    assert found is not None and found.severity == "warning" and "lower loss share" in found.evidence


def test_homogeneous_network_whose_updates_are_equal_is_found_by_the_signal():
    """Trap 14: without biases |dW| is the same in all layers although the signal is 5e-8; the spread tells."""
    found = check(with_spreads(chain(gain=0.41), [0.62 * 0.3**i for i in range(12)]))
    assert found is not None and found.severity == "error" and "spread left" in found.evidence


def test_updates_below_rounding_are_an_effect():
    """Trap 14 again: all layers move alike, by 1e-9."""
    found = check(with_updates(chain(gain=0.41), [1e-9] * 12))
    assert found is not None and found.severity == "error" and "lower update" in found.evidence


def test_a_rate_that_rounds_every_step_away_is_no_vanishing_gradient():
    assert check(with_updates(chain(gain=0.7), [1e-8] * 12)) is None


def test_a_chain_of_costly_places_states_no_typical_layer():
    points = [ProfilePoint(f"fc{i}", i + 1, signal) for i, signal in enumerate([1e-6, 0.9, 0.95, 1.0])]
    one_place = Profile(tuple(points), 1e-6, slope=0.05, gain=0.95, noise=0.1)
    assert one_place.per_layer is None
    assert chain(gain=0.41).profile.per_layer == pytest.approx(0.41)


def test_converged_network_is_silent():
    """Trap 10: all signals shrink together; the ratio between layers stays."""
    measurement = with_updates(chain(), [1e-10] * 12)
    signals = [1e-9] * 12
    assert check(replace(measurement, profile=profile(signals))) is None


def test_exact_zero_without_rounding_is_not_vanishing():
    """A cut gradient (one-unit softmax, dead units) is HW602, HW301 or HW603."""
    measurement = with_updates(chain(), [0.0] * 6 + [1e-3] * 6)
    assert check(replace(measurement, profile=profile([0.0] * 6 + [1.0] * 6))) is None


def test_underflow_counts_as_nothing_left():
    signals = [0.0] * 6 + [1e-8**i for i in range(5, -1, -1)]
    measurement = replace(chain(), profile=profile(signals, underflow_at="fc6"))
    measurement = with_updates(measurement, [0.0] * 6 + [1e-3] * 6)
    found = check(measurement)
    assert found is not None and found.severity == "error" and "From fc6 on" in found.message


def test_small_numbers_in_a_small_dtype_are_not_vanishing():
    """Trap 18: a float16 gradient can round to zero although the chain keeps it."""
    signals = [0.0] * 3 + [1e-7] * 9
    measurement = replace(chain(), profile=profile(signals, underflow_at="fc3"))
    assert check(with_updates(measurement, [0.0] * 3 + [1e-3] * 9)) is None


def test_frozen_layers_do_not_count_as_stuck():
    """Trap 5."""
    measurement = with_updates(chain(gain=0.7), [None] * 6 + [1e-3] * 6)
    assert check(measurement) is None


def test_zero_initialised_layers_do_not_count_as_stuck():
    """Traps 11 and 12: Fixup, ReZero, LoRA."""
    assert check(with_layers(with_updates(chain(gain=0.7), FALLING), zero_initialised=True)) is None


def test_embeddings_do_not_count_as_stuck():
    """Trap 4: most rows of a lookup table are not touched by a batch."""
    measurement = with_updates(chain(gain=0.7), [1e-7] * 3 + [1e-3] * 9)
    layers = tuple(replace(layer, kind="Embedding") if i < 3 else layer for i, layer in enumerate(measurement.layers))
    assert check(replace(measurement, layers=layers)) is None


def test_recurrent_trunk_without_effect_is_silent():
    """Trap 17 and its opposite: shorter paths can teach what the longest one loses."""
    measurement = chain(gain=0.3)
    assert check(replace(measurement, profile=replace(measurement.profile, recurrent=True))) is None


def test_branches_are_not_the_trunk():
    """Trap 9: layer scale leaves the branches a millionth, and the stream whole."""
    measurement = with_layers(chain(), branch=True, signal=1e-6, stream=1.0)
    assert check(measurement) is None


def test_bottleneck_is_named_when_it_has_an_effect_and_silent_without():
    signals = [1e-5] * 6 + [1.0] * 6
    measurement = replace(chain(), profile=profile(signals, slope=0.0, gain=1.0))
    assert check(measurement) is None
    found = check(with_updates(measurement, FALLING))
    assert found is not None and found.where.module == "fc7" and "fc7 alone lets" in found.message


def test_sigmoids_that_cost_most_are_answered_by_another_activation():
    measurement = with_layers(chain(gain=0.14), gain_parts=GainParts(0.24, 0.58, 1.0, 1.0))
    found = check(replace(with_updates(measurement, FALLING), units=(units(kind="sigmoid"),)))
    assert found is not None and found.remedies[0] == "activation-swap"
    assert "the activation keeps 24 % of the gradient, the weights 58 %" in found.cause


def test_adam_is_offered_only_where_it_has_helped():
    def offered(gain: float, kind: str) -> bool:
        measurement = with_updates(chain(gain=gain), FALLING)
        found = check(replace(measurement, optimizer=replace(measurement.optimizer, kind=kind)))
        return found is not None and "adaptive-optimizer" in found.remedies

    assert offered(0.4, "SGD")
    assert not offered(0.1, "SGD")
    assert not offered(0.4, "AdamW")


def test_a_long_flat_stream_with_drops_at_its_ends_does_not_vanish():
    """MobileBERT as shipped: a tenth at the embedding, the pooler and the classifier each, nothing in 24 layers."""
    points = [(1, 3.1e-4), (2, 3.4e-3), (14, 3.4e-3), (26, 3.4e-3), (39, 4.2e-2), (40, 3.5e-1)]
    made = profile([signal for _, signal in points])
    moved = tuple(replace(p, depth=depth) for p, (depth, _) in zip(made.points, points, strict=True))
    measurement = with_updates(chain(40), [1e-9] * 20 + [1e-3] * 20)
    assert check(replace(measurement, profile=replace(made, points=moved, slope=0.129, noise=0.8))) is None
