from __future__ import annotations

import pytest

from headwater.report import Report
from headwater.report.verdict import roots, verdict
from tests.builders import chain, finding, findings, measurement, profile, residual, vanishing


def test_properties() -> None:
    made = vanishing()
    report = Report(made, findings())
    assert report.layers is made.layers
    assert report.profile is made.profile
    assert report.leading is report.findings[0]


@pytest.mark.parametrize(("severity", "healthy"), [("error", False), ("warning", False), ("info", True)])
def test_healthy_is_without_errors_and_warnings(severity: str, healthy: bool) -> None:
    assert Report(residual(), (finding(severity=severity),)).healthy is healthy  # type: ignore[arg-type]


def test_nothing_leads_where_nothing_was_found() -> None:
    assert Report(residual(), ()).leading is None


def test_consequences_stand_under_the_first_root_with_their_code() -> None:
    first, collapsed, saturated = findings()
    second, orphan = finding("HW605", "unscaled-data"), finding("HW301", "dead-units", under="HW999")
    assert roots((first, second, collapsed, orphan, saturated)) == [
        (first, [collapsed, saturated]),
        (second, []),
        (orphan, []),
    ]


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ([1e-3, 1e-2, 1e-1], "The first layer receives 0.01 times the gradient of the last: 0.10 per layer."),
        ([0.0, 0.5, 1.0], "No gradient arrives at 0."),
        ([float("inf"), 0.5, 1.0], "The gradient is not finite."),
        ([0.5], ""),
    ],
)
def test_the_gradient_in_words(signals: list[float], said: str) -> None:
    assert verdict(Report(measurement(chain(signals)), ())).gradient == said


def test_rounding_to_zero_is_told_apart() -> None:
    made = measurement(profile=profile(vanishing().profile.points, underflow_at="20"))
    assert verdict(Report(made, ())).gradient == "The gradient is lost in rounding from 20 on: 0.14 per layer."
