"""HW401, HW402 and HW403 on records built by hand: each fires once, and is silent on what only looks alike."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import variance
from typing import Any

import pytest

from headwater.records import Measurement, RateArm, RateRecord, StepRecord
from headwater.rules import judge, plateau
from headwater.rules import learning_rate_too_large as too_large
from headwater.rules import learning_rate_too_small as too_small
from tests.rules.build import chain

WOBBLE = (0.01, -0.01, 0.02, -0.02, 0.01, -0.01, 0.0, 0.0)


def arm(factor: float, level: float, **changes: Any) -> RateArm:
    losses = tuple(level * (1 + each) for each in WOBBLE)
    made = RateArm(factor, losses, losses, steps=24, learned=0.0, other=2.31)
    return replace(made, **changes)


def record(*arms: RateArm, **changes: Any) -> Measurement:
    made = RateRecord(rate=0.01, rho=1.0, fell=0.0, update=1e-3, arms=arms)
    return chain(rate=replace(made, **changes))


SMALL = (arm(0.0, 2.4), arm(1.0, 2.3993), arm(10.0, 2.38))


def small(**changes: Any) -> Measurement:
    return record(*SMALL, **({"update": 1e-6, "rho": 1.0} | changes))


def test_a_rate_that_is_too_small() -> None:
    found = too_small.check(small())
    assert found is not None and found.severity == "error" and found.remedies == ("raise-rate",)
    assert found.evidence["pace"] == pytest.approx(100 * (0.0007 / 2.4) / 20)
    brisker = too_small.check(replace(small(), rate=replace(small().rate, arms=(SMALL[0], arm(1.0, 2.395), SMALL[2]))))
    assert brisker is not None and brisker.severity == "warning"


def test_the_pace_is_given_in_per_cent_and_called_steady_only_above_rounding() -> None:
    found = too_small.check(small())
    assert found is not None and "falls by 0.15 % in 100 steps; at 0.1 by 4.2 %, as steadily." in found.message
    tiny = (arm(0.0, 2.4), arm(1.0, 2.4 * (1 - 4e-7)), arm(10.0, 2.4 * (1 - 4e-6)))
    for level, update in ((tiny, 1e-5), (SMALL, 6e-8)):  # the loss is rounded, and the weights are
        rounded = too_small.check(small(arms=level, update=update))
        assert rounded is not None and "steadily" not in rounded.message
    rounded = too_small.check(small(arms=tiny))
    assert rounded is not None and "falls by 0.0002 % in 100 steps; at 0.1 by 0.002 %." in rounded.message


def test_a_rate_of_zero() -> None:
    found = too_small.check(record(rate=0.0, fell=None))
    assert found is not None and found.severity == "error" and "is 0" in found.message
    assert too_small.check(record(rate=0.0, scheduled=0.1)) is None


@pytest.mark.parametrize(
    "healthy",
    [
        small(update=2e-4),
        small(rho=0.9),
        small(scheduled=0.1),
        small(update=None),
        record(arm(0.0, 2.4), arm(1.0, 2.2), arm(10.0, 1.0), update=1e-6),  # slow steps, quick progress
        record(arm(0.0, 2.4), arm(1.0, 2.399), arm(10.0, 2.3985), update=1e-6),  # no faster at ten times the rate
        record(arm(0.0, 2.4), arm(1.0, 2.399), arm(10.0, 3.0), update=1e-6),  # unstable there
        record(replace(SMALL[0], learned=0.9), *SMALL[1:], update=1e-6),  # learned already
        record(update=1e-6),
        chain(),
    ],
)
def test_not_too_small(healthy: Measurement) -> None:
    assert too_small.check(healthy) is None


LARGE = (arm(0.0, 2.4), arm(1.0, 2.32), arm(0.1, 1.2, learned=0.9), arm(1.0, 2.31, steps=96))


def test_a_rate_that_is_too_large() -> None:
    found = too_large.check(record(*LARGE, place=7.0))
    assert found is not None and found.severity == "error" and "lower-rate" in found.remedies
    without = too_large.check(record(*LARGE))
    assert without is not None and without.severity == "warning"
    lost = arm(1.0, math.nan, steps=7, learned=None, other=None)
    assert too_large.check(record(LARGE[0], lost, LARGE[2], rho=0.1)) is not None
    above_chance = arm(0.1, 2.2, learned=0.3, other=3.0)  # a large initialisation, and few steps to leave it
    assert too_large.check(record(LARGE[0], lost, above_chance, rho=0.1)) is not None
    assert too_large.check(record(*LARGE[:2], above_chance, LARGE[3], rho=0.1)) is None


def _says(measurement: Measurement) -> tuple[str, str]:
    found = too_large.check(measurement)
    assert found is not None
    return found.message, found.cause


def test_what_a_rate_that_is_too_large_does_is_said_without_contradiction() -> None:
    assert "a step lowers the loss by 20 % of what" in _says(record(*LARGE, rho=0.2))[1]
    raises = _says(record(*LARGE, rho=-30000.0))[1]
    assert "a step raises the loss." in raises and "promises" not in raises

    jumped = (StepRecord(0, 2.3), StepRecord(1, 4.2e5), StepRecord(2, 7.1e5), StepRecord(3, 2.3))
    assert (
        "within the first 4 steps the loss peaks at 7.1e5, from 2.3" in _says(replace(record(*LARGE), steps=jumped))[1]
    )

    lost = record(LARGE[0], arm(1.0, math.inf, steps=11, learned=None, other=None), LARGE[2], place=5.79)
    message, cause = _says(replace(lost, steps=(StepRecord(0, 2.4), StepRecord(3, math.nan, "the loss"))))
    assert "At the rate 0.01 the loss is no longer finite after 11 steps; at 0.001 it is 1.2 after 24." in message
    assert "the loss is no longer finite after 3 steps" in cause and "5.79 times" in cause
    assert not any(word in message + cause for word in ("inf ", "nan"))
    overflow = _says(replace(lost, steps=(StepRecord(0, 2.4), StepRecord(3, 2.2, "Addmm"))))[1]
    assert "the gradient is no longer finite after 3 steps" in overflow


@pytest.mark.parametrize(
    "healthy",
    [
        record(*LARGE[:3], place=7.0),  # not borne out by the longer training
        record(*LARGE[:3], arm(1.0, 1.1, steps=96, learned=0.5), place=7.0),  # came back from its jump
        record(*LARGE[:3], arm(1.0, 1.5, steps=96, learned=0.5)),  # slower, and no step is too long
        record(*LARGE[:2], arm(0.1, 2.3), LARGE[3], place=7.0),  # structural: no rate learns
        record(LARGE[0], arm(1.0, 0.7, learned=0.9), place=1.1, rho=0.5),  # the edge of stability
        record(place=3.0),
        chain(),
    ],
)
def test_not_too_large(healthy: Measurement) -> None:
    assert too_large.check(healthy) is None


@pytest.mark.parametrize(
    "longer",
    [
        arm(1.0, 1.5, steps=96, learned=0.5),  # learns: not as much as a tenth of the rate in a quarter of the steps
        replace(arm(1.0, 2.4, steps=96, learned=0.6), early=(9.0, 8.0, 8.5)),  # still on its way back from a jump
    ],
)
def test_a_rate_that_learns_far_less_than_a_tenth_of_it(longer: RateArm) -> None:
    found = too_large.check(record(*LARGE[:3], longer, place=7.0))
    assert found is not None and found.severity == "warning"


LEVEL = (arm(0.0, 0.5, learned=0.8), arm(1.0, 0.51, learned=0.8), arm(1.0, 0.3, learned=0.85, decaying=True))


def test_a_plateau() -> None:
    found = plateau.check(record(*LEVEL))
    assert found is not None and found.severity == "warning" and found.remedies[0] == "decaying-rate"


@pytest.mark.parametrize(("errors", "fires"), [(3.0, True), (5.0, False)])
def test_a_plateau_may_seem_to_fall_by_more_than_independent_batches_would(errors: float, fires: bool) -> None:
    own = LEVEL[1]
    error = math.sqrt(2 * variance(own.losses) / len(own.losses))
    fallen = replace(own, early=tuple(each + errors * error for each in own.losses))
    assert (plateau.check(record(LEVEL[0], fallen, LEVEL[2])) is not None) == fires


@pytest.mark.parametrize(
    "healthy",
    [
        record(LEVEL[0], LEVEL[1], arm(1.0, 0.49, decaying=True)),  # converged: nothing to gain
        record(LEVEL[0], replace(LEVEL[1], early=(0.9, 0.91, 0.92)), LEVEL[2]),  # still falling
        record(arm(0.0, 2.4), *LEVEL[1:]),  # has learned nothing
        record(arm(0.0, 0.002, learned=0.9999), arm(1.0, 0.002), arm(1.0, 0.001, decaying=True)),  # near zero
        record(arm(0.0, 0.01, learned=0.9), *LEVEL[1:]),  # a shock, from which both still recover
        record(*LEVEL[:2]),
        chain(),
    ],
)
def test_not_a_plateau(healthy: Measurement) -> None:
    assert plateau.check(healthy) is None


def test_a_gain_that_chance_explains_is_no_plateau() -> None:
    scattered = tuple(0.3 * factor for factor in (0.1, 9.0, 0.2, 5.0, 0.1, 6.0, 0.2, 0.1))
    assert plateau.check(record(*LEVEL[:2], replace(LEVEL[2], losses=scattered))) is None


def test_a_blown_up_loss_stands_under_the_rate() -> None:
    steps = (StepRecord(0, 2.4), StepRecord(1, math.nan, "the loss"))
    findings = judge(replace(record(*LARGE, place=7.0), steps=steps))
    assert [(f.code, f.under) for f in findings] == [("HW402", None), ("HW701", "HW402")]


def test_scale_of_the_loss_does_not_matter() -> None:
    def scaled(measurement: Measurement) -> Measurement:
        assert measurement.rate is not None
        arms = tuple(
            replace(
                a,
                losses=tuple(1e-6 * x for x in a.losses),
                early=tuple(1e-6 * x for x in a.early),
                other=1e-6 * (a.other or 0.0),
            )
            for a in measurement.rate.arms
        )
        return replace(measurement, rate=replace(measurement.rate, arms=arms))

    for check, broken in (
        (too_small.check, small()),
        (too_large.check, record(*LARGE)),
        (plateau.check, record(*LEVEL)),
    ):
        assert check(scaled(broken)) is not None
