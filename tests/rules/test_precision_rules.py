"""HW501 to HW505 on hand-built measurements: when each speaks, and each way in which it might speak wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headwater.records import ClipRecord, Measurement, NumbersRecord, OptimizerRecord, PrecisionRecord
from headwater.rules import always_clipped, decay_dominated, epsilon_dominated, gradient_underflow, lost_updates
from headwater.rules.judge import judge
from tests.rules.build import DEPTH, NAMES, chain, with_layers, with_parameters

BF16 = {"dtype": "bfloat16", "intended_ratio": 1e-3}
LOST = {**BF16, "captured": 0.3}
UNDERFLOWN = {"gradient_lost": 0.9, "gradient_captured": 0.1}
RULED = {"epsilon_share": 1.0, "step_kept": 0.01}
EATEN = {"decay_to_gradient": 100.0, "toward_zero": 0.87, "shrink": 0.01}


def weighed(affected: int, changes: dict[str, Any], others: dict[str, Any] | None = None, **record: Any) -> Measurement:
    """A chain, of the weights of which the first few were measured so, and the others else."""
    weights = tuple(
        NumbersRecord(
            f"{name}.weight", **({"dtype": "float32", "numel": 4096} | (changes if i < affected else others or {}))
        )
        for i, name in enumerate(NAMES)
    )
    return chain(precision=PrecisionRecord(weights=weights, **record))


def slow(measurement: Measurement, ratio: float = 1e-5) -> Measurement:
    return with_parameters(measurement, NAMES, update_ratio=ratio)


MEASURED = [
    (lost_updates, LOST, {**BF16, "captured": 0.97}),
    (gradient_underflow, UNDERFLOWN, {"gradient_lost": 0.02, "gradient_captured": 1.0}),
    (epsilon_dominated, RULED, {"epsilon_share": 0.1, "step_kept": 0.99}),
    (decay_dominated, EATEN, {"decay_to_gradient": 0.01}),
]


@pytest.mark.parametrize(("rule", "bad", "good"), MEASURED)
def test_more_than_half_of_the_weights_is_an_error_and_a_quarter_a_warning(rule: Any, bad: Any, good: Any):
    found = [rule.check(slow(weighed(affected, bad, good))) for affected in (0, 2, 3, 6, 7, DEPTH)]
    assert [f and f.severity for f in found] == [None, None, "warning", "warning", "error", "error"]


@pytest.mark.parametrize(("rule", "bad", "good"), MEASURED)
def test_lookups_and_branches_that_start_at_zero_are_exempt(rule: Any, bad: Any, good: Any):
    measurement = slow(weighed(DEPTH, bad, good))
    assert rule.check(with_layers(measurement, kind="Embedding")) is None
    assert rule.check(with_layers(measurement, zero_initialised=True)) is None


@pytest.mark.parametrize("rule_and_bad", [(lost_updates, LOST), (epsilon_dominated, RULED), (decay_dominated, EATEN)])
def test_a_network_that_has_converged_has_small_gradients_by_nature(rule_and_bad: Any):
    rule, bad = rule_and_bad
    assert rule.check(slow(weighed(DEPTH, bad, fit=0.001))) is None
    assert rule.check(slow(weighed(DEPTH, bad, fit=0.9))) is not None


@pytest.mark.parametrize("rule_and_bad", [(lost_updates, LOST), (epsilon_dominated, RULED), (decay_dominated, EATEN)])
def test_an_optimizer_that_the_user_did_not_give_is_not_judged(rule_and_bad: Any):
    rule, bad = rule_and_bad
    ours = OptimizerRecord("SGD", (0.01,), given=False)
    assert rule.check(replace(slow(weighed(DEPTH, bad)), optimizer=ours)) is None


def test_weights_that_were_not_watched_take_their_steps():
    """Of twelve weights three are in float32 and stand still: the other nine count too."""
    still = {"captured": 0.0, "intended_ratio": 1e-9}
    assert lost_updates.check(weighed(2, still)) is None
    found = lost_updates.check(weighed(3, still))
    assert found is not None and found.severity == "warning" and found.remedies[0] == "raise-rate"


def test_lost_updates_name_the_format_and_the_part_that_arrives():
    found = lost_updates.check(weighed(DEPTH, LOST))
    assert found is not None and found.where.module == "fc1"
    assert "12 of 12 weights take on 30 % of the steps" in found.message
    assert "bfloat16" in found.cause and found.remedies[0] == "master-weights"


def test_plain_descent_bears_the_loss_of_small_elements():
    """Half of the elements lost, and nine tenths of the gradient left: only an adaptive step would miss them."""
    few = {"gradient_lost": 0.6, "gradient_captured": 0.9}
    assert gradient_underflow.check(weighed(DEPTH, few)) is None
    assert gradient_underflow.check(weighed(DEPTH, few, adaptive=True)) is not None


def test_a_gradient_that_no_scale_brings_back_did_not_underflow():
    assert gradient_underflow.check(weighed(DEPTH, {"gradient_lost": 0.0, "recovered": False})) is None


def test_a_large_rate_makes_up_for_a_large_epsilon():
    assert epsilon_dominated.check(slow(weighed(DEPTH, RULED), 5e-3)) is None


def test_a_step_of_nine_tenths_is_a_step():
    assert epsilon_dominated.check(slow(weighed(DEPTH, {"epsilon_share": 1.0, "step_kept": 0.9}))) is None


def test_epsilon_that_halves_the_steps_is_a_warning():
    found = epsilon_dominated.check(slow(weighed(DEPTH, {"epsilon_share": 1.0, "step_kept": 0.4})))
    assert found is not None and found.severity == "warning"


@pytest.mark.parametrize(
    "changes", [{"decay_to_gradient": 5.0}, {"toward_zero": 0.1}, {"shrink": 1e-6}, {"toward_zero": None}]
)
def test_decay_in_balance_or_without_effect_is_silent(changes: dict[str, float]):
    assert decay_dominated.check(weighed(DEPTH, EATEN | changes)) is None


def clips(factor: float, steps: int = 5, **record: Any) -> Measurement:
    made = tuple(ClipRecord(3 + i, 2.0, 2.0 * factor) for i in range(steps))
    return chain(precision=PrecisionRecord(clips=made, **record))


def test_a_small_limit_that_always_acts_is_a_warning_with_the_rate_that_it_leaves():
    found = always_clipped.check(slow(clips(0.01)))
    assert found is not None and found.severity == "warning"
    assert "the rate of 0.01 is really one of 0.0001" in found.message


@pytest.mark.parametrize(
    ("measurement", "severity"),
    [
        (slow(clips(0.5)), None),
        (slow(clips(0.01, steps=4)), None),
        (clips(0.01), "info"),
        (slow(clips(0.01, adaptive=True)), "info"),
        (chain(), None),
    ],
)
def test_a_mild_or_rare_limit_is_silent_and_one_without_effect_is_information(measurement: Measurement, severity: Any):
    found = always_clipped.check(measurement)
    assert (found and found.severity) == severity


def test_what_a_vanishing_gradient_entails_stands_under_it():
    falling = [10.0 ** (i - 11) for i in range(12)]
    measurement = chain(gain=0.14, precision=slow(weighed(8, RULED | EATEN | UNDERFLOWN)).precision)
    for name, ratio in zip(NAMES, falling, strict=True):
        measurement = with_parameters(measurement, [name], update_ratio=ratio)
    layers = tuple(replace(layer, update_ratio=r) for layer, r in zip(measurement.layers, falling, strict=True))
    found = {f.code: f.under for f in judge(replace(measurement, layers=layers))}
    assert found["HW101"] is None
    assert {found[code] for code in ("HW502", "HW503", "HW504")} == {"HW101"}


def test_steps_cut_by_epsilon_explain_that_they_are_rounded_away():
    found = judge(slow(weighed(DEPTH, RULED | LOST)))
    assert [(f.code, f.under) for f in found] == [("HW503", None), ("HW501", "HW503")]
