"""The rate of a script beside other ones: gradient descent on ``loss = 1 + w^2 / 2``, whose every step is known."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from headwater.records import OptimizerRecord, StepRecord
from headwater.rules import judge
from headwater.script_trial.job import Original
from headwater.trials.script_rate import OF_LEVEL, OF_PROOF, STEPS, Losses, look_at_rate
from tests.builders import chain, measurement


def descent(rate: float, steps: int, start: float = 2.0) -> list[float]:
    """``w <- (1 - rate) w``; what would never be reached is left out."""
    losses = [1 + 0.5 * (start * (1 - rate) ** step) ** 2 for step in range(steps)]
    return losses if losses[-1] < 1e30 else [*[each for each in losses if each < 1e30], math.inf]


def original(rate: float, update: float) -> Original:
    layers = tuple(replace(each, update_ratio=update) for each in chain([1.0, 1.0, 1.0]))
    losses = descent(rate, 200)
    steps = tuple(StepRecord(i, loss) for i, loss in enumerate(losses[:9]))
    seen = measurement(layers, optimizer=OptimizerRecord("SGD", (rate,), given=True), steps=steps)
    return Original(seen, (), len(losses), 0, losses=tuple(losses))


class Arms:
    """Runs arms, and notes which."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self.asked: list[tuple[float, int]] = []

    def __call__(self, factors: Sequence[float]) -> Sequence[float]:
        assert len(set(factors)) == 1
        self.asked.append((factors[0], len(factors)))
        return descent(factors[0] * self._rate, len(factors))


@pytest.mark.parametrize(
    ("rate", "update", "code", "asked"),
    [
        (1e-5, 1e-6, "HW401", [0.0, 1.0, 10.0]),
        (2.5, 0.5, "HW402", [0.0, 0.1, 0.01]),
        (5.0, 0.5, "HW402", [0.0, 0.1, 0.01]),
        (0.05, 1e-3, None, []),
    ],
)
def test_rates(rate: float, update: float, code: str | None, asked: list[float]) -> None:
    seen, arms = original(rate, update), Arms(rate)
    record = look_at_rate(seen, arms)
    assert arms.asked == [(factor, STEPS) for factor in asked]
    codes = [finding.code for finding in judge(replace(seen.measurement, rate=record))]
    assert [each for each in codes if each.startswith("HW4")] == ([code] if code else [])


def test_the_arms_are_in_numbers() -> None:
    record = look_at_rate(original(2.1, 0.5), Arms(2.1))
    own, tenth = record.arm(1.0), record.arm(0.1)
    assert own is not None and own.learned is not None and own.steps == OF_PROOF
    assert tenth is not None and tenth.losses == pytest.approx(descent(0.21, 24)[16:])
    assert tenth.learned == pytest.approx(1 - sum(tenth.losses) / 8 / 3)  # the start stands at 1 + 2 ** 2 / 2
    assert record.chance == 3.0


def test_a_loss_that_stands_still_from_the_start_is_no_matter_of_the_rate() -> None:
    """Beyond what can be learned, no rate is better: nothing is found."""
    seen = replace(original(0.05, 1e-3), losses=(1.0,) * 200)
    record = look_at_rate(seen, lambda factors: (1.0,) * len(factors))
    assert len(record.arms) == 4
    assert not judge(replace(seen.measurement, rate=record))


def test_a_script_of_few_steps_is_left_alone() -> None:
    seen = replace(original(2.5, 0.5), losses=(1.0, 2.0, 100.0))
    assert not look_at_rate(seen, Arms(2.5)).arms


def noisy(factors: Sequence[float], rate: float = 1.7) -> tuple[float, ...]:
    """A slow part that is learned, and ``(w - n)^2 / 2`` with other ``n`` in each batch, which drives ``w`` about."""
    draw, weight, slow, losses = random.Random(0), 0.0, 12.0, []
    for factor in factors:
        target = draw.gauss(0.0, 1.0)
        losses.append(1 + slow + 0.5 * (weight - target) ** 2)
        weight -= factor * rate * (weight - target)
        slow *= 1 - 0.03 * factor
    return tuple(losses)


def test_a_level_that_a_falling_rate_leaves_is_a_plateau() -> None:
    seen = replace(original(0.05, 1e-3), losses=noisy([1.0] * 400))
    record = look_at_rate(seen, noisy)
    assert [(arm.factor, arm.decaying, arm.steps) for arm in record.arms] == [
        (0.0, False, OF_LEVEL),
        (1.0, False, OF_LEVEL),
        (1.0, True, OF_LEVEL),
    ]
    assert [each.code for each in judge(replace(seen.measurement, rate=record))] == ["HW403"]


def following(factors: Sequence[float], rate: float = 0.1) -> tuple[float, ...]:
    """`descent` down to its minimum of 1, each step at a rate of its own."""
    weight, losses = 2.0, list[float]()
    for factor in factors:
        losses.append(1 + 0.5 * weight**2)
        weight -= factor * rate * weight
    return tuple(losses)


@pytest.mark.parametrize("losses", [following, partial(noisy, rate=0.1)])
def test_a_script_that_ends_as_it_has_converged_is_no_plateau(losses: Losses) -> None:
    """At its minimum, or so near to it that a falling rate gains ``rate / (2 - rate) / 2`` only."""
    converged = replace(original(0.05, 1e-3), losses=tuple(losses([1.0] * 400)))
    record = look_at_rate(converged, losses)
    assert [(arm.factor, arm.decaying) for arm in record.arms] == [(1.0, False), (1.0, True)]
    gain = record.gain_of_falling
    assert gain is not None and not gain.worth
    assert not judge(replace(converged.measurement, rate=record))
